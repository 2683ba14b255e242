"""Properties of a dataset."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from freeloc.datasets.dataset import AnnotatedBox, Dataset, Sample, check_informative
from freeloc.errors import ConfigurationError, DatasetError, ImageError
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


LABELS = np.array([1, -1], np.int8)
SAMPLE = Sample(Path("a.jpg"), LABELS)


class TestByHand:
    """Datasets made by hand are checked field by field."""

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            (np.array([7, 0], np.int8), "labels contains 7: each label must be"),
            (np.array([-128, 1], np.int8), "labels contains -128: each label must be"),
            (np.array([2, 1]), "labels contains 2: each label must be"),
            (np.array([257, 1]), "labels contains 257: each label must be"),
            (np.array([255, 1], np.uint8), "labels contains 255: each label must be"),
            (np.array([1.0, -1.0]), r"labels is of shape \(2,\) and dtype float64: it must be an int8 array"),
            (np.array([True, False]), "labels is of shape .* and dtype bool"),
            (np.array(["1", "0"]), "labels is of shape"),
            (np.array([[1, -1]], np.int8), r"labels is of shape \(1, 2\)"),
            (np.int8(1), "labels is of type int8"),
            ([1, -1], r"labels is \[1, -1\]: it must be an int8 array"),
            (None, "labels is None"),
        ],
    )
    def test_labels(self, labels: Any, message: str) -> None:
        with pytest.raises(ConfigurationError, match=f"^{message}") as caught:
            Sample(Path("a.jpg"), labels)
        assert caught.value.parameter == "labels"

    @pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64])
    def test_whole_numbers_become_int8(self, dtype: type[np.generic]) -> None:
        sample = Sample(Path("a.jpg"), np.array([1, -1, 0], dtype))
        assert sample.labels.dtype == np.int8
        assert sample.labels.tolist() == [1, -1, 0]
        assert not sample.labels.flags.writeable

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("path", value) for value in (None, 3, b"a.jpg", "a\0.jpg")),
            *(("boxes", value) for value in (3, ((0, 1, 2, 3),), "boxes")),
            *(("size", (3, 4)), ("content_hash", 3)),
        ],
    )
    def test_other_fields_of_a_sample(self, field: str, value: Any) -> None:
        given: dict[str, Any] = {"path": Path("a.jpg"), "labels": LABELS, field: value}
        with pytest.raises(ConfigurationError, match=f"^{field} is "):
            Sample(**given)

    def test_a_string_becomes_a_path(self) -> None:
        assert Sample("a.jpg", LABELS).path == Path("a.jpg")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("label", "edges"),
        [
            *((label, (0, 0, 5, 5)) for label in (-1, 1.0, "1", None)),
            *(
                (0, edges)
                for edges in ((5, 0, 0, 5), (0, 5, 5, 0), (0, 0, float("inf"), 5), (0, float("nan"), 5, 5))
            ),
            *((0, edges) for edges in (("0", 0, 5, 5), (None, 0, 5, 5), (-float("inf"), 0, 5, 5))),
        ],
    )
    def test_boxes(self, label: Any, edges: tuple[Any, ...]) -> None:
        with pytest.raises(ConfigurationError, match="the label must be the index of a class") as caught:
            AnnotatedBox(label, *edges)
        assert caught.value.parameter == "boxes"

    @pytest.mark.parametrize(
        ("parameter", "changes", "message"),
        [
            ("classes", {"classes": ("a", "a")}, "classes contains 'a' more than once"),
            ("classes", {"classes": ("a", " ")}, "classes contains an empty name"),
            (
                "classes",
                {"classes": ("a", "\ud800")},
                r"classes contains '\\ud800', which UTF-8 cannot encode",
            ),
            ("classes", {"classes": "ab"}, "classes is 'ab': it must be a tuple of strings"),
            ("classes", {"classes": (1, 2)}, r"classes is \(1, 2\): it must be a tuple of strings"),
            (
                "samples",
                {"classes": ("a", "b", "c")},
                "the labels of a.jpg have length 2, but there are 3 classes",
            ),
            ("samples", {"classes": ("a",)}, "the labels of a.jpg have length 2, but there are 1 classes"),
            (
                "samples",
                {"samples": ("a.jpg",)},
                "samples is .*: it must be a tuple of values of type Sample",
            ),
            ("samples", {"samples": None}, "samples is None"),
            ("name", {"name": None}, "name is None: it must be a string"),
            ("name", {"name": "\ud800"}, "name contains .* UTF-8 cannot encode"),
            ("skipped", {"skipped": -1}, "skipped is -1"),
        ],
    )
    def test_fields_of_a_dataset(self, parameter: str, changes: dict[str, Any], message: str) -> None:
        given: dict[str, Any] = {"name": "data", "classes": ("a", "b"), "samples": (SAMPLE,), **changes}
        with pytest.raises(ConfigurationError, match=f"^{message}") as caught:
            Dataset(**given)
        assert caught.value.parameter == parameter

    def test_the_labels_of_boxes(self) -> None:
        for label in (0, 1, 2):
            sample = Sample(Path("a.jpg"), LABELS, (AnnotatedBox(label, 0, 0, 1, 1),))
            dataset = Dataset("data", ("a", "b"), (SAMPLE, sample))
            if label < 2:
                dataset.check_box_labels()
            else:
                with pytest.raises(
                    ConfigurationError, match=r"a box of a\.jpg has the label 2, but there are 2 classes"
                ):
                    dataset.check_box_labels()

    def test_lists_become_tuples(self) -> None:
        dataset = Dataset("data", ["a", "b"], [SAMPLE])  # type: ignore[arg-type]
        assert (dataset.classes, dataset.samples) == (("a", "b"), (SAMPLE,))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 0], [0, 0]], "no class of data is present in any image: training requires"),
        ([[-1, -1], [-1, 0]], "no class of data is present in any image"),
        ([[1, 1], [1, 0]], "no class of data is present in one image and absent from another"),
        ([[1, -1]], "no class of data is present in one image and absent from another"),
        ([[1, -1], [0, -1]], "no class of data is present in one image and absent from another"),
        ([[1, 0], [-1, 0]], None),
        ([[0, 1], [0, -1], [0, 0]], None),
    ],
)
def test_labels_that_say_nothing(labels: list[list[int]], message: str | None) -> None:
    dataset = Dataset(
        "data", ("a", "b"), tuple(Sample(Path("a.jpg"), np.array(row, np.int8)) for row in labels)
    )
    if message is None:
        check_informative(dataset, "training")
    else:
        with pytest.raises(DatasetError, match=f"^{message}"):
            check_informative(dataset, "training")


def test_classes_are_selected_with_their_labels_and_boxes() -> None:
    boxes = (AnnotatedBox(0, 1, 2, 3, 4), AnnotatedBox(2, 5, 6, 7, 8, difficult=True))
    samples = (
        Sample(Path("a.jpg"), np.array([1, -1, 1], np.int8), boxes, Size(9, 9), "hash"),
        Sample(Path("b.jpg"), np.array([0, 1, -1], np.int8)),
    )
    data = Dataset("data", ("a", "b", "c"), samples, skipped=3)
    some = data.select_classes(["c", "a"])
    assert (some.name, some.classes, some.skipped) == ("data", ("c", "a"), 3)
    assert some.labels.tolist() == [[1, 1], [-1, 0]]
    assert some.samples[0].boxes == (AnnotatedBox(1, 1, 2, 3, 4), AnnotatedBox(0, 5, 6, 7, 8, difficult=True))
    assert (some.samples[0].size, some.samples[0].content_hash, some.samples[1].boxes) == (
        Size(9, 9),
        "hash",
        None,
    )
    assert data.select_classes(("a", "b", "c")) is data
    with pytest.raises(ConfigurationError, match="classes contains 'd', but data has only 'a', 'b' and 'c'"):
        data.select_classes(["a", "d"])
    named = dataclasses.replace(data, classes=("cat", "dog", "bicycle"))
    with pytest.raises(ConfigurationError, match=r"'bicyle' \(did you mean 'bicycle'\?\), but data has only"):
        named.select_classes(["cat", "bicyle"])
