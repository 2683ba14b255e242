"""Masked pooling: the mask compared with a search over cells, the loss with an image-by-image computation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from freeloc.datasets.dataset import AnnotatedBox, Dataset
from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.models.model import Model
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.training.masked_pooling import MaskedCells, MaskedTrainStep, box_mask
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.step import HeadTrainStep
from freeloc.training.train import train
from tests.gradients import gradient_of

CPU = torch.device("cpu")
CHANNELS, CLASSES = 6, 4
side = st.floats(0, 1)


@given(
    st.integers(40, 700),
    st.integers(40, 700),
    st.sampled_from((0.5, 1.0, 2.0)),
    st.lists(st.tuples(side, side, side, side), max_size=4),
)
def test_a_mask_covers_the_cells_whose_center_is_in_a_box_or_the_nearest_one(
    width: int, height: int, scale: float, corners: list[tuple[float, float, float, float]]
) -> None:
    grid = Pyramid((scale,)).grid(Size(width, height), scale, CellLayout(32, 16.0))
    boxes = [
        AnnotatedBox(i % 3, min(a, c) * width, min(b, d) * height, max(a, c) * width, max(b, d) * height)
        for i, (a, b, c, d) in enumerate(corners)
    ]
    expected = np.zeros((grid.valid_rows, grid.valid_cols, 3), bool)
    for box in boxes:
        inside, nearest = [], (np.inf, (0, 0))
        for row in range(grid.valid_rows):
            for col in range(grid.valid_cols):
                x, y = grid.to_image((row, col))
                if box.x1 <= x <= box.x2 and box.y1 <= y <= box.y2:
                    inside.append((row, col))
                away = np.hypot(x - (box.x1 + box.x2) / 2, y - (box.y1 + box.y2) / 2)
                if away < nearest[0]:
                    nearest = (away, (row, col))
        for row, col in inside or [nearest[1]]:
            expected[row, col, box.label] = True
    np.testing.assert_array_equal(box_mask(boxes, grid, 3), expected.reshape(-1, 3))


def parts(seed: int) -> tuple[list[MaskedCells], torch.Tensor, nn.Module, AdaptationHead]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 2, (3, CLASSES)).astype(np.int8)
    items = []
    for row in labels:
        count = int(rng.integers(2, 20))
        mask = rng.random((count, CLASSES)) < 0.3
        mask[rng.integers(count)] |= row > 0  # as in box_mask, every present class has a cell
        mask[:, row <= 0] = False
        items.append(MaskedCells(rng.normal(0, 1, (count, CHANNELS)).astype(np.float16), mask))
    torch.manual_seed(seed)
    head = AdaptationHead(HeadSettings(CHANNELS, CLASSES, 8, hidden_dropout=0.0))
    nn.init.normal_(head.fcb.weight, std=0.5)
    return items, torch.from_numpy(labels), nn.Identity(), head


def by_hand(
    items: list[MaskedCells], labels: torch.Tensor, head: AdaptationHead, *, outside: bool
) -> torch.Tensor:
    total = torch.zeros(())
    for item, row in zip(items, labels, strict=True):
        scores = head(torch.from_numpy(item.cells).float())
        for k, label in enumerate(row.tolist()):
            mask = torch.from_numpy(item.mask[:, k])
            if label == 1:
                total = total + functional.softplus(-scores[mask, k].max())
                if outside and bool((~mask).any()):
                    total = total + functional.softplus(scores[~mask, k].max())
            elif label == -1:
                total = total + functional.softplus(scores[:, k].max())
    return total / len(items)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.booleans())
def test_loss_and_gradient_are_those_of_the_definition(seed: int, outside: bool) -> None:
    items, labels, projection, head = parts(seed)
    recipe = Recipe(cell_fraction=1.0, supervision="masked_outside" if outside else "masked")
    step = HeadTrainStep(projection, head, recipe, use_bfloat16=False, device=CPU)
    masked = MaskedTrainStep(step, push_outside=outside, device=CPU)
    found = masked.backward(items, labels, torch.Generator().manual_seed(0))
    gradients = [gradient_of(weight).clone() for weight in head.parameters()]
    head.zero_grad()
    expected = by_hand(items, labels, head, outside=outside)
    if expected.requires_grad:
        expected.backward()
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)
    for gradient, weight in zip(gradients, head.parameters(), strict=True):
        wanted = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-5)


def test_hidden_cells_never_hide_all_of_a_mask() -> None:
    items, labels, projection, head = parts(3)
    step = HeadTrainStep(projection, head, Recipe(cell_fraction=0.05), use_bfloat16=False, device=CPU)
    masked = MaskedTrainStep(step, push_outside=False, device=CPU)
    for seed in range(20):
        for item, row in zip(items, labels, strict=True):
            drawn = masked._draw(item.mask, torch.Generator().manual_seed(seed))
            assert item.mask[drawn][:, row.numpy() > 0].any(axis=0).all()
            assert len(drawn) <= 1 + CLASSES + len(item.mask) // 20


def test_of_a_mask_that_was_missed_any_cell_may_be_looked_at() -> None:
    _, _, projection, head = parts(0)
    step = HeadTrainStep(projection, head, Recipe(cell_fraction=0.01), use_bfloat16=False, device=CPU)
    masked = MaskedTrainStep(step, push_outside=False, device=CPU)
    mask = np.zeros((40, CLASSES), bool)
    mask[10:14, 2] = True
    seen = [masked._draw(mask, torch.Generator().manual_seed(seed)) for seed in range(60)]
    assert {int(cell) for drawn in seen for cell in drawn if 10 <= cell < 14} == {10, 11, 12, 13}
    assert all(len(drawn) <= 2 for drawn in seen)


@pytest.mark.parametrize("outside", [False, True])
def test_a_tag_without_a_box_is_searched_for_everywhere(outside: bool) -> None:
    _, _, projection, head = parts(1)
    cells = np.random.default_rng(1).normal(0, 1, (9, CHANNELS)).astype(np.float16)
    items = [MaskedCells(cells, np.zeros((9, CLASSES), bool))]
    labels = torch.tensor([[1, 1, -1, 0]])
    step = HeadTrainStep(projection, head, Recipe(cell_fraction=1.0), use_bfloat16=False, device=CPU)
    masked = MaskedTrainStep(step, push_outside=outside, device=CPU)
    generator = torch.Generator().manual_seed(0)
    torch.testing.assert_close(masked.loss(items, labels, generator), step.loss([cells], labels, generator))


def small(**changes: object) -> Recipe:
    base = Recipe(epochs=2, batch_size=3, scales=(0.25,), hidden=16, warm_start_epochs=1, test_scales=(0.25,))
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("supervision", ["masked", "masked_outside"])
def test_a_run_reads_boxes_only_if_it_is_told_to(
    tiny_scenes: Dataset, tmp_path: Path, supervision: str
) -> None:

    def run(dataset: Dataset, name: str, recipe: Recipe) -> Model:
        settings = TrainingSettings(backbone="efficientnet_lite0", recipe=recipe, report=False)
        return train(dataset, tmp_path / name, settings, quiet=True)

    masked = run(tiny_scenes, "masked", small(supervision=supervision))
    tags = run(tiny_scenes, "tags", small())
    assert masked.header.manifest["recipe"]["supervision"] == supervision
    assert not torch.equal(masked.head.fcb.weight, tags.head.fcb.weight)
    bare = dataclasses.replace(
        tiny_scenes, samples=tuple(dataclasses.replace(sample, boxes=None) for sample in tiny_scenes)
    )
    again = run(bare, "bare", small())
    torch.testing.assert_close(tags.head.fcb.weight, again.head.fcb.weight, rtol=0, atol=0)
    with pytest.raises(
        FreelocError, match=f"no boxes, which supervision {supervision} requires.*from tags alone"
    ):
        run(bare, "none", small(supervision=supervision))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "lse", "supervision": "masked"}, "pooling is 'lse': supervision masked requires .max."),
        (
            {"gradient": "dense", "supervision": "masked"},
            "gradient is 'dense': supervision masked requires .sparse.",
        ),
        ({"supervision": "boxes"}, "supervision is .boxes."),
        ({"pooling": "min"}, "no pooling called .min."),
    ],
)
def test_recipes_that_make_no_sense_are_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(FreelocError, match=message):
        Recipe(**changes)  # type: ignore[arg-type]


def test_masks_and_trained_stages_exclude_each_other(tiny_scenes: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match="only the head and the projection: set trainable_backbone"):
        recipe = small(supervision="masked", trainable_backbone="7")
        train(tiny_scenes, tmp_path / "run", TrainingSettings(recipe=recipe), quiet=True)
