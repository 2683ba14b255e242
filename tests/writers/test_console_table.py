"""The table on a terminal: its rows, its marks, and its width."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from freeloc._printable import printable
from freeloc.inference.result import Localization
from freeloc.writers import WriterOptions, localization_record
from freeloc.writers.console_table import render_record
from tests.hostile_names import HOSTILE, is_safe


def rendered(
    result: Localization,
    options: WriterOptions,
    *,
    name: str = "b.jpg",
    width: int = 80,
    encoding: str = "utf-8",
) -> list[str]:
    record = localization_record(result, options, image_name=name)
    text = render_record(record, width=width, encoding=encoding)
    assert text.endswith("\n")
    return text.split("\n")[:-1]


@pytest.fixture
def result(tiny_result: Localization) -> Localization:
    """Two of four classes are present; sorted by probability, they are "a chair", "cat", "собака" and "boat"."""
    points = np.array([(10.4, 20.0), (1.0, 2.0), (33.0, 44.6), (89.9, 59.9)])
    return dataclasses.replace(
        tiny_result, scores=np.array([1.0, -1.0, 2.0, -2.0], np.float32), points=points
    )


def test_rows_are_sorted_by_probability_and_present_classes_are_marked(result: Localization) -> None:
    assert rendered(result, WriterOptions(threshold=0.5)) == [
        "b.jpg (90×60)",
        "  class    probability x,y",
        "✓ a chair  0.88 ≥ 0.50 33,45",
        "✓ cat      0.73 ≥ 0.50 10,20",
        "  собака   0.27 < 0.50 1,2",
        "  boat     0.12 < 0.50 90,60",
    ]


def test_nothing_found(result: Localization) -> None:
    lines = rendered(result, WriterOptions(threshold=1.0))
    assert lines[0] == "b.jpg (90×60): nothing found"
    assert len(lines) == 6
    assert not any("✓" in line for line in lines)


def test_present_classes_and_the_most_probable_others_are_shown(result: Localization) -> None:
    names = tuple(f"class {index}" for index in range(20))
    many = dataclasses.replace(
        result,
        classes=names,
        scores=np.linspace(3, -3, 20).astype(np.float32),
        points=np.zeros((20, 2)),
        responses=np.zeros(20, np.float32),
    )
    for threshold, shown in ((0.5, 10), (0.9, 5), (0.0, 20)):
        lines = rendered(many, WriterOptions(threshold=threshold))
        assert len(lines) == 2 + shown + (shown < 20)
        assert (lines[-1] == f"  … {20 - shown} less probable classes") == (shown < 20)
    assert rendered(many, WriterOptions(threshold=0.06))[-1] == "  … 1 less probable class"


def test_a_probability_just_below_the_threshold_is_told_apart(result: Localization) -> None:
    record = localization_record(result, WriterOptions(threshold=0.5))
    record["classes"][2].update(probability=0.49996)
    text = render_record(record, width=80, encoding="utf-8")
    assert "0.49996 < 0.50000" in text


def test_peaks_and_boxes_have_columns(result: Localization) -> None:
    options = WriterOptions(threshold=0.5, peaks=3, boxes=2)
    record = localization_record(result, options)
    lines = rendered(result, options)
    assert lines[1].split() == ["class", "probability", "x,y", "peaks", "boxes"]
    for entry in record["classes"]:
        peaks = [f"{peak['x']:.0f},{peak['y']:.0f} {peak['value']:.2f}" for peak in entry["peaks"]]
        boxes = [
            f"{box['x1']:.0f},{box['y1']:.0f} {box['x2']:.0f},{box['y2']:.0f} {box['score']:.2f}"
            for box in entry["boxes"]
        ]
        assert peaks
        assert boxes
        start = next(index for index, line in enumerate(lines) if f" {entry['name']} " in line)
        for number, peak in enumerate(peaks):
            assert peak in lines[start + number]
        for number, box in enumerate(boxes):
            assert lines[start + number].endswith(box)


@given(
    st.text(max_size=300),
    st.text(st.sampled_from("ab 狗कف🐶"), max_size=400),
    st.integers(0, 3),
    st.integers(0, 2),
    st.sampled_from([80, 100, 200]),
)
@settings(max_examples=20)
def test_any_names_fit_the_terminal(
    tiny_result: Localization, image: str, name: str, peaks: int, boxes: int, width: int
) -> None:
    large = dataclasses.replace(
        tiny_result,
        classes=(name, "b", "c", "d"),
        points=tiny_result.points + 9000,
    )
    lines = rendered(large, WriterOptions(0.0, peaks, boxes), name=image, width=width)
    assert max(map(cell_len, lines)) <= width
    assert all(printable(line) == line for line in lines)
    assert " 9" in "".join(lines)


def test_long_names_are_complete(result: Localization) -> None:
    """Wide characters count twice."""
    image = "a folder/" * 12 + "狗.jpg"
    name = "鳥" * 50
    lines = rendered(dataclasses.replace(result, classes=(name, "b", "c", "d")), WriterOptions(), name=image)
    assert max(map(cell_len, lines)) <= 80
    assert "".join(lines).startswith(image)
    assert "".join(lines).count("鳥") == 50


def test_a_name_that_would_fill_the_screen_is_cut(result: Localization) -> None:
    lines = rendered(dataclasses.replace(result, classes=("x" * 5000, "b", "c", "d")), WriterOptions())
    assert "".join(lines).count("x") < 300
    assert "…" in "".join(lines)


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_name_steers_the_terminal(result: Localization, name: str) -> None:
    lines = rendered(
        dataclasses.replace(result, classes=(name, "b", "c", "d")), WriterOptions(0.0), name=name
    )
    assert len(lines) == 6
    assert all(is_safe(line) for line in lines)


def test_a_terminal_of_another_encoding(result: Localization) -> None:
    lines = rendered(result, WriterOptions(threshold=0.5), name="б.jpg", encoding="ascii")
    assert lines[0] == "\\u0431.jpg (90x60)"
    assert lines[2].startswith("* a chair")
    assert "0.88 >= 0.50" in lines[2]
    assert all(line.isascii() for line in lines)


def test_numbers_that_are_none(result: Localization) -> None:
    broken = dataclasses.replace(
        result,
        scores=np.array([np.nan] * 4, np.float32),
        points=np.full((4, 2), np.nan),
        maps=np.full_like(result.maps, np.nan),
    )
    lines = rendered(broken, WriterOptions(peaks=2, boxes=2))
    assert lines[2].split() == ["cat", "–", "–"]
