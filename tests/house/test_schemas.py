"""The published schemas say what the code does.

When the models change, write them anew and read the difference:

    python -m tests.house.test_schemas  # from the root of the repository
"""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from runner.cli.check import SCHEMAS

FOLDER = Path(__file__).parents[2] / "schemas"
MADE = dict(SCHEMAS)


def written(name: str) -> str:
    return json.dumps(MADE[name](), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_published_schema_is_the_one_that_the_code_makes(name):
    assert (FOLDER / f"{name}.schema.json").read_text() == written(name)


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_published_schema_is_a_schema(name):
    Draft202012Validator.check_schema(MADE[name]())


def test_no_schema_is_published_that_nothing_makes():
    assert {path.name for path in FOLDER.glob("*.schema.json")} == {f"{name}.schema.json" for name in MADE}


if __name__ == "__main__":
    for each in MADE:
        (FOLDER / f"{each}.schema.json").write_text(written(each))
