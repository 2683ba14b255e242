"""Masked pooling: the maximum restricted to where boxes say that a class is (paper, section 5).

A row for comparison, not a way to train from tags: it asks how much better the search would be if somebody had
shown where to look. The mask of a class is what its boxes cover of the output map. A box that covers the centre of
no cell counts with the cell nearest to its own centre, so that every object can be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from freeloc.datasets.dataset import AnnotatedBox, Dataset
from freeloc.errors import FreelocError
from freeloc.features.arrays import Cells
from freeloc.features.sources import FeatureSource, MappedSource
from freeloc.geometry.grid import CellLayout, Grid, Padding
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.nn.backbones.trainable_stages import FROZEN, PROJECTION
from freeloc.nn.losses import logistic_loss
from freeloc.nn.pooling.max import MaxPooling
from freeloc.training.device import to_device
from freeloc.training.recipe import Recipe
from freeloc.training.step import TrainStep

__all__ = ["MaskedCells", "MaskedTrainStep", "box_mask", "check_supervision", "masked_cells"]

Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class MaskedCells:
    """An image as masked pooling reads it.

    Attributes:
        cells: (M, channels) features.
        mask: (M, K) whether a cell lies on an object of a class.
    """

    cells: Cells
    mask: Mask


def box_mask(boxes: Sequence[AnnotatedBox], grid: Grid, classes: int) -> Mask:
    """Which cells lie on which class.

    Args:
        boxes: objects, in image pixels.
        grid: the image's at one scale.
        classes: K.

    Returns:
        (M, K) for the valid cells row by row: whether a cell's centre is in a box of the class, or is the one
        nearest to the middle of a box that no centre is in.
    """
    rows, cols = np.indices((grid.valid_rows, grid.valid_cols))
    centres = grid.to_image(np.stack([rows.ravel(), cols.ravel()], axis=-1))
    mask = np.zeros((len(centres), classes), np.bool_)
    for box in boxes:
        inside: Mask = np.all((centres >= (box.x1, box.y1)) & (centres <= (box.x2, box.y2)), axis=1)
        if not inside.any():
            away = centres - ((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2)
            inside[np.hypot(*away.T).argmin()] = True
        mask[:, box.label] |= inside
    return mask


def check_supervision(dataset: Dataset, recipe: Recipe) -> None:
    """Refuse early what masked pooling cannot be done with.

    Raises:
        FreelocError: the data set has no boxes, or stages of the backbone are to be trained.
    """
    told = f"--supervision {recipe.supervision}"
    if recipe.trainable_backbone not in {FROZEN, PROJECTION}:
        raise FreelocError(
            f"{told} trains head and projection only: leave --trainable-backbone {recipe.trainable_backbone} out"
        )
    if not dataset.has_boxes:
        raise FreelocError(
            f"{told} needs boxes, and {dataset.name} has none: give annotated images, or train from tags "
            "alone"
        )


def masked_cells(
    features: FeatureSource[Cells],
    dataset: Dataset,
    sizes: Sequence[Size],
    layout: CellLayout,
    padding: Padding,
) -> FeatureSource[MaskedCells]:
    """Return features together with the mask of each image.

    Args:
        features: features of N images.
        dataset: the same images, with boxes.
        sizes: their sizes.
        layout: the backbone's cell layout.
        padding: how canvases are padded.
    """

    def add_mask(index: int, scale: float, cells: Cells) -> MaskedCells:
        grid = Pyramid((scale,), padding).grid(sizes[index], scale, layout)
        return MaskedCells(cells, box_mask(dataset.samples[index].boxes or (), grid, len(dataset.classes)))

    return MappedSource(features, add_mask)


class MaskedTrainStep:
    """Computes the loss of masked pooling for mini-batches.

    A class that is there has its maximum on its mask; one that is absent anywhere, and so has one whose tag has no
    box. Where a step looks at a part of the cells only, and none of a class's mask is among them, one cell of it,
    drawn at random, is looked at as well.

    Args:
        learner: searches and scores cells.
        push_outside: whether the maximum outside the mask of a class that is there is pushed down like that of an
            absent one; the paper found that to be worse.
        device: where the learner computes.
    """

    def __init__(self, learner: TrainStep, *, push_outside: bool, device: torch.device) -> None:
        self._learner = learner
        self._push_outside = push_outside
        self._device = device

    def backward(self, items: Sequence[MaskedCells], labels: Tensor, generator: torch.Generator) -> Tensor:
        """Add the gradient of a mini-batch's loss to the weights' gradients; gives the loss, detached."""
        loss = self.loss(items, labels, generator)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def loss(self, items: Sequence[MaskedCells], labels: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of one mini-batch: arguments as of `freeloc.training.step.TrainStep.loss`."""
        drawn = [self._drawn(item.mask, generator) for item in items]
        features = to_device(
            np.concatenate([item.cells[rows] for item, rows in zip(items, drawn, strict=True)]), self._device
        )
        counts = [len(rows) for rows in drawn]
        masks = torch.from_numpy(
            np.concatenate([item.mask[rows] for item, rows in zip(items, drawn, strict=True)])
        ).to(self._device)
        labels = labels.to(self._device)
        shown = torch.stack([part.any(dim=0) for part in torch.split(masks, counts)])
        present = (labels > 0) & shown
        found = self._learner.search(features)
        of_image = torch.repeat_interleave(
            torch.arange(len(counts), device=self._device), torch.tensor(counts, device=self._device)
        )
        there = present[of_image]
        pooling = MaxPooling()
        inside = torch.cat(pooling.select_cells(found.masked_fill(there & ~masks, -torch.inf), counts))
        if not self._push_outside:
            return logistic_loss(self._learner.scores_at(features, inside, generator), labels)
        hidden = found.masked_fill(masks, -torch.inf)
        outside = torch.cat(pooling.select_cells(hidden, counts))
        exists = hidden.gather(0, outside).isfinite()
        both = self._learner.scores_at(features, torch.cat([inside, outside]), generator)
        scores, around = both[: len(counts)], both[len(counts) :]
        elsewhere = torch.where(present & exists, -1, 0)
        return logistic_loss(scores, labels) + logistic_loss(around, elsewhere)

    def _drawn(self, mask: Mask, generator: torch.Generator) -> npt.NDArray[np.intp]:
        """Which cells a step looks at."""
        rows = self._learner.drawn(len(mask), generator)
        if rows is None:
            return np.arange(len(mask))
        chosen = rows.cpu().numpy()
        lost = mask.any(axis=0) & ~mask[chosen].any(axis=0)
        if not lost.any():
            return chosen
        order = torch.randperm(len(mask), generator=generator, device=generator.device).cpu().numpy()
        added = order[mask[order][:, lost].argmax(axis=0)]
        return np.union1d(chosen, added)
