"""What should run, and what must change for it."""

from datetime import UTC, datetime

from runner.errors import Severity
from runner.plan import Add, DesiredState, Remove, Replace, desire, enacted, plan
from runner.spec.loader import ParsedFile, read
from runner.spec.source import SourceFile

NOW = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = "kind: agent\nid: clerk\ntype: command\ncommand: [count]\n"


def state(tree: dict[str, str], last: DesiredState | None = None) -> DesiredState:
    files = [read(SourceFile(path, text.encode(), "jobs.d")) for path, text in tree.items()]
    return desire(files, last, now=NOW)


def job(job_id: str, more: str = "") -> str:
    return f"id: {job_id}\nname: {job_id.title()}\nmode: manual\n{more}"


def rules(found: DesiredState, severity: Severity = Severity.ERROR) -> list[str]:
    return [diagnostic.rule for diagnostic in found.diagnostics if diagnostic.severity is severity]


def test_valid_files_become_jobs_and_agents():
    found = state({"a.yaml": job("a", "agent: clerk\n"), "agents/clerk.yaml": AGENT, "b.yaml": job("b")})
    assert set(found.jobs) == {"a", "b"}
    assert set(found.agents) == {"clerk", "insulin"}
    assert found.jobs["a"].agent is found.agents["clerk"]
    assert found.jobs["b"].agent.id == "insulin"
    assert (found.files, found.documents, found.diagnostics, found.invalid) == (3, 3, (), ())


def test_defaults_reach_their_folder_and_what_is_below():
    found = state(
        {
            "defaults.yaml": "kind: defaults\ntimeout: 1m\nretry: {attempts: 2}\n",
            "team/defaults.yaml": "kind: defaults\ntimeout: 2m\n",
            "a.yaml": job("a"),
            "team/b.yaml": job("b"),
            "team/deep/er/c.yaml": job("c"),
            "teams/d.yaml": job("d"),
        }
    )
    assert {key: each.timeout.total_seconds() for key, each in found.jobs.items()} == {
        "a": 60, "b": 120, "c": 120, "d": 60,
    }  # fmt: skip
    assert found.jobs["c"].retry.attempts == 2


def test_two_defaults_documents_in_one_folder_are_both_errors():
    found = state(
        {"x.yaml": "kind: defaults\ntimeout: 1m\n", "y.yaml": "kind: defaults\ntimeout: 2m\n", "a.yaml": job("a")}
    )
    assert rules(found) == ["duplicate-defaults", "duplicate-defaults"]
    assert found.jobs["a"].timeout.total_seconds() == 3600


def test_a_duplicate_id_is_an_error_in_both_places_and_each_names_the_other():
    found = state({"a.yaml": job("a"), "sub/b.yaml": "name: A\nmode: manual\n"})
    assert rules(found) == ["duplicate-id", "duplicate-id"]
    assert [(each.path, each.related[0].path) for each in found.diagnostics] == [
        ("jobs.d/a.yaml", "jobs.d/sub/b.yaml"),
        ("jobs.d/sub/b.yaml", "jobs.d/a.yaml"),
    ]
    assert [each.source for each in found.diagnostics] == ["id: a", "name: A"]
    assert not found.jobs
    assert [invalid.id for invalid in found.invalid] == ["a"]


def test_thousands_of_documents_with_one_id_are_told_in_bounded_time():
    found = state({"a.yaml": "---\n".join([job("a", "labels: {a: b}\n")] * 3_000)})
    assert len(found.diagnostics) == 3_000
    assert all(len(each.related) == 3 for each in found.diagnostics)


def test_an_agent_and_a_job_may_have_the_same_id():
    found = state({"a.yaml": job("clerk", "agent: clerk\n"), "b.yaml": AGENT})
    assert not found.diagnostics


def test_of_two_documents_with_one_id_the_last_good_one_stays():
    before = state({"a.yaml": job("a", "timeout: 5m\n")})
    found = state({"a.yaml": job("a", "timeout: 6m\n"), "b.yaml": job("a", "timeout: 7m\n")}, before)
    assert found.jobs["a"].timeout.total_seconds() == 300
    assert [each.rule for each in found.jobs["a"].stale] == ["duplicate-id", "duplicate-id"]


