"""The registry of poolings, and a pooling from outside the package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from freeloc.errors import ConfigurationError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.fusion import pooled_scores
from freeloc.inference.score_map import ScoreMap
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.nn.pooling.registry import POOLINGS, get_pooling, prediction_pooling
from freeloc.training.recipe import Recipe
from freeloc.training.step import HeadTrainStep
from tests.gradients import gradient_of
from tests.packages import installed, write_package

OUTSIDE = """
import torch
from freeloc.nn.pooling.base import Pooling

class MiddlePooling(Pooling):
    def pool_maps(self, values):
        cells = values.reshape(len(values), -1)
        return ((cells.max(axis=1) + cells.min(axis=1)) / 2).astype("float32")

    def pool_cells(self, scores, counts):
        parts = torch.split(scores, list(counts))
        return torch.stack([(part.amax(dim=0) + part.amin(dim=0)) / 2 for part in parts])
"""


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[str]:
    """The name of a pooling from an installed package, with only the two required methods."""
    entry_points = {"freeloc.poolings": {"middle": "middle_pooling:MiddlePooling"}}
    write_package(tmp_path / "site", "middle_pooling", OUTSIDE, entry_points)
    with installed(tmp_path / "site", "middle_pooling", POOLINGS):
        yield "middle"


@pytest.mark.parametrize("hidden", [0, 5])
def test_an_outside_pooling_trains_on_all_cells_and_predicts(outside: str, hidden: int) -> None:
    assert POOLINGS.names()[-1] == outside == prediction_pooling(outside)
    head = AdaptationHead(HeadSettings(4, 2, hidden, hidden_dropout=0.0))
    recipe = Recipe(pooling=outside, cell_fraction=1.0)
    step = HeadTrainStep(torch.nn.Identity(), head, recipe, use_bfloat16=False, device=torch.device("cpu"))
    rng = np.random.default_rng(0)
    cells = [rng.normal(size=(count, 4)).astype(np.float16) for count in (3, 7)]
    labels = torch.tensor([[1, -1], [-1, 0]])
    loss = step.backward(cells, labels, torch.Generator().manual_seed(0))
    scores = head(torch.from_numpy(np.concatenate(cells)).float()).detach()
    pooled = torch.stack([(part.amax(dim=0) + part.amin(dim=0)) / 2 for part in scores.split((3, 7))])
    torch.testing.assert_close(step.pooled_scores(cells), pooled)
    expected = (torch.log1p(torch.exp(-labels * pooled)) * (labels != 0)).sum() / 2
    torch.testing.assert_close(loss, expected)
    assert all(bool(gradient_of(parameter).abs().sum()) for parameter in head.parameters())
    torch.testing.assert_close(pooled[0], torch.from_numpy(pooled_map(scores[:3], outside)))


def pooled_map(scores: torch.Tensor, pooling: str) -> np.ndarray:
    grid = Pyramid((1.0,)).grids(Size(500, 300), CellLayout(32, 16.0))[0]
    return pooled_scores([ScoreMap.of(scores.T.numpy()[:, :, None].copy(), grid)], pooling)


def test_scores_over_scales_are_the_mean_of_the_pooled_maps() -> None:
    rng = np.random.default_rng(0)
    grids = Pyramid((0.5, 1.0)).grids(Size(500, 300), CellLayout(32, 16.0))
    score_maps = [
        ScoreMap.of(rng.normal(0, 3, (3, grid.valid_rows, grid.valid_cols)).astype(np.float32), grid)
        for grid in grids
    ]
    for name in POOLINGS.names():
        expected = np.mean([get_pooling(name).pool_maps(part.values) for part in score_maps], axis=0)
        np.testing.assert_allclose(pooled_scores(score_maps, name), expected, rtol=1e-5)


def test_unknown_poolings_are_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ConfigurationError, match="no pooling called 'min': choose one of max, lse, topk"
    ) as caught:
        Recipe(pooling="min")
    assert caught.value.parameter == "pooling"
