"""The fields of a job in the order of the reference, and what somebody means who writes `timeout=2h`."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, get_args

from runner.errors import ConflictError, InvalidRequestError
from runner.spec.document import SourceFile
from runner.spec.documents import JobDocument, Written
from runner.spec.jsonschema import job_schema
from runner.spec.quoting import shown
from runner.spec.source import scan
from runner.spec.suggest import did_you_mean
from runner.spec.support import KUBERNETES, OTHER_WORDS

ORDER: Final = (
    "kind", "name", "id", "description", "agent", "prompt", "mode", "schedule", "timezone", "filter", "payload",
    "accept", "signature", "enabled", "jitter", "timeout", "concurrency", "rate_limit", "retry", "catch_up",
    "expect", "budget", "notify", "redact", "queue", "labels", "tests",
)  # fmt: skip
"""A new field goes behind the nearest of those before it."""

FLAT: Final = "labels"
"""A field whose keys may have dots in them, because nothing is below them."""


def location_of(field: str) -> tuple[str, ...]:
    """The location that a field is called by, such as `retry.attempts`.

    Raises:
        ConflictError: when a job has no such field.
    """
    first, _, rest = field.partition(".")
    location = (first, rest) if first == FLAT and rest else tuple(field.split("."))
    names: Sequence[str] | None = ORDER
    for depth, step in enumerate(location):
        if not step:
            raise InvalidRequestError(f"`{shown(field)}` is not the name of a field")
        if names is not None and step not in names:
            raise ConflictError(_unknown(location[:depth], step, names))
        names = _names_below(location[: depth + 1])
        if names == () and depth + 1 < len(location):
            raise ConflictError(f"nothing is below the field `{'.'.join(location[: depth + 1])}`")
    return location


def _unknown(parent: tuple[str, ...], step: str, names: Sequence[str]) -> str:
    whole = ".".join((*parent, step))
    known = KUBERNETES.get(step, ("",))[0] or OTHER_WORDS.get(step) if not parent else None
    meant = known or did_you_mean(step, names)
    if meant:
        return f"a job has no field `{shown(whole)}`; did you mean `{'.'.join((*parent, meant))}`?"
    return f"a job has no field `{shown(whole)}`; 'jobsd docs jobs' shows all"


def _names_below(location: tuple[str, ...]) -> Sequence[str] | None:
    """The names that fields below a location may have: none, these, or any (None)."""
    if location[0] in {FLAT, "payload"}:
        return None
    model: type[Written] = JobDocument
    for step in location:
        found = next(_models(model.model_fields[step].annotation), None)
        if found is None:
            return ()
        model = found
    return tuple(model.model_fields)


def _models(annotation: Any) -> Iterator[type[Written]]:
    """The mappings that a field may be; those within lists have no name to call them by."""
    if isinstance(annotation, type) and issubclass(annotation, Written):
        yield annotation
    elif getattr(annotation, "__origin__", None) is not list:
        for argument in get_args(annotation):
            yield from _models(argument)


def before(location: tuple[str, ...]) -> Sequence[str] | None:
    """The fields that stand before one in the reference; None where their order means nothing."""
    names = ORDER if len(location) == 1 else _names_below(location[:-1])
    return names[: names.index(location[-1])] if names and location[-1] in names else None


def value_of(location: tuple[str, ...], text: str) -> Any:
    """The value that a text means for a field: a text field takes it as it is, others read it as YAML.

    A text in quotes is read as YAML in either case.

    Raises:
        InvalidRequestError: when it is no YAML.
    """
    field = ".".join(location)
    try:
        raw = ("value:\n" + "".join(f"  {line}\n" for line in text.split("\n"))).encode()
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{field}: the value is not UTF-8") from None
    if is_text(location) and text[:1] not in {"'", '"'}:
        return text
    found = scan(SourceFile("", raw))
    good = not found.diagnostics and len(found.documents) == 1
    value = found.documents[0].data.get("value") if good else None
    if is_text(location) and not isinstance(value, str):
        return text
    if not good:
        reason = f": {found.diagnostics[0].message}" if found.diagnostics else ""
        raise InvalidRequestError(f"{field}: the value {shown(text)!r} is not YAML{reason}")
    return value


@cache
def is_text(location: tuple[str, ...]) -> bool:
    """Whether the value of a field is a text."""
    whole = job_schema()
    node: Mapping[str, Any] = whole
    for step in location:
        node = _resolved(whole, node)
        node = node.get("properties", {}).get(step) or node.get("additionalProperties") or {}
    node = _resolved(whole, node)
    return node.get("type") == "string" or isinstance((node.get("enum") or [node.get("const")])[0], str)


def _resolved(whole: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    if reference is None:
        return node
    found: Mapping[str, Any] = whole["$defs"][reference.rsplit("/", 1)[1]]
    return found
