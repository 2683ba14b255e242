"""Masked pooling, which takes the maximum score of a class only over its annotated boxes (paper, section 5).

Masked pooling serves as a comparison: it shows how much better the search would be if object locations were known.
The mask of a class contains the cells whose centers lie in one of its boxes. If a box contains no cell center, the
mask contains the cell nearest to the center of the box instead, so that every object can be selected.
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
from freeloc.errors import ConfigurationError, DatasetOptionError
from freeloc.features.arrays import Cells
from freeloc.features.sources import FeatureSource, MappedSource
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.nn.backbones.trainable_stages import FROZEN, PROJECTION
from freeloc.nn.losses import logistic_loss
from freeloc.nn.pooling.max import MaxPooling
from freeloc.training.device import to_device
from freeloc.training.recipe import Recipe
from freeloc.training.step import HeadTrainStep

__all__ = ["MaskedCells", "MaskedTrainStep", "box_mask", "check_supervision", "masked_cells"]

Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class MaskedCells:
    """Cells of one image, with the masks of all classes.

    Attributes:
        cells: (M, channels) features.
        mask: (M, K) bool; True where a cell lies on an object of a class.
    """

    cells: Cells
    mask: Mask


def box_mask(boxes: Sequence[AnnotatedBox], grid: Grid, classes: int) -> Mask:
    """Return a mask of the cells that lie on objects of each class.

    Args:
        boxes: annotated boxes, in image coordinates.
        grid: grid of the image at one scale.
        classes: number of classes, K.

    Returns:
        (M, K) bool for the valid cells, in row-major order. A value is True if the center of the cell lies in a
        box of the class, or if the cell is the one nearest to the center of a box that contains no cell center.
    """
    rows, cols = np.indices((grid.valid_rows, grid.valid_cols))
    centers = grid.to_image(np.stack([rows.ravel(), cols.ravel()], axis=-1))
    mask = np.zeros((len(centers), classes), np.bool_)
    for box in boxes:
        inside: Mask = np.all((centers >= (box.x1, box.y1)) & (centers <= (box.x2, box.y2)), axis=1)
        if not inside.any():
            offsets = centers - ((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2)
            inside[np.hypot(*offsets.T).argmin()] = True
        mask[:, box.label] |= inside
    return mask


def check_supervision(dataset: Dataset, recipe: Recipe) -> None:
    """Check that a recipe's supervision is compatible with its other fields and with a dataset.

    Raises:
        ConfigurationError: the recipe uses masked pooling, but trains more of the backbone than the projection, or
            a box has the label of no class.
        DatasetError: the recipe uses masked pooling, but the dataset has no boxes.
    """
    if recipe.supervision == "tags":
        return
    if recipe.trainable_backbone not in {FROZEN, PROJECTION}:
        raise ConfigurationError(
            f"supervision {recipe.supervision} can train only the head and the projection: set "
            f'trainable_backbone to "{PROJECTION}" or "{FROZEN}" instead of "{recipe.trainable_backbone}"',
            parameter="trainable_backbone",
        )
    if not dataset.has_boxes:
        raise DatasetOptionError(
            f"{dataset.name} has no boxes, which supervision {recipe.supervision} requires: use a dataset with "
            "annotated boxes, or train from tags alone",
            parameter="supervision",
        )
    dataset.check_box_labels()


def masked_cells(
    features: FeatureSource[Cells],
    dataset: Dataset,
    sizes: Sequence[Size],
    layout: CellLayout,
    pyramid: Pyramid,
) -> FeatureSource[MaskedCells]:
    """Return a source of cells with their masks.

    Args:
        features: features of N images.
        dataset: the images, with boxes.
        sizes: sizes of the images.
        layout: cell layout of the backbone.
        pyramid: how canvases are made; its scales do not matter.
    """
    boxes = [sample.boxes or () for sample in dataset]
    classes = len(dataset.classes)

    def add_mask(index: int, scale: float, cells: Cells) -> MaskedCells:
        grid = pyramid.grid(sizes[index], scale, layout)
        return MaskedCells(cells, box_mask(boxes[index], grid, classes))

    return MappedSource(features, add_mask)


class MaskedTrainStep:
    """Computes the loss of masked pooling for mini-batches; implements `freeloc.training.trainer.TrainStep`.

    For a present class, the maximum is taken over the mask; for an absent class, or a present class without a box,
    it is taken over all cells. If a step uses only a fraction of the cells and none of these cells is in the
    mask of a class, one random cell of the mask is added.

    Args:
        head_step: step that scores cells.
        push_outside: whether to also penalize the maximum outside the mask of a present class, as for an absent
            class. The paper reports worse results with this penalty.
        device: device of ``head_step``.
    """

    def __init__(self, head_step: HeadTrainStep, *, push_outside: bool, device: torch.device) -> None:
        self._head_step = head_step
        self._push_outside = push_outside
        self._device = device

    def backward(self, items: Sequence[MaskedCells], labels: Tensor, generator: torch.Generator) -> Tensor:
        """Add the gradient of `loss` to the weights' gradients, and return the detached loss."""
        loss = self.loss(items, labels, generator)
        loss.backward()
        return loss.detach()

    def loss(self, items: Sequence[MaskedCells], labels: Tensor, generator: torch.Generator) -> Tensor:
        """Compute the differentiable loss of one mini-batch; see `HeadTrainStep.loss`."""
        drawn = [self._draw(item.mask, generator) for item in items]
        features = to_device(
            np.concatenate([item.cells[rows] for item, rows in zip(items, drawn, strict=True)]), self._device
        )
        counts = [len(rows) for rows in drawn]
        masks = torch.from_numpy(
            np.concatenate([item.mask[rows] for item, rows in zip(items, drawn, strict=True)])
        ).to(self._device)
        labels = labels.to(self._device)
        has_mask = torch.stack([part.any(dim=0) for part in torch.split(masks, counts)])
        restricted = (labels > 0) & has_mask
        scores = self._head_step.score_cells(features)
        image_of_cell = torch.repeat_interleave(
            torch.arange(len(counts), device=self._device), torch.tensor(counts, device=self._device)
        )
        elsewhere = restricted[image_of_cell] & ~masks
        pooling = MaxPooling()
        inside = torch.cat(pooling.select_cells(scores.masked_fill(elsewhere, -torch.inf), counts))
        if not self._push_outside:
            return logistic_loss(self._head_step.scores_at(features, inside, generator), labels)
        unmasked = scores.masked_fill(masks, -torch.inf)
        outside = torch.cat(pooling.select_cells(unmasked, counts))
        exists = unmasked.gather(0, outside).isfinite()
        both = self._head_step.scores_at(features, torch.cat([inside, outside]), generator)
        outside_labels = torch.where(restricted & exists, -1, 0)
        return logistic_loss(both[: len(counts)], labels) + logistic_loss(both[len(counts) :], outside_labels)

    def _draw(self, mask: Mask, generator: torch.Generator) -> npt.NDArray[np.intp]:
        """Return the indices of the cells to use in a step."""
        rows = self._head_step.draw_cells(len(mask), generator)
        if rows is None:
            return np.arange(len(mask))
        drawn = rows.cpu().numpy()
        missed = mask.any(axis=0) & ~mask[drawn].any(axis=0)
        if not missed.any():
            return drawn
        order = torch.randperm(len(mask), generator=generator, device=generator.device).cpu().numpy()
        added = order[mask[order][:, missed].argmax(axis=0)]
        return np.union1d(drawn, added)