def test_an_unfinished_copy_does_not_disturb_the_original():
    found = state({"a.yaml": job("a"), "b.yaml": job("a", "timout: 5m\n")})
    assert not found.jobs["a"].stale
    assert {(each.path, each.rule) for each in found.diagnostics} == {
        ("jobs.d/b.yaml", "duplicate-id"),
        ("jobs.d/b.yaml", "unknown-field"),
    }


def test_a_broken_document_leaves_the_last_good_job_and_marks_it_stale():
    before = state({"a.yaml": job("a", "timeout: 5m\n"), "b.yaml": job("b")})
    found = state({"a.yaml": job("a", "timeout: 5 m\n"), "b.yaml": job("b", "timeout: 6m\n")}, before)
    assert found.jobs["a"].timeout.total_seconds() == 300
    assert [each.rule for each in found.jobs["a"].stale] == ["duration-syntax"]
    assert found.jobs["b"].timeout.total_seconds() == 360
    assert not found.jobs["b"].stale
    mended = state({"a.yaml": job("a", "timeout: 7m\n"), "b.yaml": job("b")}, found)
    assert mended.jobs["a"].timeout.total_seconds() == 420
    assert not mended.jobs["a"].stale


def test_a_broken_document_is_matched_by_its_id_also_in_another_file():
    before = state({"a.yaml": job("a")})
    for text in (job("a", "timout: 5m\n"), "id: a\nname: [\n"):
        found = state({"moved.yaml": text}, before)
        assert found.jobs["a"].stale, text
        assert found.jobs["a"].origin.path == "jobs.d/a.yaml"


def test_a_document_whose_id_can_not_be_read_is_matched_by_its_file():
    before = state({"a.yaml": job("a") + "---\n" + job("b"), "c.yaml": job("c")})
    for text in ("name: [\n", "id: A a\nname: A\nmode: manual\n", "- a\n"):
        found = state({"a.yaml": text}, before)
        assert set(found.jobs) == {"a", "b"}, text
        assert all(each.stale for each in found.jobs.values())


def test_an_id_that_changes_together_with_a_mistake_loses_nothing():
    before = state({"a.yaml": job("a"), "b.yaml": job("b")})
    found = state({"a.yaml": job("c", "timout: 5m\n"), "b.yaml": job("b")}, before)
    assert found.jobs["a"].stale
    mended = state({"a.yaml": job("c", "timeout: 5m\n"), "b.yaml": job("b")}, found)
    assert set(mended.jobs) == {"b", "c"}


def test_a_job_that_is_gone_from_a_sound_file_is_gone_whatever_is_broken_elsewhere():
    before = state({"a.yaml": job("a"), "b.yaml": job("b")})
    found = state({"a.yaml": "# nothing\n", "b.yaml": "name: [\n"}, before)
    assert set(found.jobs) == {"b"}


def test_a_job_that_never_was_valid_is_not_scheduled():
    found = state({"a.yaml": job("a", "timout: 5m\n"), "b.yaml": "name: [\n"})
    assert not found.jobs
    assert [(each.id, each.path) for each in found.invalid] == [(None, "jobs.d/b.yaml"), ("a", "jobs.d/a.yaml")]


def test_a_job_uses_the_last_good_version_of_a_broken_agent():
    before = state({"a.yaml": job("a", "agent: clerk\n"), "agents/clerk.yaml": AGENT})
    broken = AGENT.replace("[count]", "count")
    found = state({"a.yaml": job("a", "agent: clerk\ntimeout: 5m\n"), "agents/clerk.yaml": broken}, before)
    assert found.jobs["a"].agent is before.agents["clerk"]
    assert found.jobs["a"].timeout.total_seconds() == 300
    assert not found.jobs["a"].stale
    assert rules(found) == ["wrong-type"]


def test_a_job_uses_the_last_good_version_of_broken_defaults():
    before = state({"a.yaml": job("a"), "defaults.yaml": "kind: defaults\ntimeout: 1m\n"})
    found = state(
        {"a.yaml": job("a", "labels: {a: b}\n"), "defaults.yaml": "kind: defaults\ntimeout: 1\n"}, before
    )
    assert found.jobs["a"].timeout.total_seconds() == 60
    assert not found.jobs["a"].stale


