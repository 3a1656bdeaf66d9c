"""What to write instead of a name that means nothing: habits from other languages, and misspellings."""

from difflib import get_close_matches

from runner.errors import Mistake
from runner.filters.functions import FUNCTIONS
from runner.filters.tree import Call, Name

_LITERALS = {
    "true": "true",
    "false": "false",
    "null": "null",
    "none": "null",
    "nil": "null",
    "undefined": "null",
}
_ROOT_HABITS = frozenset({"payload", "data", "body", "message", "record", "input", "this", "self", "ctx", "$"})
_FUNCTION_HABITS = {
    "contains": "includes",
    "has": "includes",
    "include": "includes",
    "in": "includes",
    "tolower": "lower",
    "tolowercase": "lower",
    "lowercase": "lower",
    "lcase": "lower",
    "toupper": "upper",
    "touppercase": "upper",
    "uppercase": "upper",
    "ucase": "upper",
    "isempty": "empty",
    "is_empty": "empty",
    "exist": "exists",
    "defined": "exists",
    "ceiling": "ceil",
    "pow": "number ^ number",
    "power": "number ^ number",
    "matches": 'text ~= "pattern"',
    "match": 'text ~= "pattern"',
    "regex": 'text ~= "pattern"',
    "test": 'text ~= "pattern"',
    "search": 'text ~= "pattern"',
    "startswith": 'text ~= "^start"',
    "starts_with": 'text ~= "^start"',
    "endswith": 'text ~= "end$"',
    "ends_with": 'text ~= "end$"',
    "len": "list.length",
    "length": "list.length",
    "size": "list.length",
    "count": "list.length",
}


def unknown_name(name: Name, text: str, roots: frozenset[str]) -> Mistake:
    """A symbol that is neither a root nor a constant."""
    start, end = name.span
    if name.quoted:
        straight = '"' + name.text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return Mistake(
            "filter-unknown-name",
            f"`{text[start:end]}` in single quotes is the name of a field, not text",
            start,
            end,
            help=f"write `{straight}` with double quotes",
            fix=straight,
        )
    message = f"unknown name `{name.text}`"
    literal = _LITERALS.get(name.text.lower())
    if literal is not None:
        return Mistake("filter-unknown-name", message, start, end, help=f"write `{literal}`", fix=literal)
    better = _rooted(name, roots)
    known = ", ".join(f"`{root}`" for root in sorted(roots))
    help_ = f"write `{better}`; every name begins with {known}"
    return Mistake("filter-unknown-name", message, start, end, help=help_, fix=better)


def _rooted(name: Name, roots: frozenset[str]) -> str:
    first, *rest = name.keys
    close = get_close_matches(first.lower(), sorted(roots), n=1, cutoff=0.7)
    default = "event" if "event" in roots else min(roots)
    if close:
        return ".".join((close[0], *rest))
    if first.lower() in _ROOT_HABITS and rest:
        return ".".join((default, *rest))
    return f"{default}.{name.text}"


def unknown_function(call: Call) -> Mistake:
    """A call of a function that does not exist."""
    name = call.function
    start, end = name.span
    message = f"unknown function `{name.text}`"
    *holder, last = name.text.split(".") if not name.quoted else (name.text,)
    better = _function_like(last)
    if holder and better is not None:
        subject = ".".join(holder)
        written = f"write `{_as_call(better, subject)}`; functions stand before what they work on"
        return Mistake("filter-unknown-function", message, start, end, help=written)
    if better in FUNCTIONS:
        usage = FUNCTIONS[better].usage
        written = f"did you mean `{better}`? write `{usage}`"
        return Mistake("filter-unknown-function", message, start, end, help=written, fix=better)
    if better is not None:
        return Mistake("filter-unknown-function", message, start, end, help=f"write `{better}`")
    known = f"the functions are {', '.join(sorted(FUNCTIONS))}"
    return Mistake("filter-unknown-function", message, start, end, help=known)


def _function_like(name: str) -> str | None:
    lowered = name.lower()
    if lowered in FUNCTIONS:
        return lowered
    if lowered in _FUNCTION_HABITS:
        return _FUNCTION_HABITS[lowered]
    close = get_close_matches(lowered, sorted(FUNCTIONS), n=1, cutoff=0.6)
    return close[0] if close else None


def _as_call(better: str, subject: str) -> str:
    if better == "includes":
        return f"includes({subject}, value)"
    if better in FUNCTIONS:
        return f"{better}({subject})"
    return better.replace("text", subject).replace("list", subject)
