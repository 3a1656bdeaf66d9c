"""What is being deleted is hidden, durably, up to an id."""

import pytest

from runner.errors import StartError
from runner.storage.tombstones import Tombstones


def test_a_job_is_hidden_up_to_an_id_until_nothing_of_it_is_left(tmp_path):
    path = tmp_path / "tombstones.json"
    Tombstones(path).hide("a", "05")
    found = Tombstones(path)
    assert [found.hides("a", number) for number in ("04", "05", "06")] == [True, True, False]
    assert not found.hides("b", "01")
    found.drop("a")
    assert Tombstones(path).all == {}


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"a": 1}'])
def test_what_can_not_be_read_is_refused_as_it_may_hide_something(tmp_path, damage):
    path = tmp_path / "tombstones.json"
    path.write_bytes(damage)
    with pytest.raises(StartError, match=r"tombstones\.json"):
        Tombstones(path)
