"""What every store of large payloads promises."""

import pytest

from runner.errors import StorageError
from runner.storage.outputs import Outputs
from runner.testing import MemoryPayloads


@pytest.fixture(params=["memory", "disk"])
def store(request, tmp_path):
    if request.param == "memory":
        return MemoryPayloads()
    (tmp_path / "outputs").mkdir()
    return Outputs(tmp_path / "outputs", tmp_path)


def test_what_was_put_is_got_back_by_its_reference(store):
    first = store.put("01", b'{"a": 1}')
    second = store.put("02", b"[]")
    assert (store.get(first), store.get(second)) == (b'{"a": 1}', b"[]")


def test_a_reference_to_nothing_is_an_error(store):
    store.put("01", b"{}")
    with pytest.raises(StorageError):
        store.get("outputs/02.payload.json")
