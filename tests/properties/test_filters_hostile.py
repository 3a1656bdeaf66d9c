"""Texts and payloads that mean harm: each is answered within its bound, with a clear error or with a verdict.

Bounds are in seconds of the processor, far above what is measured on a slow machine. With `--soak`, texts are made
up for ten minutes.
"""

import contextlib
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runner.errors import Mistake, Severity
from runner.filters import (
    EVENT,
    EvaluationError,
    Filter,
    FilterSyntaxError,
    Verdict,
    VerdictKind,
    compile_filter,
)
from runner.filters.batch import answer
from runner.filters.explain import explain
from runner.filters.filter import MOST_MISTAKES, compile_uncached
from runner.filters.parser import MAX_LENGTH
from runner.filters.tree import MAX_NESTING

COMPILE, CHECK = 5.0, 5.0
SOAK = 600.0
SAMPLE = 2_000


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is inside takes no more of the processor than this."""
    start = time.process_time()
    yield
    spent = time.process_time() - start
    assert spent < seconds, f"took {spent:.1f} s"


def compiled(text: str, *, filtrex: bool = False) -> Filter:
    """Compile anew, within the bound."""
    with within(COMPILE):
        return compile_uncached(text, EVENT, filtrex=filtrex)


def mistake_in(text: str, *, filtrex: bool = False) -> str:
    """What is said of a text that is no filter, which is never much."""
    with pytest.raises(FilterSyntaxError) as raised:
        compiled(text, filtrex=filtrex)
    error = raised.value
    assert 1 <= len(error.mistakes) <= MOST_MISTAKES
    for mistake in error.mistakes:
        assert 0 <= mistake.start <= mistake.end <= len(text)
    assert error.mistakes[0].severity is Severity.ERROR
    return error.message


def verdict_of(text: str, payload: Any, seconds: float = CHECK) -> Verdict:
    """The verdict, within its bound; what the other ways to evaluate say is the same."""
    found = compiled(text)
    with within(seconds):
        verdict = found.check(payload)
    assert type(verdict) is Verdict
    return verdict


def fill(unit: str, separator: str = "", before: str = "", after: str = "") -> str:
    """A unit, repeated up to the length that is allowed."""
    room = MAX_LENGTH - len(before) - len(after) + len(separator)
    return before + separator.join([unit] * (room // (len(unit) + len(separator)))) + after


# -- texts ---------------------------------------------------------------------------------------------------


def test_a_text_of_100_megabytes_is_refused_for_its_length_and_not_read():
    for unit in ("(", '"', "not ", "[", "é", "\ud800"):
        text = unit * (100_000_000 // len(unit))
        start = time.process_time()
        with pytest.raises(FilterSyntaxError) as raised:
            compile_filter(text)
        assert time.process_time() - start < 2
        assert raised.value.mistakes[0].rule == "filter-too-long"


NESTED = {
    "parentheses": lambda levels: "(" * levels + "true" + ")" * levels,
    "not": lambda levels: "not " * levels + "true",
    "minus": lambda levels: "-" * levels + "1 == 1",
    "of": lambda levels: "a of " * levels + "event == 1",
    "sum": lambda levels: "1" + "+1" * levels + " == 1",
    "power": lambda levels: "1" + "^1" * levels + " == 1",
    "then": lambda levels: "if true then " * levels + "true" + " else true" * levels,
    "else": lambda levels: "if true then true else " * levels + "true",
    "question": lambda levels: "true ? " * levels + "true" + " : true" * levels,
    "call": lambda levels: "max(" * levels + "1" + ",1)" * levels + " == 1",
    "list": lambda levels: "(" * levels + "1" + ",1)" * levels + " == 1",
    "in": lambda levels: "1" + " in 1" * levels,
}


@pytest.mark.parametrize("name", NESTED)
def test_nesting_up_to_the_bound_compiles_and_runs_and_above_it_is_an_error(name):
    nest: Callable[[int], str] = NESTED[name]
    most = min(MAX_NESTING - 20, (MAX_LENGTH - 20) // (len(nest(2)) - len(nest(1))))
    for payload in ({}, {"a": {"a": 1}}):
        verdict = verdict_of(nest(most), payload)
        assert verdict.kind is not VerdictKind.ERROR or verdict.error.type == "UnknownPropertyError"
    too_deep = nest(MAX_NESTING + 20)
    expected = "nested deeper" if len(too_deep) <= MAX_LENGTH else "at most 10,000 are allowed"
    assert expected in mistake_in(too_deep)
    assert mistake_in(nest(20_000)).endswith("at most 10,000 are allowed")


LONG = {
    "comparisons": fill("1", "<"),
    "comparisons of fields": fill("event.a", "=="),
    "and": fill("event.a", " and "),
    "or": fill("event.a", " or "),
    "numbers": fill("1", ",", "1 in (", ")"),
    "fields": fill("event.a", ",", "1 in (", ")"),
    "arguments": fill("event.a", ",", "max(", ") > 1"),
    "memberships": fill("event.a in event.b", " and "),
    "patterns": fill('event.s~="(a+)+$"', " and "),
    "presence": fill("exists(event.a.b)", " and "),
    "steps": fill(".a", before="event", after=" == 1"),
    "empty steps": fill(".", before="event", after=" == 1"),
    "digits": fill("9", after=" > 1"),
    "text": fill("x", before='event == "', after='"'),
    "quoted name": fill("x", before="'", after="' of event == 1"),
    "spaces": fill(" ", before="event", after="== 1"),
}


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("filtrex", [False, True])
def test_the_longest_chains_compile_and_run_within_the_bound(name, filtrex):
    text = LONG[name]
    assert MAX_LENGTH - 30 < len(text) <= MAX_LENGTH
    found = compiled(text, filtrex=filtrex)
    for payload in ({}, {"a": 1, "b": [1], "s": "a" * 1000}, {"a": True, "b": None, "s": 1}):
        with within(CHECK):
            assert type(found.check(payload)) is Verdict


WRONG = {
    **{
        repr(unit): fill(unit)
        for unit in "()[]{}=!&|<>~+-*/^%?:,.;#@\\\"'\u201c\u2018é\0 \u00a0\u200b\ud800\U0001f600"
    },
    **{repr(unit): fill(unit) for unit in ("[0]", "()", "1.", "\\d", "é ", "! ", ". ", "f(", "a[", "' ", '"a" ')},
    "equals": fill("event.a = 1", " && "),
    "dots": fill("event.a", " . "),
    "indices": fill("[0]", before="event"),
    "escapes": fill("\\d", before='"', after='"'),
    "names": fill("a", ",", "1 in (", ")"),
    "names like event": fill("evnt", ",", "1 in (", ")"),
    "functions": fill("f()", ",", "1 in (", ")"),
    "functions like lower": fill("lowr(1)", ",", "1 in (", ")"),
    "bad patterns": fill('event~="("', " and "),
    "bad types": fill('"a"<"b"', " and "),
    "a long name": "x" * MAX_LENGTH,
    "a long function": fill("x", after="(1)"),
    "keywords": fill("then"),
    "else": fill("else "),
    "zeros": fill("00", "<"),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_longest_wrong_texts_are_explained_within_the_bound_and_in_few_mistakes(name):
    assert mistake_in(WRONG[name])
    with contextlib.suppress(FilterSyntaxError):
        compiled(WRONG[name], filtrex=True)


def test_warnings_are_few_as_well_and_never_displace_an_error():
    warnings = compiled(fill("event == (1,2)", " and ")).warnings
    assert len(warnings) == MOST_MISTAKES
    assert "not a number" not in mistake_in(fill("event==(1,2)", " and ", after=" and event = 1"))
    assert mistake_in(fill("event==(1,2)", " and ", after=" and event = 1")) == "`=` is not an operator"


# -- names and texts that mean something elsewhere -----------------------------------------------------------

NAMES = [
    "__class__", "__dict__", "__globals__", "__builtins__", "__import__", "constructor", "prototype", "__proto__",
    "toString", "valueOf", "hasOwnProperty", "self", "None", "True", "record", "f0", "r0", "k1", "v1", "take",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_from_python_or_javascript_is_a_field_like_any_other_and_never_more(name):
    assert verdict_of(f"event.{name} == 1", {}).error.type == "UnknownPropertyError"
    assert verdict_of(f"'{name}' of event == 1", {}).error.type == "UnknownPropertyError"
    assert verdict_of(f"event.s.{name} == 1", {"s": "text"}).error.type == "UnknownPropertyError"
    assert verdict_of(f"event.s.{name} == 1", {"s": [1]}).error.type == "UnknownPropertyError"
    assert verdict_of(f"event.{name}.{name} == 1", {name: {name: 1}}).passed
    assert "unknown name" in mistake_in(f"{name} == 1")
    assert "in single quotes" in mistake_in(f"'{name}' == 1")
    assert "unknown function" in mistake_in(f"{name}(event) == 1")
    assert "unknown function" in mistake_in(f"'{name}'(event) == 1")
    for verdict in (compiled(f"{name} == 1", filtrex=True), compiled(f"{name}(1) == 1", filtrex=True)):
        assert verdict.check({}).kind is VerdictKind.ERROR


FORMATS = [
    "%s%n%x",
    "{0.__class__}",
    "{event.__init__.__globals__}",
    "${env:HOME}",
    "$(id)",
    "`id`",
    "\\x00",
    "\0",
]


@pytest.mark.parametrize("text", [*FORMATS, "\ud800", "\udc00\ud800", "a\udfffb", "\u202e", "\U0010ffff", "'\"\\"])
def test_text_is_text_whatever_it_holds(text):
    literal = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert verdict_of(f"event == {literal}", text).passed
    assert verdict_of(f'event + "" == {literal}', text).passed
    assert verdict_of(f"event in ({literal}, 1)", text).passed
    assert verdict_of(f"includes(event, {literal})", [text]).passed
    assert verdict_of("lower(event) == lower(event)", text).passed
    assert verdict_of("max(event) >= 0", text).kind is VerdictKind.REJECT
    assert verdict_of('event ~= "^."', text).kind is not VerdictKind.ERROR
    assert type(verdict_of("event ~= event", text)) is Verdict
    assert type(verdict_of("event ~= event", [text])) is Verdict
    key = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    assert verdict_of(f"{key} of event == 1", {text: 1}).passed
    assert verdict_of(f"{key} of event == 1", {}).error.type == "UnknownPropertyError"


def test_the_message_of_an_error_has_nothing_of_the_payload():
    secret = "hunter2" * 3
    for text in (
        "event.a > 1",
        "event.a.b == 1",
        "event.a and true",
        "event.a",
        "lower(event) == 1",
        "event.l.9 == 1",
    ):
        problem = compile_filter(text, filtrex=True).check({"a": secret, "l": [secret], secret: 1}).error
        assert secret not in f"{problem}", text


# -- payloads ------------------------------------------------------------------------------------------------

EXPRESSIONS = [
    "event",
    "event == event",
    "event == 1",
    "event != null",
    "event in event",
    "event in (1, event)",
    "(event, event) in (event, 1)",
    "(1, 2, 3, 4, 5) in event",
    "includes(event, 1)",
    "includes(event, event)",
    'includes(event, "a")',
    "exists(event)",
    "empty(event)",
    "empty(event.a.a.a)",
    "exists(event.0.0.0)",
    "event.a.a.a == 1",
    "event.0.0.0 == 1",
    "event.length > 1",
    "a of a of event == 1",
    "max(event) > 1",
    "min(event, event) > 1",
    "round(event) + floor(event) + log(event) > sqrt(event)",
    "lower(event) == upper(event)",
    'event + "" == ""',
    "event + event > 0",
    "event * 2 > event mod 3",
    "-event < 0",
    "event ^ event > 0",
    "event < event <= event",
    "not event",
    "event and event",
    "event or event",
    "if event then event else event",
    'event ~= "(a+)+$"',
    'event ~= "(a*)*(a|aa)+b"',
    "event ~= event",
]


def nested(make: Callable[[Any], Any], levels: int) -> Any:
    value: Any = make(1)
    for _ in range(levels):
        value = make(value)
    return value


PAYLOADS: dict[str, Callable[[], Any]] = {
    "lists 10,000 deep": lambda: nested(lambda value: [value], 10_000),
    "pairs 10,000 deep": lambda: nested(lambda value: [value, {"b": 1}], 10_000),
    "objects 10,000 deep": lambda: nested(lambda value: {"a": value}, 10_000),
    "an object that can't convert, 10,000 deep": lambda: (
        nested(lambda value: [value], 9_999) and [{"toString": 1}]
    ),
    "text of 100 MB": lambda: "a" * 100_000_000,
    "digits of 10 MB": lambda: "9" * 10_000_000,
    "spaces of 10 MB": lambda: " " * 10_000_000,
    "hexadecimal digits of 10 MB": lambda: "0x" + "f" * 10_000_000,
    "a list of a million": lambda: list(range(1_000_000)),
    "a list of a million texts": lambda: [str(number) for number in range(1_000_000)],
    "an object of a million": lambda: {str(number): number for number in range(1_000_000)},
    "an integer of 4,000 digits": lambda: 10**4_000,
    "NaN": lambda: math.nan,
    "lists of NaN": lambda: [math.nan, [math.nan], -math.nan],
    "infinity": lambda: -math.inf,
    "-0": lambda: -0.0,
    "an integer beyond doubles": lambda: 2**53 + 1,
    "lone surrogates": lambda: "\udc00\ud800",
    "a list of one boolean": lambda: [True],
    "an empty key": lambda: {"": {"": 1}},
    "null": lambda: None,
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_no_payload_makes_any_expression_raise_or_take_long(name):
    payload = PAYLOADS[name]()
    for text in EXPRESSIONS:
        verdict = verdict_of(text, payload)
        assert (verdict.error is not None) is (verdict.kind is VerdictKind.ERROR)
        if verdict.error:
            assert verdict.error.message
            assert 0 <= verdict.error.start <= verdict.error.end <= len(text)


def test_an_answer_on_a_payload_as_deep_as_json_allows_is_a_line_of_json():
    for text in EXPRESSIONS:
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            payload = opening * 1000 + "1" + closing * 1000
            line = f'{{"expr": {json.dumps(text)}, "payload": {payload}}}'
            assert json.loads(answer(line.encode(), filtrex=True))["kind"] in {"value", "runtime_error"}


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a*)*b", "(a|a)*$", "(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]$", "(.*)*(.*)*x"]
)
def test_a_pattern_that_takes_for_ever_elsewhere_takes_a_moment(pattern):
    text = "a" * 1_000_000 + "!"
    verdict_of(f'event ~= "{pattern}"', text)
    assert verdict_of("event.s ~= event.p", {"s": text, "p": pattern}).kind is not VerdictKind.ERROR


def test_memberships_of_large_lists_in_one_filter_end_in_time(soak):
    count, size = (150, 100_000) if soak else (40, 10_000)
    numbers = random.Random(1).sample(range(10 * size), size)
    for items in (numbers, [*map(str, numbers)], [number + 0.5 for number in numbers], [*numbers, "x", None]):
        payload = {"a": items, "b": items[::-1]}
        assert verdict_of(" and ".join(["event.a in event.b"] * count), payload, 240 if soak else CHECK).passed
        payload = {"a": -7, "b": items}
        assert verdict_of(" and ".join(["event.a not in event.b"] * (count // 2)), payload, 60).passed


HARD = {
    "long": "(?:a|b)*a" + "(?:a|b)" * 1410 + "c",
    "repeated": "[ab]*a[ab]{1000}c",
    "optional": "(a?){1000}" * 10 + "x",
    "many": "(?:a?a?){500}" * 10 + "x",
}


@pytest.mark.parametrize("name", HARD)
def test_a_pattern_that_is_hard_for_re2_ends_in_time_or_is_an_error_for_a_long_text(name, soak):
    pattern = HARD[name]
    source = random.Random(1)
    for length in (1_000, 50_000, 1_000_000, 10_000_000) if soak else (1_000, 10_000_000):
        text = "".join(source.choices("ab", k=length)) if length < 100_000 else "ab" * (length // 2)
        literal = verdict_of(f'event ~= "{pattern}"', text, 20)
        assert literal.error is None or "too long for `~=`" in literal.error.message
        assert literal.error is None or length > 1_000
    assert literal.error is not None
    assert literal.error.type == "RangeError"
    if len(pattern) <= 1_000:
        assert verdict_of("event.s ~= event.p", {"s": text, "p": pattern}, 20).error.type == "RangeError"


def test_many_hard_patterns_in_one_filter_share_the_bound():
    text = fill('event~="[ab]*a[ab]{999}c"', " or ")
    for length in (1_000, 10_000, 1_000_000):
        verdict_of(text, "ab" * (length // 2), 20)
    assert verdict_of(text, "ab" * 500_000).error.type == "RangeError"


def test_patterns_that_are_large_once_compiled_are_refused_and_never_slow_to_compile(soak):
    for unit in (r"(?:\\pL\\pN){%d}x", r"\\pL{%d}", r"(?:a?){%d}" * 30, r"(?i)(?:\\pL){%d}"):
        with within(20):
            for size in range(900, 1000) if soak else (900, 999):
                with contextlib.suppress(FilterSyntaxError):
                    compile_uncached(f'event ~= "{unit.replace("%d", str(size))}"', EVENT, filtrex=False)
    assert "too large" in mistake_in(r'event ~= "(?:\\pL\\pN){300}x"')
    text = " and ".join(rf'event~="(?:\\pL\\pN){{{size}}}"' for size in range(100, 400))
    assert "too large" in mistake_in(text[:MAX_LENGTH].rpartition(" and ")[0])


NUMBERS_OF_A_MILLION = [[number] for number in range(1_000_000)]


def test_functions_of_numbers_on_a_large_list_named_many_times_end_in_time():
    for event in (NUMBERS_OF_A_MILLION, list(range(1_000_000)), [NUMBERS_OF_A_MILLION]):
        for text in (
            fill("event", ",", "max(", ") > 1"),
            fill("round(event)>1", " or "),
            fill("1 in event", " or "),
            fill("event in event", " and "),
            fill('includes(event,"x")', " or "),
            fill('"x" in event', " or "),
        ):
            verdict = verdict_of(text, event, 20)
            assert verdict.error is None or "too long for" in verdict.error.message, text


@pytest.mark.parametrize("value", [True, None, 5, 0.5, 2**60, "x", [], math.nan])
def test_a_value_is_looked_for_in_a_large_list_at_a_speed_of_millions_a_second(value):
    items = [*NUMBERS_OF_A_MILLION[:200_000], *range(10, 300_000), *["y"] * 100_000, value]
    for text in ("event.a in event.b", "includes(event.b, event.a)", "(event.a, event.a) in event.b"):
        verdict = verdict_of(text, {"a": value, "b": items}, 1)
        assert (verdict.error is not None) is (value is None and text.startswith("event.a in"))


def test_text_that_doubles_at_each_step_stops_growing():
    text = "event" + "+event" * 450
    verdict = verdict_of(f'{text} == ""', "x" * 10_000, 20)
    assert verdict.error.type == "RangeError"
    assert verdict_of('event + event == ""', "x" * 100_000_000).error.type == "RangeError"


# -- random texts --------------------------------------------------------------------------------------------

WORDS = [
    "and", "or", "not", "in", "not in", "of", "if", "then", "else", "mod", "true", "false", "null",
    "event", "event.a", "event.b", "event.l.0", "event.l.length", "'a b' of event",
    "a", "x.y", "''", "'q'", "event.",
    "0", "1", "2.5", "10", "010", "1.", ".5", "1e5", "99999999999999999999", '""',
    '"a"', '"(a+)+"', '"["', '"\\\\d"',
    "max(", "lower(", "exists(", "empty(", "includes(", "round(", "foo(", "'max'(",
    "+", "-", "*", "/", "^", "%", "==", "!=", "<", "<=", ">", ">=", "~=", "?", ":", "(", ")", ",",
    "=", "!", "&&", "||", "[", "]", '"', "'", "\\", ".", "\n", "\ufeff", "\u00a0", "é", "\ud800", "\0", "=>", "<>",
]  # fmt: skip
ALPHABET = "abeintorfvx019_$.,()+-*/^%?:<>=!~&|[]'\"\\ \n\té"
HOSTS = [
    {"a": 1, "b": "a", "l": [1, "a"], "a b": True},
    {"a": [5], "b": [True], "l": [], "": 0},
    {"a": math.nan, "b": {}, "l": "text"},
    {"a": None, "b": 10**400, "l": [[[]]]},
    "text",
    [],
    [True],
    None,
]


def random_text(source: random.Random) -> str:
    """Words of the language and junk, mostly near to something that compiles."""
    kind = source.random()
    if kind < 0.2:
        return "".join(source.choices(ALPHABET, k=source.randint(0, 60)))
    if kind < 0.4:
        return source.choice(["", " "]).join(source.choices(WORDS, k=source.randint(0, 30)))
    text = well_formed(source, source.randint(1, 5))
    for _ in range(source.choice([0, 0, 1, 1, 2, 4])):
        start = source.randint(0, len(text))
        text = text[:start] + source.choice([*WORDS, "", " "]) + text[start + source.randint(0, 3) :]
    return text


def well_formed(source: random.Random, levels: int) -> str:
    if levels == 0:
        return source.choice([*WORDS[10:22], '"a"', "2.5", "1"])
    inner = [well_formed(source, source.randrange(levels)) for _ in range(3)]
    operator = source.choice(["and", "or", "in", "not in", "mod", *WORDS[WORDS.index("+") : WORDS.index("?")]])
    shapes = [
        f"{inner[0]} {operator} {inner[1]}",
        f"({inner[0]}) {operator} ({inner[1]})",
        f"{inner[0]} {operator} {inner[1]} {operator} {inner[2]}",
        f"not ({inner[0]})",
        f"-{inner[0]}",
        f"if {inner[0]} then {inner[1]} else {inner[2]}",
        f"({inner[0]}, {inner[1]})",
        f"{source.choice(['max', 'lower', 'exists', 'empty', 'round'])}({inner[0]})",
        f"includes({inner[0]}, {inner[1]})",
        f"a of ({inner[0]})",
    ]
    return source.choice(shapes)


def compile_or_mistakes(text: str, *, filtrex: bool) -> tuple[Filter | None, tuple[Mistake, ...]]:
    try:
        found = compile_uncached(text, EVENT, filtrex=filtrex)
    except FilterSyntaxError as error:
        return None, error.mistakes
    return found, found.warnings


def attack(text: str) -> None:
    """Everything that can be done with a text: nothing but FilterSyntaxError may come out of it."""
    for filtrex in (False, True):
        with within(2):
            found, mistakes = compile_or_mistakes(text, filtrex=filtrex)
            assert len(mistakes) <= MOST_MISTAKES
            assert all(0 <= each.start <= each.end <= len(text) for each in mistakes)
            assert all(each.message for each in mistakes)
            if found is None:
                assert mistakes
                continue
            for payload in HOSTS:
                verdict = found.check(payload)
                assert type(verdict) is Verdict
                assert explain(found, payload).verdict == verdict
                with contextlib.suppress(EvaluationError):
                    value = found.evaluate(payload)
                    assert verdict.passed is (value is True)


def test_whatever_is_written_compiles_or_is_explained_and_never_raises_when_it_runs(soak):
    seed = random.SystemRandom().randrange(2**32) if soak else 1
    source = random.Random(seed)
    end, made = time.monotonic() + SOAK, 0
    while (time.monotonic() < end) if soak else (made < SAMPLE):
        text = random_text(source)
        made += 1
        try:
            attack(text)
        except BaseException as error:
            error.add_note(f"the text was {text!r}, number {made} of seed {seed}")
            raise
