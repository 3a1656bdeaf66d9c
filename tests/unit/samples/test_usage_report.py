import csv
from datetime import date, timedelta

import pytest

MONDAY = date(2026, 10, 19)
SUNDAY = date(2026, 10, 25)


@pytest.fixture(scope="module")
def usage(load_agent):
    return load_agent("usage_report")


@pytest.fixture
def two_weeks(usage):
    """Readings of one meter for each day of two weeks, from one number for each day."""

    def make(*quantities, customer="Acme"):
        meter = usage.Meter(customer, "Backup", "gb")
        start = MONDAY - timedelta(days=7)
        days = [start + timedelta(days=n) for n in range(14)]
        return [
            usage.Reading(meter, day, quantity)
            for day, quantity in zip(days, quantities, strict=True)
            if quantity is not None
        ]

    return make


@pytest.fixture
def steady(two_weeks):
    """A second customer, so that the data covers both weeks."""
    return two_weeks(*[10] * 14, customer="Zenith")


def kinds(report):
    return [anomaly.kind for anomaly in report.anomalies]


@pytest.mark.parametrize(
    ("as_of", "monday"),
    [
        (SUNDAY, MONDAY),
        (SUNDAY + timedelta(days=1), MONDAY),
        (SUNDAY + timedelta(days=6), MONDAY),
        (SUNDAY + timedelta(days=7), MONDAY + timedelta(days=7)),
    ],
)
def test_a_week_counts_once_its_sunday_is_there(usage, as_of, monday):
    assert usage.last_monday(as_of) == monday


def test_each_meter_is_summed_over_the_week_and_the_week_before(usage, two_weeks, steady):
    report = usage.report([*two_weeks(*[1] * 7, *[2] * 7), *steady], SUNDAY, 200, {})
    assert [(line.meter.customer, line.week, line.week_before) for line in report.usage] == [
        ("Acme", 14, 7),
        ("Zenith", 70, 70),
    ]
    assert (report.starts_on, report.ends_on, report.anomalies) == (MONDAY, SUNDAY, [])


@pytest.mark.parametrize(
    ("quantities", "expected"),
    [
        ([10] * 14, []),
        ([10] * 7 + [14] * 7, []),
        ([10] * 7 + [15] * 7, ["surge"]),
        ([10] * 7 + [5] * 7, ["slump"]),
        ([10] * 7 + [None] * 7, ["silent"]),
        ([10] * 7 + [0] * 7, ["silent"]),
        ([None] * 9 + [10] * 5, ["new"]),
        ([10] * 7 + [10, 10, 31, 10, 10, 10, 10], ["spike"]),
        ([10] * 7 + [10, 10, 30, 10, 10, 10, 10], []),
        ([10] * 7 + [10, None, 10, 10, 10, 10, 10], ["gap"]),
        ([10] * 7 + [0, 10, 10, 10, 10, 10, 10], []),
        ([10] * 7 + [90, None, 10, 10, 10, 10, 10], ["surge", "spike", "gap"]),
    ],
)
def test_what_is_odd_about_a_meter_has_a_name(usage, two_weeks, steady, quantities, expected):
    assert kinds(usage.report([*two_weeks(*quantities), *steady], SUNDAY, 50, {})) == expected


def test_the_change_that_counts_can_be_set(usage, two_weeks):
    readings = two_weeks(*[10] * 7, *[12] * 7)
    assert kinds(usage.report(readings, SUNDAY, 20, {})) == ["surge"]
    assert kinds(usage.report(readings, SUNDAY, 21, {})) == []


def test_an_anomaly_of_the_previous_report_on_the_week_before_is_repeated(usage, two_weeks):
    meter = {"customer": "Acme", "product": "Backup", "dimension": "gb"}
    previous = {"starts_on": "2026-10-12", "anomalies": [{"meter": meter, "kind": "surge", "detail": "more"}]}
    report = usage.report(two_weeks(*[10] * 7, *[20] * 7), SUNDAY, 50, previous)
    assert [anomaly.repeated for anomaly in report.anomalies] == [True]
    assert "second week running" in usage.render(report)[-1]


@pytest.mark.parametrize(
    "previous",
    [
        {},
        {"starts_on": "2026-10-19", "anomalies": [{"kind": "surge"}]},
        {"starts_on": "2026-10-12", "anomalies": ["surge", {"kind": "surge"}]},
        {"starts_on": "2026-10-12", "anomalies": "many"},
    ],
)
def test_nothing_is_repeated_without_the_same_anomaly_in_the_week_before(usage, two_weeks, previous):
    report = usage.report(two_weeks(*[10] * 7, *[20] * 7), SUNDAY, 50, previous)
    assert [anomaly.repeated for anomaly in report.anomalies] == [False]


@pytest.mark.parametrize("as_of", [date(2026, 10, 24), date(2026, 10, 26), date(2020, 1, 1), date.min, date.max])
def test_a_day_without_two_full_weeks_in_the_data_is_refused(usage, steady, as_of):
    with pytest.raises(usage.AgentError, match=r"no two full weeks up to .*: the data covers 2026-10-12 to"):
        usage.report(steady, as_of, 50, {})


@pytest.fixture
def rows(data):
    with (data / "usage.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sums(rows, first, last):
    """Quantities by customer and dimension, from the first to the last day."""
    totals = {}
    for row in rows:
        if first <= row["date"] <= last:
            key = row["customer"], row["dimension"]
            totals[key] = totals.get(key, 0) + int(row["quantity"])
    return totals


@pytest.mark.parametrize(
    ("event", "week", "week_before"),
    [
        (None, ("2026-10-19", "2026-10-25"), ("2026-10-12", "2026-10-18")),
        ({"as_of": "2026-10-20"}, ("2026-10-12", "2026-10-18"), ("2026-10-05", "2026-10-11")),
    ],
)
def test_a_run_agrees_with_the_data(run_agent, rows, event, week, week_before):
    answer = run_agent("usage_report", {"event": event})
    assert (answer.code, answer.complaint) == (0, "")
    assert (answer.result["starts_on"], answer.result["ends_on"]) == week
    for key, days in (("week", week), ("week_before", week_before)):
        found = {(x["meter"]["customer"], x["meter"]["dimension"]): x[key] for x in answer.result["usage"]}
        assert {meter: quantity for meter, quantity in found.items() if quantity} == sums(rows, *days)


def test_a_run_finds_the_customers_that_went_silent_and_those_that_are_new(run_agent, rows):
    result = run_agent("usage_report", {}).result
    week = sums(rows, "2026-10-19", "2026-10-25").keys()
    before = sums(rows, "2026-10-12", "2026-10-18").keys()

    def found(kind):
        meters = [anomaly["meter"] for anomaly in result["anomalies"] if anomaly["kind"] == kind]
        return {(meter["customer"], meter["dimension"]) for meter in meters}

    assert found("silent") == before - week != set()
    assert found("new") == week - before != set()


def test_the_report_says_as_of_when_and_for_which_week(run_agent):
    report = run_agent("usage_report", {}).report
    assert report.startswith("Metered usage from 2026-10-19 to 2026-10-25, the last full week as of 2026-10-30\n")
