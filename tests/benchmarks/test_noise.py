"""Differences beside what chance does: the figures are the metrics' own, and the line is one."""

import numpy as np
import pytest

from benchmarks.noise import MEASURES, Line, Ruler
from benchmarks.subject import Truth
from benchmarks.ways import Found
from freeloc.datasets import Dataset


def test_the_ruler_measures_what_truth_measures(tiny_scenes: Dataset) -> None:
    truth = Truth.of(tiny_scenes.samples)
    generator = np.random.default_rng(0)
    scores = generator.normal(size=truth.labels.shape).astype(np.float32)
    sides = np.array([(size.width, size.height) for size in truth.sizes])
    points = generator.random((*scores.shape, 2)) * sides[:, None]
    values = Ruler(truth, resamples=3)(Found(np.ones(len(scores)), scores, points))
    assert values.shape == (len(MEASURES), 4)
    expected = truth.classification(scores), truth.location(points, scores), truth.pointing(points)
    assert values[:, 0] == pytest.approx(expected)


def test_above_the_line() -> None:
    low, beaten, high = (np.full((3, 5), value) for value in (60.0, 50.0, 80.0))
    line = Line([10, 15, 30], [low, beaten, high])
    assert line.above(10, low) == dict.fromkeys(MEASURES, (0.0, 0.0))
    assert line.above(30, high) == dict.fromkeys(MEASURES, (0.0, 0.0))
    assert line.above(25, np.full((3, 5), 77.0)) == dict.fromkeys(MEASURES, (2.0, 0.0))
    assert line.above(90, low) == dict.fromkeys(MEASURES, (-20.0, 0.0))
    drawn = np.array([[61.0, 60.0, 62.0, 60.0, 62.0]] * 3)
    assert line.above(10, drawn) == dict.fromkeys(MEASURES, (1.0, 1.0))
