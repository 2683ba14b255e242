"""Training the upper part of a backbone together with the head.

The lower part stays fixed, so its maps are cached or made by the fast runtime like the features of a whole
backbone.
The trained stages read neighbouring values, so they run on whole maps, in torch, with gradients; the search among
the cells that come out, and the loss, are those of `freeloc.training.step`. Batch normalisation keeps the
statistics the backbone came with.

A mini-batch's gradient is the sum of its images', so they need not go through at once: on a GPU all of them
do, on a processor so many that memory stays flat whatever the stage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from freeloc.features.arrays import Cells, FeatureMap
from freeloc.features.batching import group_positions, in_groups
from freeloc.features.sources import FeatureSource, MappedSource
from freeloc.geometry.grid import CellLayout, Padding
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.decode import read_image_size
from freeloc.runtime.tf32 import disable_tf32
from freeloc.training.depthwise_gradients import use_fast_gradients
from freeloc.training.device import autocast, deterministic, to_device
from freeloc.training.step import TrainStep

__all__ = ["StageInput", "StageTrainStep", "stage_features", "stage_inputs"]

_TOGETHER = 2**22
"""Values of maps that go through at once on a processor: a whole mini-batch of a late stage's maps, which takes
twice as long one by one, and one map of the first's, whose layers keep a gigabyte for the way back."""


@dataclass(frozen=True, eq=False)
class StageInput:
    """What the trained stages read of one image.

    Attributes:
        values: (rows, columns, channels), the whole canvas.
        valid: rows and columns of the finished map that look at the image.
    """

    values: FeatureMap
    valid: tuple[int, int]


def stage_inputs(
    maps: FeatureSource[FeatureMap], paths: Sequence[Path], layout: CellLayout, padding: Padding
) -> FeatureSource[StageInput]:
    """Return the inputs of the trained stages: feature maps of the frozen stages, with their valid cells.

    Args:
        maps: feature maps of the frozen stages.
        paths: the images.
        layout: cell layout of the whole backbone.
        padding: how canvases are padded.
    """

    def add_valid_cells(index: int, scale: float, values: FeatureMap) -> StageInput:
        grid = Pyramid((scale,), padding).grid(read_image_size(paths[index]), scale, layout)
        return StageInput(values, (grid.valid_rows, grid.valid_cols))

    return MappedSource(maps, add_valid_cells)


def stage_features(
    inputs: FeatureSource[StageInput], above: nn.Module, *, low_precision: bool, device: torch.device
) -> FeatureSource[Cells]:
    """Return the features that the trained stages compute with their current weights.

    Args:
        inputs: inputs of the trained stages.
        above: the trained stages.
        low_precision: compute in bfloat16.
        device: where to compute.
    """
    above = _placed(above, device)

    def run(_index: int, _scale: float, item: StageInput) -> Cells:
        with torch.no_grad(), disable_tf32(device, enabled=not low_precision):
            (cells,) = _run(above, [item], device, low_precision=low_precision)
        values: Cells = cells.half().cpu().numpy()
        return values

    return MappedSource(inputs, run)


class StageTrainStep:
    """Computes the gradient of a recipe's loss for mini-batches of maps.

    Args:
        above: the trained stages of the backbone's body.
        learner: computes the loss from cells, with the trained projection.
        low_precision: compute in bfloat16; weights and their gradients stay float32.
        device: where to compute.
        together: values of maps that go through at once, though never less than one map; None leaves it to the
            device.
    """

    def __init__(
        self,
        above: nn.Module,
        learner: TrainStep,
        *,
        low_precision: bool,
        device: torch.device,
        together: int | None = None,
    ) -> None:
        self._above = _placed(above, device)
        self._learner = learner
        self._low_precision = low_precision
        self._device = device
        unbounded = device.type != "cpu"
        self._together = together or (sys.maxsize if unbounded else _TOGETHER)

    def backward(self, maps: Sequence[StageInput], labels: Tensor, generator: torch.Generator) -> Tensor:
        """Add the gradient of a mini-batch's loss to the weights' gradients; gives the loss, detached.

        Args:
            maps: of N images.
            labels: (N, K) in {−1, 0, +1}.
            generator: source of dropout and of the cells looked at.
        """
        total = torch.zeros((), device=self._device)
        with deterministic(), disable_tf32(self._device, enabled=not self._low_precision):
            for portion in self._portions(maps):
                items = [maps[index] for index in portion]
                seen = [self._glimpse(cells, generator) for cells in self._finished(items)]
                counts = [len(cells) for cells in seen]
                loss = self._learner.loss_of(torch.cat(seen), counts, labels[portion], generator)
                # The loss is a mean over images, here of the portion's.
                share = loss * (len(portion) / len(maps))
                share.backward()  # type: ignore[no-untyped-call]
                total += share.detach()
        return total

    def _finished(self, items: Sequence[StageInput]) -> list[Tensor]:
        """Cells of each image; maps of one shape go through at once."""
        return in_groups(
            lambda alike: _run(self._above, alike, self._device, low_precision=self._low_precision),
            items,
            key=lambda item: item.values.shape,
        )

    def _glimpse(self, cells: Tensor, generator: torch.Generator) -> Tensor:
        drawn = self._learner.drawn(len(cells), generator)
        return cells if drawn is None else cells[drawn]

    def _portions(self, maps: Sequence[StageInput]) -> list[list[int]]:
        """Which images' layers are kept for the way back at once; those of one shape lie together."""
        portions: list[list[int]] = []
        room = 0
        for group in group_positions(item.values.shape for item in maps):
            for index in group:
                values = maps[index].values.size
                if values > room:
                    portions.append([])
                    room = self._together
                portions[-1].append(index)
                room -= values
        return portions


def _placed(module: nn.Module, device: torch.device) -> nn.Module:
    use_fast_gradients(module)
    # Maps are kept with the values of one place side by side, which is this memory format: nothing is copied.
    return module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _run(
    above: nn.Module, items: Sequence[StageInput], device: torch.device, *, low_precision: bool
) -> list[Tensor]:
    """(M, channels) float32 valid cells of each image; all maps have one shape."""
    maps = to_device(np.stack([item.values for item in items]), device).permute(0, 3, 1, 2)
    with autocast(device, enabled=low_precision):
        finished = above(maps.float())
    found = []
    for features, (rows, cols) in zip(finished, (item.valid for item in items), strict=True):
        found.append(features[:, :rows, :cols].flatten(1).T.float())
    return found
