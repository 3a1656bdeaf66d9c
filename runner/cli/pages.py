"""The reference pages that the package carries: those that `jobsd docs` lists, and one for each rule."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from runner.errors import InvalidRequestError
from runner.spec.rules import RULES, Rule, near


def topics() -> dict[str, str]:
    """Return the text of each page by its name, in the order of the alphabet."""
    pages = {Path(page.name).stem: page for page in _folder().iterdir() if page.name.endswith(".md")}
    return {name: page.read_text(encoding="utf-8") for name, page in sorted(pages.items())}


def rule_page(rule: str) -> str:
    """Return what a rule is about."""
    return _folder().joinpath("rules", f"{rule}.md").read_text(encoding="utf-8")


def explained(rule: str) -> str:
    """Return the page of a rule, and below its title how much it matters and who can change that.

    Raises:
        InvalidRequestError: when there is no such rule.
    """
    if rule not in RULES:
        meant = near(rule)
        advice = f"did you mean {meant!r}?" if meant else "'jobsd docs rules' lists all"
        raise InvalidRequestError(f"no rule is called {rule!r}; {advice}")
    title, _, rest = rule_page(rule).partition("\n")
    return f"{title}\n\n{weight(RULES[rule])}\n{rest}"


def weight(rule: Rule) -> str:
    """Return how much a rule matters, as a sentence or two."""
    if rule.is_fixed:
        return "An error: a document that has it can't be used, so it can be neither lowered nor ignored."
    if rule.is_policy:
        return (
            "An error of `jobsd validate`, unless `jobsd.yaml` says otherwise. The runner takes no notice of it."
        )
    if rule.is_about_ignoring:
        return "A warning, unless `jobsd.yaml` says otherwise."
    article = {"warning": "A warning", "info": "A note"}[rule.severity.value]
    return (
        f"{article}: `jobsd.yaml` can change that, and the comment `# jobsd: ignore[{rule.id}]` at the end of "
        "the line, or on the line above, silences it."
    )


def _folder() -> Traversable:
    return files("runner").joinpath("docs")