def test_a_broken_agent_without_a_good_version_brings_no_second_error():
    for agent in (AGENT.replace("[count]", "count"), "kind: agent\nid: clerk\ntype: [\n"):
        found = state({"a.yaml": job("a", "agent: clerk\n"), "agents/clerk.yaml": agent})
        assert len(rules(found)) == 1
        assert rules(found, Severity.INFO) == ["agent-has-errors"]
        assert not found.jobs
        assert "a" in [each.id for each in found.invalid]


def test_an_unknown_agent_is_an_error_with_a_suggestion():
    found = state({"a.yaml": job("a", "agent: clark\n"), "agents/clerk.yaml": AGENT})
    (error,) = found.diagnostics
    assert (error.rule, error.fix, error.span.column, error.job) == ("unknown-agent", "clerk", 8, "a")
    assert not found.jobs


def test_an_unknown_agent_is_told_of_jobs_with_other_errors_as_well():
    found = state({"a.yaml": job("a", "agent: clark\ntimout: 5m\n")})
    assert sorted(rules(found)) == ["unknown-agent", "unknown-field"]


def test_a_job_whose_agent_was_deleted_keeps_its_last_good_definition():
    before = state({"a.yaml": job("a", "agent: clerk\n"), "agents/clerk.yaml": AGENT})
    found = state({"a.yaml": job("a", "agent: clerk\n")}, before)
    assert [each.rule for each in found.jobs["a"].stale] == ["unknown-agent"]
    assert "clerk" not in found.agents


def test_an_unknown_agent_of_defaults_is_told_once():
    found = state({"defaults.yaml": "kind: defaults\nagent: clark\n", "a.yaml": job("a"), "b.yaml": job("b")})
    assert [(each.rule, each.path) for each in found.diagnostics] == [("unknown-agent", "jobs.d/defaults.yaml")]


def test_defaults_that_were_kept_may_name_an_agent_that_is_gone():
    tree = {"d.yaml": "kind: defaults\nagent: clerk\n", "a.yaml": job("a"), "agents/clerk.yaml": AGENT}
    before = state(tree)
    found = state({"d.yaml": "kind: defaults\nagent: clerk\nx: y\n", "a.yaml": job("a", "timeout: 5m\n")}, before)
    assert [each.rule for each in found.jobs["a"].stale] == ["unknown-agent"]
    assert "which jobs.d/d.yaml names" in found.jobs["a"].stale[0].message


def test_a_document_whose_kind_is_misspelt_may_be_any_of_them():
    before = state(
        {"a.yaml": job("a", "agent: clerk\n"), "b.yaml": AGENT, "d.yaml": "kind: defaults\ntimeout: 1m\n"}
    )
    tree = {
        "a.yaml": job("a", "agent: clerk\nkind: jobs\n"),
        "b.yaml": AGENT.replace("kind: agent", "kind: agents"),
        "d.yaml": "kind: default\ntimeout: 1m\n",
    }
    found = state(tree, before)
    assert found.jobs["a"].stale
    assert found.agents["clerk"] is before.agents["clerk"]
    assert found.defaults[""] is before.defaults[""]
    assert len(rules(found)) == 3


def test_warnings_of_a_schedule_point_into_it():
    found = state({"a.yaml": 'name: A\nmode: cron\nschedule: "0 0 30 2 *"\n'})
    (warning,) = found.diagnostics
    assert (warning.rule, warning.severity, warning.job) == ("schedule-never-fires", Severity.WARNING, "a")
    assert (warning.span.line, warning.span.column) == (3, 16)
    assert set(found.jobs) == {"a"}


def test_a_job_that_nothing_happened_to_is_the_same_object():
    file = read(SourceFile("a.yaml", job("a").encode()))
    before = desire([file], now=NOW)
    assert desire([file], before, now=NOW).jobs["a"] is before.jobs["a"]


