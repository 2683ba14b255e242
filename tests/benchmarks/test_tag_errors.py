"""How tags are removed and added, and that the command prints its table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.tag_errors import add_wrong_tags, largest_areas, main, remove_tags
from freeloc.datasets import Dataset

LABELS = np.where(np.random.default_rng(0).random((2000, 5)) < [0.5, 0.3, 0.2, 0.1, 0.02], 1, -1).astype(
    np.int8
)
LABELS[:50, 1] = 0


def test_a_fraction_of_the_tags_is_removed_and_nothing_else_changes() -> None:
    changed = remove_tags(LABELS, 0.4, np.random.default_rng(1))
    assert (changed[LABELS != 1] == LABELS[LABELS != 1]).all()
    assert set(np.unique(changed[LABELS == 1])) == {-1, 1}
    assert np.mean(changed[LABELS == 1] == -1) == pytest.approx(0.4, abs=0.03)
    assert (remove_tags(LABELS, 0, np.random.default_rng(1)) == LABELS).all()


@pytest.mark.parametrize("fraction", [0.2, 0.4, 0.6])
def test_tags_of_small_objects_are_removed_more_often(fraction: float) -> None:
    areas = np.random.default_rng(2).random(LABELS.shape)
    changed = remove_tags(LABELS, fraction, np.random.default_rng(1), areas)
    removed = changed[LABELS == 1] == -1
    assert np.mean(removed) == pytest.approx(fraction, abs=0.03)
    small, large = (areas[LABELS == 1] < 0.2, areas[LABELS == 1] > 0.8)
    assert np.mean(removed[small]) > 2 * np.mean(removed[large])
    assert (remove_tags(LABELS, 0, np.random.default_rng(1), areas) == LABELS).all()


def test_wrong_tags_are_as_frequent_as_right_ones() -> None:
    changed = add_wrong_tags(LABELS, 0.1, np.random.default_rng(1))
    added = changed != LABELS
    assert (LABELS[added] == -1).all()
    assert (changed[added] == 1).all()
    assert added.sum(axis=0).tolist() == [round(0.1 * count) for count in (LABELS == 1).sum(axis=0).tolist()]


def test_areas_are_those_of_the_largest_box_relative_to_the_image(tiny_scenes: Dataset) -> None:
    areas = largest_areas(tiny_scenes)
    expected = np.zeros(areas.shape)
    for index, (sample, size) in enumerate(zip(tiny_scenes, tiny_scenes.image_sizes(), strict=True)):
        for box in sample.boxes or ():
            area = (box.x2 - box.x1) * (box.y2 - box.y1) / (size.width * size.height)
            expected[index, box.label] = max(expected[index, box.label], area)
    assert (expected > 0).any(axis=1).all()
    np.testing.assert_allclose(areas, expected)


def test_the_table(tiny_coco: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = [
        "--data",
        str(tiny_coco),
        "--split",
        "instances",
        "--images",
        "4",
        "--held-out",
        "2",
        "--by-size",
    ]
    options = [
        "--missing",
        "0.2",
        "--wrong",
        "0.1",
        "--policies",
        "none",
        "--epochs",
        "1",
        "--cache",
        str(tmp_path),
    ]
    main([*words, *options, "--backbone", "efficientnet_lite0"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    cells = [cell.strip() for cell in lines[-1].split("|")[1:-1]]
    assert len(lines) == 3
    assert cells[:4] == ["20%", "10%", "0", "none"]
    assert all(0 <= float(cell) <= 100 for cell in cells[4:])
