import csv
from datetime import date, timedelta
from decimal import Decimal

import pytest

TODAY = date(2026, 10, 30)


@pytest.fixture(scope="module")
def stale(load_agent):
    return load_agent("stale_opportunities")


@pytest.fixture
def opportunity(stale):
    def make(name, idle, owner="Amara", stage="Qualified", amount=1000):
        return stale.Opportunity(
            name, "AWS", "Acme", owner, stage, Decimal(amount), TODAY - timedelta(days=idle), "Call"
        )

    return make


def grouped(findings):
    return {(group.owner, group.stage): [item.opportunity.id for item in group.stale] for group in findings.groups}


def test_an_opportunity_is_stale_from_so_many_days_without_activity(stale, opportunity):
    found = stale.find([opportunity("a", 30), opportunity("b", 29), opportunity("c", -3)], TODAY, 30, {})
    assert grouped(found) == {("Amara", "Qualified"): ["a"]}


@pytest.mark.parametrize("stage", ["Launched", "Closed Lost"])
def test_a_closed_opportunity_is_never_stale(stale, opportunity, stage):
    assert stale.find([opportunity("a", 300, stage=stage)], TODAY, 30, {}).count == 0


def test_groups_come_by_owner_and_then_in_the_order_of_the_pipeline(stale, opportunity):
    found = stale.find(
        [
            opportunity("a", 40, "Priya", "Committed"),
            opportunity("b", 50, "Amara", "Committed"),
            opportunity("c", 60, "Amara", "Technical Validation"),
            opportunity("d", 70, "Amara", "Committed"),
        ],
        TODAY,
        30,
        {},
    )
    assert list(grouped(found).items()) == [
        (("Amara", "Technical Validation"), ["c"]),
        (("Amara", "Committed"), ["d", "b"]),
        (("Priya", "Committed"), ["a"]),
    ]


def test_amounts_are_summed_for_each_group_and_over_all(stale, opportunity):
    every = [opportunity("a", 40, amount=5), opportunity("b", 50, amount=7), opportunity("c", 60, "Priya")]
    found = stale.find(every, TODAY, 30, {})
    assert ([group.amount_usd for group in found.groups], found.amount_usd) == ([12, 1000], 1012)


def test_a_later_run_says_what_was_added_and_what_was_cleared(stale, opportunity):
    before = {"groups": [{"stale": [{"opportunity": {"id": "gone"}}, {"opportunity": {"id": "kept"}}]}]}
    found = stale.find([opportunity("kept", 40), opportunity("added", 31)], TODAY, 30, before)
    assert (found.added, found.cleared) == (["added"], ["gone"])
    assert "Since the previous run: 1 added, 1 cleared (gone)" in stale.render(found)


@pytest.mark.parametrize("previous", [{}, {"groups": 3}, {"groups": [{"stale": [{"id": "a"}]}]}])
def test_without_a_comparable_previous_result_nothing_is_compared(stale, opportunity, previous):
    found = stale.find([opportunity("a", 40)], TODAY, 30, previous)
    assert (found.added, found.cleared) == (None, None)


def test_a_row_with_an_unknown_stage_is_refused(stale):
    with pytest.raises(ValueError, match="unknown stage 'Won'"):
        stale.parse_opportunity({"stage": "Won"})


def expected_ids(data, as_of, idle_days):
    """Ids by owner and stage, straight from the file."""
    latest = (date.fromisoformat(as_of) - timedelta(days=idle_days)).isoformat()
    found = {}
    with (data / "opportunities.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["last_activity_on"] <= latest and row["stage"] not in {"Launched", "Closed Lost"}:
                found.setdefault((row["owner"], row["stage"]), set()).add(row["id"])
    return found


@pytest.mark.parametrize(
    ("event", "as_of", "idle_days"),
    [
        (None, "2026-10-30", 30),
        ({"idle_days": 7}, "2026-10-30", 7),
        ({"as_of": "2026-12-01", "idle_days": 60}, "2026-12-01", 60),
    ],
)
def test_a_run_agrees_with_the_data(run_agent, data, event, as_of, idle_days):
    answer = run_agent("stale_opportunities", {"event": event})
    assert (answer.code, answer.complaint) == (0, "")
    expected = expected_ids(data, as_of, idle_days)
    found = {
        (group["owner"], group["stage"]): {item["opportunity"]["id"] for item in group["stale"]}
        for group in answer.result["groups"]
    }
    assert found == expected != {}
    assert answer.result["count"] == sum(map(len, expected.values()))
    assert f"without activity for {idle_days} days, as of {as_of}" in answer.report


def test_a_second_run_compares_with_the_first(run_agent, data):
    first = run_agent("stale_opportunities", {})
    second = run_agent("stale_opportunities", {"event": {"idle_days": 7}, "previous": first.result})
    month = set().union(*expected_ids(data, "2026-10-30", 30).values())
    week = set().union(*expected_ids(data, "2026-10-30", 7).values())
    assert (set(second.result["added"]), second.result["cleared"]) == (week - month, [])
