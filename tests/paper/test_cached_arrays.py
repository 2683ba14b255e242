"""Arrays cached with a key and a checksum."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from freeloc.paper.cached_arrays import load_cached_arrays, save_cached_arrays

VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_cached_arrays(tmp_path / "a.npz", "key", values=VALUES, names=["cat", "dog"], empty=np.zeros((0, 4)))
    return tmp_path / "a.npz"


def test_what_is_saved_is_loaded(path: Path) -> None:
    arrays = load_cached_arrays(path, "key")
    assert arrays is not None
    assert arrays.keys() == {"values", "names", "empty"}
    np.testing.assert_array_equal(arrays["values"], VALUES)
    assert arrays["values"].dtype == np.float32
    assert arrays["names"].tolist() == ["cat", "dog"]
    assert arrays["empty"].shape == (0, 4)


def test_another_key_and_a_missing_file_are_not_worth_a_word(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load_cached_arrays(path, "other") is None
    assert load_cached_arrays(path.with_name("none.npz"), "key") is None
    assert caplog.records == []


@pytest.mark.parametrize(
    "change",
    [
        {"values": VALUES.T.reshape(3, 4)},
        {"values": VALUES[:2]},
        {"values": VALUES.astype(np.float64)},
        {"values": VALUES.reshape(4, 3)},
        {"names": np.array(["dog", "cat"])},
        {"made_from": np.array("forged")},
        {"more": VALUES},
    ],
    ids=lambda change: next(iter(change)),
)
def test_arrays_that_were_exchanged_are_not_used(
    path: Path, change: dict[str, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **(arrays | change))
    assert load_cached_arrays(path, "forged" if "made_from" in change else "key") is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert str(path) in record.getMessage()


def test_every_damaged_byte_is_noticed_or_harmless(path: Path) -> None:
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        arrays = load_cached_arrays(path, "key")
        if arrays is not None:  # a byte that zip files do not use, such as the time of an entry
            np.testing.assert_array_equal(arrays["values"], VALUES)
            assert arrays["names"].tolist() == ["cat", "dog"]
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert load_cached_arrays(path, "key") is None
