"""All that `jobsd validate` says of a tree: what the runner says, weighed by the policy and by comments."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runner.errors import Diagnostic
from runner.plan import DesiredState
from runner.spec.document import SourceFile
from runner.spec.ignores import complaints, silence
from runner.spec.loader import by_position
from runner.spec.policy import Policy, violations


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a tree, by path, and what they say together."""

    files: Sequence[SourceFile]
    state: DesiredState


def review(tree: Tree, policy: Policy) -> list[Diagnostic]:
    """Return the diagnostics of a tree, in the severities of a policy and without what comments silence.

    What the policy turns off counts as there for the comments that silence it: they are not called unused.
    """
    state = tree.state
    found = [*state.diagnostics, *state.ignored]
    found += violations(policy, ((document, each.job) for document, each in state.resolved.items()))
    weighed, off = _weighed(found, policy)
    kept, silent = silence(tree.files, weighed)
    kept += _weighed(list(complaints(tree.files, [*kept, *off], {*silent, *off})), policy)[0]
    return sorted(kept, key=by_position)


def _weighed(found: Sequence[Diagnostic], policy: Policy) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """Return the diagnostics in their severities, and those that are off."""
    weighed: list[Diagnostic] = []
    off: list[Diagnostic] = []
    for each in found:
        severity = policy.severity(each)
        if severity is None:
            off.append(each)
        else:
            weighed.append(each if each.severity is severity else replace(each, severity=severity))
    return weighed, off
