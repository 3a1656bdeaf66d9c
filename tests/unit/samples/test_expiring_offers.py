import json
from datetime import date, timedelta
from decimal import Decimal

import pytest

TODAY = date(2026, 10, 30)


@pytest.fixture(scope="module")
def offers(load_agent):
    return load_agent("expiring_offers")


@pytest.fixture
def offer(offers):
    def make(name, expires_on, amount=1000, status="open"):
        return offers.Offer(
            name, "AWS", "Acme", "Backup", "Amara", Decimal(amount), date.fromisoformat(expires_on), status
        )

    return make


def ids(found):
    return [offer.id for offer in found]


def test_offers_expire_within_the_window_from_today_to_its_last_day(offers, offer):
    every = [
        offer("past", "2026-10-29"),
        offer("today", "2026-10-30"),
        offer("last", "2026-11-06"),
        offer("later", "2026-11-07"),
    ]
    assert ids(offers.find(every, TODAY, 7, {}).new) == ["today", "last"]


@pytest.mark.parametrize("status", ["accepted", "withdrawn", "expired"])
def test_only_open_offers_count(offers, offer, status):
    assert offers.find([offer("a", "2026-11-01", status=status)], TODAY, 7, {}).new == []


def test_the_most_urgent_comes_first_and_then_the_most_valuable(offers, offer):
    every = [offer("small", "2026-11-02", 1), offer("big", "2026-11-02", 9), offer("soon", "2026-11-01", 1)]
    assert ids(offers.find(every, TODAY, 7, {}).new) == ["soon", "big", "small"]


def test_what_was_reported_is_known_until_its_expiry_date_moves(offers, offer):
    memory = {"same": "2026-11-02", "moved": "2026-11-01"}
    found = offers.find([offer("same", "2026-11-02"), offer("moved", "2026-11-05")], TODAY, 7, memory)
    assert (ids(found.known), ids(found.new)) == (["same"], ["moved"])


def test_the_memory_gains_what_is_new_and_forgets_what_left_the_data(offers, offer):
    every = [offer("old", "2026-11-01"), offer("new", "2026-11-02"), offer("far", "2027-01-01")]
    memory = {"old": "2026-11-01", "gone": "2026-10-01"}
    found = offers.find(every, TODAY, 7, memory)
    assert offers.remember(memory, found, every) == {"new": "2026-11-02", "old": "2026-11-01"}


def test_a_memory_is_saved_whole_and_leaves_no_draft_behind(offers, tmp_path):
    path = tmp_path / "reported.json"
    offers.save_memory(path, {"a": "2026-11-01"})
    offers.save_memory(path, {"b": "2026-11-02"})
    assert offers.load_memory(path) == {"b": "2026-11-02"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_job_without_memory_starts_with_an_empty_one(offers, tmp_path):
    assert offers.load_memory(tmp_path / "reported.json") == {}


@pytest.mark.parametrize("damage", [b"", b'{"OFR-1', b"\xff\xfe\x00", b"[]", b'{"OFR-1": 3}'])
def test_a_damaged_memory_is_set_aside_with_a_warning(offers, tmp_path, capsys, damage):
    path = tmp_path / "reported.json"
    path.write_bytes(damage)
    assert offers.load_memory(path) == {}
    assert not path.exists()
    assert (tmp_path / "reported.damaged.json").read_bytes() == damage
    assert "is damaged: moved to reported.damaged.json" in capsys.readouterr().err


def test_an_export_that_lacks_a_field_is_refused(offers):
    with pytest.raises(offers.AgentError, match=r"not an export of offers: KeyError\('marketplace'\)"):
        offers.parse_export({"exported_on": "2026-10-30", "offers": [{"id": "OFR-1"}]})


def expected_ids(data, days):
    """Ids of what the export says will expire within so many days."""
    export = json.loads((data / "offers.json").read_bytes())
    last = (date.fromisoformat(export["exported_on"]) + timedelta(days=days)).isoformat()
    return {
        offer["id"]
        for offer in export["offers"]
        if offer["status"] == "open" and export["exported_on"] <= offer["expires_on"] <= last
    }


def result_ids(offers):
    return {offer["id"] for offer in offers}


def test_a_first_run_reports_what_the_data_says(run_agent, data):
    answer = run_agent("expiring_offers", {"event": {"within_days": 21}})
    assert (answer.code, answer.complaint) == (0, "")
    expected = expected_ids(data, 21)
    assert expected
    assert result_ids(answer.result["new"]) == expected
    assert answer.result["known"] == []
    assert all(name in answer.report for name in expected)


def test_a_second_run_reports_only_what_came_in_reach_since(run_agent, data):
    run_agent("expiring_offers", {"event": {"within_days": 7}})
    answer = run_agent("expiring_offers", {"event": {"within_days": 30}})
    week, month = expected_ids(data, 7), expected_ids(data, 30)
    assert week < month
    assert result_ids(answer.result["known"]) == week
    assert result_ids(answer.result["new"]) == month - week


def test_a_run_with_a_damaged_memory_warns_and_reports_everything_once_more(run_agent, data, tmp_path):
    run_agent("expiring_offers", {})
    (tmp_path / "job" / "reported.json").write_text('{"OFR-10')
    again = run_agent("expiring_offers", {})
    assert again.code == 0
    assert "is damaged" in again.complaint
    assert result_ids(again.result["new"]) == expected_ids(data, 14)
    after = run_agent("expiring_offers", {})
    assert (after.complaint, after.result["new"]) == ("", [])


def test_a_run_that_can_not_deliver_remembers_nothing(run_agent, tmp_path):
    answer = run_agent("expiring_offers", {}, JOBSD_RESULT=str(tmp_path / "missing" / "result.json"))
    assert answer.code == 1
    assert answer.complaint.startswith("error: ")
    assert list((tmp_path / "job").iterdir()) == []


def test_a_run_outside_of_a_job_reports_everything(run_agent, data):
    answer = run_agent("expiring_offers", {}, JOBSD_JOB_DIR="", JOBSD_RESULT="")
    assert answer.code == 0
    assert all(name in answer.report for name in expected_ids(data, 14))
