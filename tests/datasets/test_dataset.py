"""Properties of a dataset."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.errors import ImageError
from freeloc.geometry.size import Size
from freeloc.images.image_info import ImageInfo


@given(st.integers(0, 300), st.integers(1, 400))
def test_evenly_spaced_indices_reach_from_the_first_to_the_last(size: int, count: int) -> None:
    sample = Sample(Path("one.jpg"), np.ones(1, np.int8))
    chosen = Dataset("data", ("cat",), (sample,) * size).evenly_spaced(count)
    assert len(chosen) == min(count, size)
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (0, size - 1)
        steps = np.diff(chosen)
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1


def test_image_info_is_read_only_where_it_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "red.png"
    Image.new("RGB", (30, 20), "red").save(file)
    labels = np.ones(1, np.int8)
    known = Sample(tmp_path / "gone.png", labels, size=Size(5, 6), content_hash="0" * 32)
    infos = Dataset("data", ("cat",), (known, Sample(file, labels), known)).image_info()
    assert infos[0] == infos[2] == ImageInfo(Size(5, 6), "0" * 32)
    assert infos[1] == ImageInfo(Size(30, 20), hashlib.sha256(file.read_bytes()).hexdigest()[:32])
    gone = Dataset("data", ("cat",), (Sample(tmp_path / "gone.png", labels, size=Size(5, 6)),))
    with pytest.raises(ImageError, match=r"gone\.png"):
        gone.image_info()


def test_image_sizes_are_read_only_where_they_are_unknown(tmp_path: Path) -> None:
    file = tmp_path / "red.png"
    Image.new("RGB", (30, 20), "red").save(file)
    labels = np.ones(1, np.int8)
    known = Sample(tmp_path / "gone.png", labels, size=Size(5, 6))
    assert Dataset("data", ("cat",), (known, Sample(file, labels))).image_sizes() == (
        Size(5, 6),
        Size(30, 20),
    )


def test_the_content_fingerprint_depends_on_labels_and_bytes() -> None:
    def fingerprint(label: int, content_hash: str) -> str:
        sample = Sample(Path("a.png"), np.array([label], np.int8), size=Size(5, 6), content_hash=content_hash)
        dataset = Dataset("data", ("cat",), (sample,))
        return dataset.content_fingerprint(dataset.image_info())

    assert fingerprint(1, "x") == fingerprint(1, "x")
    assert len({fingerprint(1, "x"), fingerprint(-1, "x"), fingerprint(1, "y")}) == 3
