"""Work out how much attention a new entitlement deserves, by the points of `data/alert-policy.json`.

The event needs `entitlement_id`, `product`, `amount`, `buyer.name`, `buyer.tier` and `offer.type`; it may
leave out `currency` (USD), `offer.discount_percent` (0) and `offer.term_months` (0). All that is missing or
wrong is named at once, so that a sender corrects its payload once.
"""

import reprlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from agent_io import AgentError, Request, deliver, money, read_json, run, table

CHOICES = ("buyer_tier", "offer_type")
QUANTITIES = ("amount_usd", "discount_percent", "term_months")
LARGEST = 10**12


@dataclass(frozen=True, slots=True)
class Step:
    """Points for a quantity that is `at_least` so large."""

    at_least: Decimal
    points: int


@dataclass(frozen=True, slots=True)
class Severity:
    """A level that a score reaches, and what to do then."""

    at_least: int
    name: str
    action: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What the team gives points for; steps and severities start with the highest."""

    usd_per: Mapping[str, Decimal]
    choices: Mapping[str, Mapping[str, int]]
    steps: Mapping[str, Sequence[Step]]
    severities: Sequence[Severity]


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What the event says about the purchase."""

    id: str
    product: str
    buyer: str
    buyer_tier: str
    offer_type: str
    amount_usd: Decimal
    discount_percent: Decimal
    term_months: Decimal


@dataclass(frozen=True, slots=True)
class Signal:
    """One reason for attention."""

    name: str
    value: str
    points: int


@dataclass(frozen=True, slots=True)
class Alert:
    """The whole answer: what the report prints and the result holds."""

    severity: str
    score: int
    action: str
    signals: list[Signal]
    entitlement: Entitlement


@dataclass(slots=True)
class Fields:
    """The event's fields by dotted path; what is wrong with them is collected, not raised."""

    event: Mapping[str, Any]
    problems: list[str] = field(default_factory=list)

    def find(self, path: str) -> Any:
        """The value at `path`, or `None`."""
        value: Any = self.event
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def text(self, path: str) -> str:
        """A text that is not empty."""
        value = self.find(path)
        if isinstance(value, str) and value.strip():
            return value
        self.complain(path, value, "a text")
        return ""

    def choice(self, path: str, choices: Collection[str], default: str | None = None) -> str:
        """One of `choices`."""
        value = self.find(path)
        value = default if value is None else value
        if isinstance(value, str) and value in choices:
            return value
        self.complain(path, value, f"one of {', '.join(choices)}")
        return ""

    def number(self, path: str, default: int | None = None) -> Decimal:
        """A number from 0 to `LARGEST`."""
        value = self.find(path)
        value = default if value is None else value
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LARGEST:
            return Decimal(str(value))
        self.complain(path, value, f"a number from 0 to {LARGEST:,}")
        return Decimal()

    def complain(self, path: str, value: Any, expected: str) -> None:
        """Note that a field is missing, or is not what is expected."""
        fault = "is missing" if value is None else f"is {reprlib.repr(value)}"
        self.problems.append(f"event.{path} {fault}, it must be {expected}")


def parse_policy(content: dict[str, Any]) -> Policy:
    """The policy in `alert-policy.json`."""
    try:
        points = content["points"]
        return Policy(
            usd_per={currency: Decimal(str(rate)) for currency, rate in content["usd_per"].items()},
            choices={name: points[name] for name in CHOICES},
            steps={name: parse_steps(points[name]) for name in QUANTITIES},
            severities=parse_severities(content["severities"]),
        )
    except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise AgentError(f"data/alert-policy.json is not a policy: {error!r}") from None


def parse_steps(items: Iterable[dict[str, Any]]) -> list[Step]:
    """Steps, the highest first."""
    steps = [Step(Decimal(str(item["at_least"])), item["points"]) for item in items]
    return sorted(steps, key=lambda step: -step.at_least)


def parse_severities(items: Iterable[dict[str, Any]]) -> list[Severity]:
    """Severities, the highest first."""
    return sorted((Severity(**item) for item in items), key=lambda severity: -severity.at_least)


def parse_entitlement(event: Mapping[str, Any], policy: Policy) -> Entitlement:
    """The entitlement in an event's payload; an `AgentError` names all that is wrong with it."""
    fields = Fields(event)
    currency = fields.choice("currency", policy.usd_per, default="USD")
    entitlement = Entitlement(
        id=fields.text("entitlement_id"),
        product=fields.text("product"),
        buyer=fields.text("buyer.name"),
        buyer_tier=fields.choice("buyer.tier", policy.choices["buyer_tier"]),
        offer_type=fields.choice("offer.type", policy.choices["offer_type"]),
        amount_usd=fields.number("amount") * policy.usd_per.get(currency, Decimal()),
        discount_percent=fields.number("offer.discount_percent", default=0),
        term_months=fields.number("offer.term_months", default=0),
    )
    if fields.problems:
        raise AgentError("can't rate this entitlement: " + "; ".join(fields.problems))
    return entitlement


def rate(entitlement: Entitlement, policy: Policy) -> Alert:
    """The alert for an entitlement."""
    signals = signals_of(entitlement, policy)
    score = sum(signal.points for signal in signals)
    severity = severity_of(score, policy.severities)
    return Alert(severity.name, score, severity.action, signals, entitlement)


def signals_of(entitlement: Entitlement, policy: Policy) -> list[Signal]:
    """All that earns points, the weightiest first."""
    signals = [
        choice_signal("buyer_tier", entitlement.buyer_tier, policy),
        choice_signal("offer_type", entitlement.offer_type, policy),
        quantity_signal("amount_usd", entitlement.amount_usd, policy),
        quantity_signal("discount_percent", entitlement.discount_percent, policy),
        quantity_signal("term_months", entitlement.term_months, policy),
    ]
    counting = (signal for signal in signals if signal.points)
    return sorted(counting, key=lambda signal: (-signal.points, signal.name))


def choice_signal(name: str, value: str, policy: Policy) -> Signal:
    """What one of several values earns."""
    return Signal(name, value, policy.choices[name][value])


def quantity_signal(name: str, quantity: Decimal, policy: Policy) -> Signal:
    """What a quantity earns."""
    return Signal(name, f"{quantity:,}", points_for(quantity, policy.steps[name]))


def points_for(quantity: Decimal, steps: Sequence[Step]) -> int:
    """The points of the highest step that `quantity` reaches, else none."""
    return next((step.points for step in steps if quantity >= step.at_least), 0)


def severity_of(score: int, severities: Sequence[Severity]) -> Severity:
    """The highest severity that `score` reaches."""
    for severity in severities:
        if score >= severity.at_least:
            return severity
    raise AgentError(f"data/alert-policy.json has no severity for a score of {score}")


def render(alert: Alert) -> list[str]:
    """The report for people."""
    sale = alert.entitlement
    rows = [[f"  {signal.name}", signal.value, f"+{signal.points}"] for signal in alert.signals]
    return [
        f"{alert.severity.upper()}: {sale.buyer} bought {sale.product} for {money(sale.amount_usd)} USD",
        alert.action,
        "",
        f"Entitlement {sale.id} scores {alert.score}",
        *table(rows or [["  nothing earned points"]], left=2),
    ]


def main(request: Request) -> None:
    """Rate the entitlement in the event, deliver."""
    policy = parse_policy(read_json("alert-policy.json"))
    alert = rate(parse_entitlement(request.event, policy), policy)
    deliver(render(alert), asdict(alert))


if __name__ == "__main__":
    run(main)
