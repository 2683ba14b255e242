"""How peaks and objects are matched, and that the command prints its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.points import InstanceCounts, count_instances, main
from freeloc.inference.peaks import Peak

BOXES = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [0, 0, 100, 100]], np.float64)


def peak(x: float, y: float) -> Peak:
    return Peak(x, y, 1.0)


def test_each_peak_claims_the_smallest_free_box() -> None:
    peaks = [peak(5, 5), peak(6, 6), peak(25, 5), peak(150, 150)]
    counts = count_instances(peaks, BOXES, [False, False, False])
    assert counts == InstanceCounts(peaks=4, hits=3, several=3, found=3)
    assert (counts.precision, counts.recall) == (0.75, 1.0)


def test_a_single_object_counts_only_for_precision() -> None:
    assert count_instances([peak(5, 5), peak(6, 6)], BOXES[:1], [False]) == InstanceCounts(2, 1, 0, 0)


def test_peaks_in_difficult_boxes_alone_are_not_counted() -> None:
    counts = count_instances([peak(5, 5), peak(25, 5)], BOXES[:2], [False, True])
    assert counts == InstanceCounts(1, 1, 0, 0)


def test_counts_add_up() -> None:
    total = InstanceCounts(2, 1, 3, 1) + InstanceCounts(2, 2, 1, 1)
    assert (total.precision, total.recall) == (0.75, 0.5)
    assert InstanceCounts().recall == 0


def test_the_tables(tiny_run: Path, tiny_coco: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--model", str(tiny_run), "--data", str(tiny_coco), "--split", "instances", "--images", "3"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("|")] == [
        *("points", "---", "salient", "central", "difference"),
        *("minimum value of peaks", "---", "0.5", "0.6", "0.7", "0.8", "0.9"),
    ]
