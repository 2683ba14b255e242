"""How peaks and objects are matched, and that the command prints its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.points import ImageRatio, InstanceCounts, count_instances, main
from freeloc.inference.peaks import Peak

BOXES = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [0, 0, 100, 100]], np.float64)


def peak(x: float, y: float) -> Peak:
    return Peak(x, y, 1.0)


def test_each_peak_claims_the_smallest_free_box() -> None:
    peaks = [peak(5, 5), peak(6, 6), peak(25, 5), peak(150, 150)]
    counts = count_instances(peaks, BOXES, [False, False, False])
    assert counts == InstanceCounts(peaks=4, hits=3, several=3, found=3)


def test_a_single_object_counts_only_for_precision() -> None:
    assert count_instances([peak(5, 5), peak(6, 6)], BOXES[:1], [False]) == InstanceCounts(2, 1, 0, 0)


def test_peaks_in_difficult_boxes_alone_are_not_counted() -> None:
    counts = count_instances([peak(5, 5), peak(25, 5)], BOXES[:2], [False, True])
    assert counts == InstanceCounts(1, 1, 0, 0)


def test_counts_add_up() -> None:
    assert InstanceCounts(2, 1, 3, 1) + InstanceCounts(2, 2, 1, 0) == InstanceCounts(4, 3, 4, 1)


def test_a_ratio_weights_images() -> None:
    ratio = ImageRatio(np.array([1.0, 0.0, 2.0]), np.array([1.0, 2.0, 2.0]))
    assert ratio.per_class.tolist() == [0.6]
    assert ratio.values([[2, 1, 0], [0, 3, 0]]).tolist() == [[0.5], [0.0]]
    assert np.isnan(ImageRatio(np.zeros(2), np.zeros(2)).mean)


def test_the_tables(tiny_run: Path, tiny_coco: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--model", str(tiny_run), "--data", str(tiny_coco), "--split", "instances", "--images", "3"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert [row[0] for row in rows[:5]] == ["points", "---", "salient", "central", "difference"]
    assert [row[:2] for row in rows[7:]] == [
        [threshold, kind]
        for threshold in ("0.5", "0.6", "0.7", "0.8")
        for kind in (
            *("of the fused map", "of the largest scales", "difference"),
            *("of the largest scales, central", "difference, central"),
        )
    ]
    values = [[float(cell.split()[0]) for cell in row[2:]] for row in rows[7:12]]
    for alone, largest, difference, central, moved in zip(*values, strict=True):
        assert largest - alone == pytest.approx(difference, abs=0.11, nan_ok=True)
        assert central - largest == pytest.approx(moved, abs=0.11, nan_ok=True)
    salient, central, difference = (float(row[4].split()[0]) for row in rows[2:5])
    assert central - salient == pytest.approx(difference, abs=0.11)
    assert all("[" in cell for row in rows[2:5] for cell in row[1:])
