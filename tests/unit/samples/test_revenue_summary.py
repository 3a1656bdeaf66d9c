import csv
from datetime import date
from decimal import Decimal

import pytest

FRIDAY, THURSDAY, FRIDAY_BEFORE = date(2026, 10, 30), date(2026, 10, 29), date(2026, 10, 23)


@pytest.fixture(scope="module")
def revenue(load_agent):
    return load_agent("revenue_summary")


@pytest.fixture
def entries(revenue):
    def entry(day, marketplace, product, amount, kind="usage"):
        return revenue.Entry(day, marketplace, product, "Acme", kind, Decimal(amount))

    return [
        entry(FRIDAY_BEFORE, "AWS", "Backup", "100"),
        entry(FRIDAY_BEFORE, "Azure", "Backup", "300"),
        entry(THURSDAY, "AWS", "Backup", "80"),
        entry(FRIDAY, "AWS", "Backup", "150.50"),
        entry(FRIDAY, "AWS", "Backup", "20.25", "refund"),
        entry(FRIDAY, "AWS", "Search", "1000", "contract"),
    ]


def test_revenue_is_net_of_refunds(revenue, entries):
    assert revenue.summarise(entries, FRIDAY, {}).total.net == Decimal("1130.25")


def test_the_total_stands_beside_the_day_before_and_the_same_weekday_before(revenue, entries):
    total = revenue.summarise(entries, FRIDAY, {}).total
    assert (total.day_before, total.week_before) == (80, 400)


def test_marketplaces_and_products_come_with_the_largest_first(revenue, entries):
    summary = revenue.summarise(entries, FRIDAY, {})
    assert summary.marketplaces == [
        revenue.Comparison("AWS", Decimal("1130.25"), Decimal(80), Decimal(100)),
        revenue.Comparison("Azure", Decimal(0), Decimal(0), Decimal(300)),
    ]
    assert [(line.name, line.net) for line in summary.products] == [
        ("Search", Decimal(1000)),
        ("Backup", Decimal("130.25")),
    ]


def test_movers_are_ranked_by_money_in_either_direction(revenue, entries):
    movers = revenue.summarise(entries, FRIDAY, {}).movers
    assert [(line.name, line.move) for line in movers] == [
        ("AWS / Search", Decimal(1000)),
        ("Azure / Backup", Decimal(-300)),
        ("AWS / Backup", Decimal("30.25")),
    ]


def test_refunds_are_listed_one_by_one(revenue, entries):
    refunds = revenue.summarise(entries, FRIDAY, {}).refunds
    assert refunds == [revenue.Refund("AWS", "Backup", "Acme", Decimal("20.25"))]


def test_a_day_before_the_data_is_unknown_and_not_zero(revenue, entries):
    summary = revenue.summarise(entries, FRIDAY_BEFORE, {})
    assert (summary.total.day_before, summary.total.week_before, summary.movers) == (None, None, [])
    assert "the data does not cover Friday 2026-10-16" in "\n".join(revenue.render(summary))


def test_a_day_without_revenue_is_an_error_that_names_the_days_there_are(revenue, entries):
    with pytest.raises(revenue.AgentError, match="no revenue on 2026-10-31: the data covers 2026-10-23 to"):
        revenue.summarise(entries, date(2026, 10, 31), {})


def test_the_report_says_what_changed_since_the_previous_one(revenue, entries):
    previous = {"as_of": "2026-10-29", "total": {"net": 80.0}}
    summary = revenue.summarise(entries, FRIDAY, previous)
    assert summary.since_previous == revenue.Progress("2026-10-29", Decimal("1050.25"))
    assert revenue.render(summary)[-1] == "Since the previous report (as of 2026-10-29): +1,050.25 in total."


@pytest.mark.parametrize("previous", [{}, {"as_of": "2026-10-29"}, {"as_of": 1, "total": {"net": "much"}}])
def test_without_a_comparable_previous_result_it_is_the_first_report(revenue, entries, previous):
    assert revenue.summarise(entries, FRIDAY, previous).since_previous is None


def test_a_row_with_an_unknown_type_is_refused(revenue):
    with pytest.raises(ValueError, match="unknown type 'gift'"):
        revenue.parse_entry({"type": "gift"})


def net_by(rows, column, day):
    """Net cents by the value of a column."""
    totals = {}
    for row in rows:
        if row["date"] == day:
            cents = round(float(row["amount_usd"]) * 100)
            totals[row[column]] = totals.get(row[column], 0) + (-cents if row["type"] == "refund" else cents)
    return totals


@pytest.mark.parametrize(
    ("event", "day", "day_before", "week_before"),
    [
        (None, "2026-10-30", "2026-10-29", "2026-10-23"),
        ({"as_of": "2026-10-26"}, "2026-10-26", "2026-10-25", "2026-10-19"),
    ],
)
def test_a_run_agrees_with_the_data(run_agent, data, event, day, day_before, week_before):
    with (data / "revenue.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    answer = run_agent("revenue_summary", {"event": event})
    assert (answer.code, answer.complaint) == (0, "")
    assert f"as of {date.fromisoformat(day):%A} {day}" in answer.report
    result = answer.result
    assert result["as_of"] == day
    for column, lines in (("marketplace", result["marketplaces"]), ("product", result["products"])):
        for key, wanted in (("net", day), ("day_before", day_before), ("week_before", week_before)):
            assert {x["name"]: round(x[key] * 100) for x in lines} == net_by(rows, column, wanted)
    assert round(result["total"]["net"] * 100) == sum(net_by(rows, "marketplace", day).values())
    refunded = [row["amount_usd"] for row in rows if row["date"] == day and row["type"] == "refund"]
    assert sorted(x["amount_usd"] for x in result["refunds"]) == sorted(map(float, refunded))


def test_the_default_day_is_the_last_in_the_data(run_agent, data):
    with (data / "revenue.csv").open(encoding="utf-8", newline="") as file:
        last = max(row["date"] for row in csv.DictReader(file))
    assert run_agent("revenue_summary", {}).result["as_of"] == last


def test_a_second_run_on_the_same_data_says_that_nothing_changed(run_agent):
    first = run_agent("revenue_summary", {})
    second = run_agent("revenue_summary", {"previous": first.result})
    assert first.report.endswith("This is the first report.\n")
    assert second.report.endswith("Nothing changed since the previous report, which was of the same day.\n")


def test_a_day_outside_of_the_data_fails_with_one_line_and_no_result(run_agent):
    answer = run_agent("revenue_summary", {"event": {"as_of": "2031-01-01"}})
    assert (answer.code, answer.report, answer.result) == (1, "", None)
    assert answer.complaint.startswith("error: no revenue on 2031-01-01: the data covers")
    assert answer.complaint.count("\n") == 1
