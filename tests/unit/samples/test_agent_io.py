from datetime import date
from decimal import Decimal

import pytest


@pytest.fixture(scope="module")
def io(load_agent):
    return load_agent("agent_io")


def test_an_empty_object_is_a_request_without_event_and_previous_result(io):
    assert io.parse_request("{}") == io.Request({}, {})


def test_a_request_carries_the_event_and_the_previous_result(io):
    text = '{"execution": {}, "job": {}, "prompt": "", "event": {"as_of": "2026-10-29"}, "previous": {"n": 1}}'
    assert io.parse_request(text) == io.Request({"as_of": "2026-10-29"}, {"n": 1})


def test_a_previous_result_that_is_a_text_is_nothing_to_compare_with(io):
    assert io.parse_request('{"previous": "all is well"}').previous == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", "must be a JSON object"),
        ('{"event": 3}', "the event must be a JSON object, not int"),
    ],
)
def test_standard_input_that_is_no_request_is_refused(io, text, message):
    with pytest.raises(io.AgentError, match=message):
        io.parse_request(text)


def test_options_have_defaults(io):
    request = io.Request({}, {})
    assert request.day("as_of", date(2026, 10, 30)) == date(2026, 10, 30)
    assert request.count("within_days", 14) == 14


def test_an_unknown_option_is_refused_and_the_known_ones_are_named(io):
    with pytest.raises(io.AgentError, match=r"unknown option asof in the event \(known: as_of, within_days\)"):
        io.Request({"asof": "2026-10-29"}, {}).allow_options("as_of", "within_days")


@pytest.mark.parametrize("value", ["yesterday", 20261030, "", []])
def test_a_day_that_is_no_iso_date_is_refused(io, value):
    with pytest.raises(io.AgentError, match=r"event\.as_of must be a date"):
        io.Request({"as_of": value}, {}).day("as_of", date(2026, 10, 30))


@pytest.mark.parametrize("value", [0, -1, 10_001, 1.5, "14", True, None])
def test_a_count_that_is_no_whole_number_in_range_is_refused(io, value):
    with pytest.raises(io.AgentError, match=r"event\.within_days must be a whole number"):
        io.Request({"within_days": value}, {}).count("within_days", 14)


def test_a_bad_row_is_named_by_file_and_line(io, tmp_path, monkeypatch):
    (tmp_path / "numbers.csv").write_text("n\n1\ntwo\n")
    monkeypatch.setattr(io, "DATA", tmp_path)
    with pytest.raises(io.AgentError, match=r"data/numbers\.csv, line 3: .*two"):
        io.read_csv("numbers.csv", lambda row: int(row["n"]))


def test_a_file_without_rows_is_refused(io, tmp_path, monkeypatch):
    (tmp_path / "numbers.csv").write_text("n\n")
    monkeypatch.setattr(io, "DATA", tmp_path)
    with pytest.raises(io.AgentError, match="has no rows"):
        io.read_csv("numbers.csv", dict)


def test_without_a_result_file_only_the_report_is_delivered(io, monkeypatch, capsys):
    monkeypatch.delenv("JOBSD_RESULT", raising=False)
    io.deliver(["one", "two"], {})
    assert capsys.readouterr().out == "one\ntwo\n"


def test_a_result_has_dates_and_amounts_as_json_has_them(io, tmp_path, monkeypatch):
    monkeypatch.setenv("JOBSD_RESULT", str(tmp_path / "result"))
    io.deliver([], {"day": date(2026, 10, 30), "amount": Decimal("1.10")})
    assert (tmp_path / "result").read_text() == '{\n  "day": "2026-10-30",\n  "amount": 1.1\n}\n'


def test_a_table_aligns_texts_to_the_left_and_numbers_to_the_right(io):
    assert io.table([["name", "n"], ["a", "100"]]) == ["name    n", "a     100"]


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (110, Decimal(100), "+10.0%"),
        (50, Decimal(100), "-50.0%"),
        (Decimal("99.99"), Decimal(100), "+0.0%"),
        (5, Decimal(), "n/a"),
        (5, None, "no data"),
    ],
)
def test_a_change_is_a_percentage_where_there_is_something_to_compare_with(io, now, before, text):
    assert io.change(Decimal(now), before) == text