def test_a_changed_agent_reaches_the_jobs_that_use_it():
    file = read(SourceFile("a.yaml", job("a", "agent: clerk\n").encode()))
    agent, newer = (read(SourceFile("b.yaml", (AGENT + more).encode())) for more in ("", "timeout: 5m\n"))
    before = desire([file, agent], now=NOW)
    found = desire([file, newer], before, now=NOW)
    assert found.jobs["a"].timeout.total_seconds() == 300
    assert found.jobs["a"].digest != before.jobs["a"].digest


def test_a_file_that_can_not_be_read_loses_nothing():
    before = state({"a.yaml": job("a")})
    unreadable = ParsedFile.unreadable(SourceFile("a.yaml", b"", "jobs.d"), "permission denied")
    found = desire([unreadable], before, now=NOW)
    assert [each.rule for each in found.jobs["a"].stale] == ["unreadable-file"]


def test_actions_are_removals_then_replacements_then_additions_each_by_id():
    actual = state({f"{name}.yaml": job(name) for name in "abcdef"}).jobs
    desired = state({f"{name}.yaml": job(name, "timeout: 5m\n" if name in "cd" else "") for name in "cdefyx"})
    made = plan(desired, actual)
    assert [(type(action), action.job.id) for action in made.actions] == [
        (Remove, "a"), (Remove, "b"), (Replace, "c"), (Replace, "d"), (Add, "x"), (Add, "y"),
    ]  # fmt: skip
    assert enacted(made, actual) == desired.jobs


def test_an_equal_job_needs_no_action():
    tree = {"a.yaml": job("a", "agent: clerk\n"), "agents/c.yaml": AGENT}
    assert plan(state(tree), state(tree).jobs).actions == ()


def test_a_move_replaces_a_job_by_the_same_definition():
    actual = state({"a.yaml": job("a")}).jobs
    (action,) = plan(state({"sub/b.yaml": "\n" + job("a")}), actual).actions
    assert isinstance(action, Replace)
    assert action.same_definition
    (action,) = plan(state({"a.yaml": job("a", "timeout: 5m\n")}), actual).actions
    assert not action.same_definition


def test_an_agent_that_moved_is_replaced_since_it_starts_elsewhere():
    tree = {"a.yaml": job("a", "agent: clerk\n"), "agents/c.yaml": AGENT}
    moved = {"a.yaml": job("a", "agent: clerk\n"), "lib/c.yaml": AGENT}
    (action,) = plan(state(moved), state(tree).jobs).actions
    assert action.same_definition


def test_becoming_stale_is_an_action_too():
    before = state({"a.yaml": job("a")})
    (action,) = plan(state({"a.yaml": job("a", "x: y\n")}, before), before.jobs).actions
    assert action.same_definition
    assert action.job.stale


def test_without_files_nothing_is_removed_unless_it_is_allowed():
    actual = state({"a.yaml": job("a")}).jobs
    made = plan(state({}), actual)
    assert made.actions == ()
    assert made.held is not None
    assert plan(state({}), actual, confirmed=True).actions == ()
    assert plan(state({}), actual, allow_empty=True).actions == (Remove(actual["a"]),)
    assert plan(state({}), {}).held is None


def test_files_without_documents_are_not_an_empty_directory():
    actual = state({"a.yaml": job("a")}).jobs
    assert plan(state({"a.yaml": ""}), actual).actions == (Remove(actual["a"]),)


def test_when_more_than_half_of_five_or_more_jobs_vanish_a_second_look_decides():
    actual = state({f"{name}.yaml": job(name) for name in "abcde"}).jobs
    desired = state({f"{name}.yaml": job(name) for name in "abx"})
    made = plan(desired, actual)
    assert made.doubtful
    assert made.actions == (Add(desired.jobs["x"]),)
    confirmed = plan(desired, actual, confirmed=True)
    assert not confirmed.doubtful
    assert [action.job.id for action in confirmed.actions] == ["c", "d", "e", "x"]


def test_half_of_the_jobs_or_all_of_four_may_vanish_at_once():
    six = state({f"{name}.yaml": job(name) for name in "abcdef"}).jobs
    assert not plan(state({f"{name}.yaml": job(name) for name in "abc"}), six).doubtful
    four = state({f"{name}.yaml": job(name) for name in "abcd"}).jobs
    assert not plan(state({"x.yaml": job("x")}), four).doubtful
