"""What holds for every sequence of edits: following a plan leaves nothing to do, and errors hurt nobody else."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.plan import DesiredState, desire, enacted, plan
from runner.spec.loader import ParsedFile, read
from runner.spec.source import SourceFile

NOW = datetime(2026, 11, 24, tzinfo=UTC)

PATHS = ["a.yaml", "b.yaml", "sub/c.yaml", "sub/deep/d.yaml"]
DOCUMENTS = [
    *(
        f"id: {job_id}\nname: {job_id}\nmode: manual\nagent: {agent}\n"
        for job_id in ("one", "two", "three")
        for agent in ("insulin", "worker", "nobody")
    ),
    'id: one\nname: One\nmode: cron\nschedule: "0 9 * * *"\n',
    'id: two\nname: Two\nmode: cron\nschedule: "0 9 * *"\n',
    "id: three\nname: Three\nmode: manual\ntimout: 5m\n",
    "id: one\nname: [\n",
    "name: 5\nmode: manual\n",
    "kind: agent\nid: worker\ntype: command\ncommand: [work]\n",
    "kind: agent\nid: worker\ntype: command\ncommand: work\n",
    "kind: agent\nid: other\ntype: command\ncommand: [work]\ntimeout: 5m\n",
    "kind: defaults\ntimeout: 7m\nagent: worker\n",
    "kind: defaults\nlabels: {a: b}\n",
    "kind: defaults\ntimezon: UTC\n",
    "",
]
TREES = st.lists(
    st.dictionaries(
        st.sampled_from(PATHS), st.lists(st.sampled_from(DOCUMENTS), max_size=3).map("---\n".join), max_size=4
    ),
    min_size=1,
    max_size=5,
)


def sampled(
    *strategies: st.SearchStrategy[Any], soak: bool, few: int = 100
) -> Callable[[Callable[..., None]], None]:
    """Run a function over examples at once: `few` of them, or many."""

    def run(holds: Callable[..., None]) -> None:
        settings(max_examples=20 * few if soak else few, deadline=None)(given(*strategies)(holds))()

    return run


@cache
def _read(path: str, text: str) -> ParsedFile:
    return read(SourceFile(path, text.encode(), "jobs.d"))


def parse(tree: dict[str, str]) -> list[ParsedFile]:
    return [_read(path, text) for path, text in tree.items()]


def test_following_a_plan_leaves_nothing_to_do(soak):
    @sampled(TREES, st.booleans(), st.booleans(), soak=soak, few=300)
    def holds(trees, allow_empty, confirmed):
        state: DesiredState | None = None
        actual = {}
        for tree in trees:
            state = desire(parse(tree), state, now=NOW)
            made = plan(state, actual, allow_empty=allow_empty, confirmed=confirmed)
            actual = enacted(made, actual)
            again = plan(state, actual, allow_empty=allow_empty, confirmed=confirmed)
            assert again.actions == ()
            assert (again.held, again.doubtful) == (made.held, made.doubtful) or len(actual) < 5
            if not (made.held or made.doubtful):
                assert actual == state.jobs


def test_what_was_before_matters_only_where_there_are_errors(soak):
    @sampled(TREES, soak=soak, few=300)
    def holds(trees: list[dict[str, str]]) -> None:
        state: DesiredState | None = None
        for tree in trees:
            files = parse(tree)
            state = desire(files, state, now=NOW)
            fresh = desire(files, now=NOW)
            assert state.diagnostics == fresh.diagnostics or any(each.is_error for each in fresh.diagnostics)
            if not any(each.is_error for each in state.diagnostics):
                assert state.jobs == fresh.jobs
                assert state.agents == fresh.agents
                assert state.defaults == fresh.defaults
            for job_id, job in fresh.jobs.items():
                if state.defaults != fresh.defaults:
                    # Defaults that were kept may name an agent that is gone: better stale than another agent.
                    continue
                assert not state.jobs[job_id].stale
                assert state.jobs[job_id].origin == job.origin
            kept = state.jobs.keys() - fresh.jobs.keys()
            # What is kept is stale, or valid again because the agent that it names was kept.
            assert all(
                state.jobs[job_id].stale or state.jobs[job_id].agent.id not in fresh.agents for job_id in kept
            )
            assert kept.isdisjoint(invalid.id for invalid in state.invalid)


def test_the_order_of_files_does_not_matter(soak):
    @sampled(TREES, st.randoms(), soak=soak, few=100)
    def holds(trees: list[dict[str, str]], random: Random) -> None:
        state: DesiredState | None = None
        for tree in trees:
            files = parse(tree)
            shuffled = list(files)
            random.shuffle(shuffled)
            first, second = desire(files, state, now=NOW), desire(shuffled, state, now=NOW)
            assert first == second
            state = first


def test_looking_twice_changes_nothing(soak):
    @sampled(TREES, soak=soak, few=100)
    def holds(trees: list[dict[str, str]]) -> None:
        state: DesiredState | None = None
        for tree in trees:
            files = parse(tree)
            state = desire(files, state, now=NOW)
            again = desire(files, state, now=NOW)
            assert again == state
            assert all(again.jobs[job_id] is job for job_id, job in state.jobs.items())
