import copy
import json
from decimal import Decimal

import pytest


@pytest.fixture(scope="module")
def alert(load_agent):
    return load_agent("entitlement_alert")


@pytest.fixture(scope="module")
def policy(alert):
    return alert.parse_policy(
        {
            "usd_per": {"USD": 1, "EUR": 1.5},
            "points": {
                "buyer_tier": {"gold": 2, "basic": 0},
                "offer_type": {"private": 1, "public": 0},
                "amount_usd": [{"at_least": 10, "points": 1}, {"at_least": 100, "points": 4}],
                "discount_percent": [{"at_least": 20, "points": 1}],
                "term_months": [{"at_least": 24, "points": 1}],
            },
            "severities": [
                {"at_least": 0, "name": "calm", "action": "wait"},
                {"at_least": 5, "name": "urgent", "action": "call"},
            ],
        }
    )


@pytest.fixture
def event():
    return {
        "entitlement_id": "ent-1",
        "product": "Backup",
        "amount": 100,
        "buyer": {"name": "Acme", "tier": "basic"},
        "offer": {"type": "private"},
    }


def rated(alert, policy, event):
    return alert.rate(alert.parse_entitlement(event, policy), policy)


def test_points_add_up_to_a_severity_with_its_action(alert, policy, event):
    answer = rated(alert, policy, event)
    assert (answer.score, answer.severity, answer.action) == (5, "urgent", "call")
    assert [(signal.name, signal.points) for signal in answer.signals] == [
        ("amount_usd", 4),
        ("offer_type", 1),
    ]


@pytest.mark.parametrize(("amount", "points"), [(0, 0), (9.99, 0), (10, 1), (99.99, 1), (100, 4)])
def test_an_amount_earns_the_points_of_the_highest_step_that_it_reaches(alert, policy, amount, points):
    assert alert.points_for(Decimal(str(amount)), policy.steps["amount_usd"]) == points


def test_an_amount_in_another_currency_is_converted(alert, policy, event):
    event |= {"amount": 66.66, "currency": "EUR"}
    assert alert.parse_entitlement(event, policy).amount_usd == Decimal("99.990")


def test_discount_and_term_count_when_the_offer_has_them(alert, policy, event):
    event["offer"] |= {"discount_percent": 20, "term_months": 36}
    assert rated(alert, policy, event).score == 7


def test_a_purchase_without_signals_is_of_the_lowest_severity(alert, policy, event):
    event |= {"amount": 0, "offer": {"type": "public"}}
    answer = rated(alert, policy, event)
    assert (answer.severity, answer.signals) == ("calm", [])
    assert alert.render(answer)[-1] == "  nothing earned points"


def test_all_that_is_missing_is_named_at_once(alert, policy):
    with pytest.raises(alert.AgentError) as error:
        alert.parse_entitlement({}, policy)
    for path in ("entitlement_id", "product", "amount", "buyer.name", "buyer.tier", "offer.type"):
        assert f"event.{path} is missing" in str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("amount",), "100", "event.amount is '100', it must be a number from 0 to 1,000,000,000,000"),
        (("amount",), -1, "event.amount is -1, it must be a number"),
        (("amount",), float("nan"), "event.amount is nan, it must be a number"),
        (("amount",), True, "event.amount is True, it must be a number"),
        (("currency",), "XYZ", "event.currency is 'XYZ', it must be one of USD, EUR"),
        (("buyer", "tier"), "silver", "event.buyer.tier is 'silver', it must be one of gold, basic"),
        (("buyer", "name"), " ", "event.buyer.name is ' ', it must be a text"),
        (("offer", "type"), [], "event.offer.type is [], it must be one of private, public"),
        (("buyer",), "Acme", "event.buyer.tier is missing"),
        (("offer",), {"type": "public", "term_months": "12"}, "event.offer.term_months is '12', it must be"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_must_be(alert, policy, event, path, value, message):
    *parents, name = path
    target = event
    for parent in parents:
        target = target[parent]
    target[name] = value
    with pytest.raises(alert.AgentError) as error:
        alert.parse_entitlement(event, policy)
    assert message in str(error.value)


def test_a_policy_that_lacks_a_part_is_refused(alert):
    with pytest.raises(alert.AgentError, match=r"not a policy: KeyError\('points'\)"):
        alert.parse_policy({"usd_per": {}})


@pytest.fixture
def example(data):
    return json.loads((data / "entitlement-created.json").read_bytes())


def reached(steps, quantity):
    """Points of the best step, read straight from the policy file."""
    return max((step["points"] for step in steps if step["at_least"] <= quantity), default=0)


@pytest.mark.parametrize("amount", [0, 4_999.99, 5_000, 60_000, 2_000_000])
@pytest.mark.parametrize("tier", ["strategic", "startup"])
def test_a_run_follows_the_policy_of_the_data(run_agent, data, example, amount, tier):
    policy = json.loads((data / "alert-policy.json").read_bytes())
    event = copy.deepcopy(example) | {"amount": amount}
    event["buyer"]["tier"] = tier
    points = policy["points"]
    score = (
        points["buyer_tier"][tier]
        + points["offer_type"][event["offer"]["type"]]
        + reached(points["amount_usd"], amount)
        + reached(points["discount_percent"], event["offer"]["discount_percent"])
        + reached(points["term_months"], event["offer"]["term_months"])
    )
    answer = run_agent("entitlement_alert", {"event": event})
    assert (answer.code, answer.complaint, answer.result["score"]) == (0, "", score)
    levels = [level for level in policy["severities"] if level["at_least"] <= score]
    severity = max(levels, key=lambda level: level["at_least"])
    assert (answer.result["severity"], answer.result["action"]) == (severity["name"], severity["action"])
    assert answer.report.startswith(f"{severity['name'].upper()}: Fjord Energy bought Compass Search")


def test_the_example_event_is_one_that_the_job_lets_pass(example):
    assert (example["action"], example["partner"]) == ("entitlement_created", "AWS")


@pytest.mark.parametrize("request_text", ["{}", '{"event": null}', '{"event": {"amount": 3}}'])
def test_a_payload_that_lacks_what_is_needed_fails_with_one_line_and_no_result(run_agent, request_text):
    answer = run_agent("entitlement_alert", request_text)
    assert (answer.code, answer.report, answer.result) == (1, "", None)
    assert answer.complaint.startswith("error: can't rate this entitlement: event.entitlement_id is missing")
    assert answer.complaint.count("\n") == 1
