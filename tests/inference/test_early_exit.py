"""Early exit: the remaining scales of an image are computed only if its first scales leave a class undecided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.datasets import Dataset
from freeloc.inference.early_exit import UNDECIDED_SCORE
from freeloc.inference.localizer import Localizer


@pytest.mark.parametrize("batch", [1, 3])
def test_decided_images_skip_the_remaining_scales(
    tiny_run: Path, tiny_scenes: Dataset, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """One at a time, many, and many in batches: the same images continue, with the same results."""
    paths = [sample.path for sample in tiny_scenes][:4]
    options: dict[str, Any] = {"runtime": "openvino", "precision": "float32"}
    first = Localizer.load(tiny_run, scales=(0.7, 1.4), **options)
    margins = [float(np.abs(first.predict(path).scores).min()) for path in paths]
    # Between the second and the third: two images are undecided.
    limit = sum(sorted(margins)[1:3]) / 2
    monkeypatch.setattr("freeloc.inference.early_exit.UNDECIDED_SCORE", limit)
    staged = Localizer.load(tiny_run, preset="balanced", batch=batch, **options)
    whole = Localizer.load(tiny_run, scales=(0.7, 1.4, 2.0), **options)
    alone = [staged.score_maps(path) for path in paths]
    for maps, many, result, path, margin in zip(
        alone, staged.score_maps_many(paths), staged.predict_many(paths), paths, margins, strict=True
    ):
        scales = (0.7, 1.4, 2.0) if margin < limit else (0.7, 1.4)
        assert tuple(part.grid.scale for part in maps) == scales
        assert tuple(part.grid.scale for part in many) == scales
        wanted = (whole if margin < limit else first).predict(path)
        for found in (staged.predict(path), result):
            np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)
            np.testing.assert_array_equal(found.points, wanted.points)
    assert sum(len(maps) == 3 for maps in alone) == 2


def test_undecided_is_a_matter_of_probability() -> None:
    assert 1 / (1 + np.exp(UNDECIDED_SCORE)) == pytest.approx(0.12, abs=0.005)
