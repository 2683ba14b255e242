"""Fine-tune the last stages of the backbone together with the head.

The earlier stages stay frozen, so their maps are cached or computed by the fast runtime, like the features of a
fully frozen backbone. The trained stages combine neighboring values, so they process whole maps. They run in
torch, which computes their gradients. `freeloc.training.step` computes the loss of the resulting cells. Batch
normalization keeps its pretrained statistics.

The gradient of a mini-batch is a sum over its images, so the images need not be processed together. On a GPU, a
mini-batch is processed as a whole; on a CPU, it is divided into portions to limit memory use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from freeloc.features.arrays import Cells, FeatureMap
from freeloc.features.batching import group_positions, in_groups
from freeloc.features.sources import FeatureSource, MappedSource
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.runtime.tf32 import disable_tf32
from freeloc.training.depthwise_gradients import use_fast_gradients
from freeloc.training.device import autocast, deterministic, to_device
from freeloc.training.step import HeadTrainStep

__all__ = ["StageInput", "StageTrainStep", "stage_features", "stage_inputs"]

_MAX_VALUES = 2**22
"""Maximum number of map values processed at once on a CPU. For late stages, the limit admits a whole mini-batch of
maps; processing these maps one by one would take twice as long. For the first stage, it admits only a single map,
whose backward pass already requires a gigabyte of memory."""


@dataclass(frozen=True, eq=False)
class StageInput:
    """Input of the trained stages for one image.

    Attributes:
        values: (rows, columns, channels) map of the whole canvas.
        valid: numbers of rows and columns of the output map that lie on the image.
    """

    values: FeatureMap
    valid: tuple[int, int]


def stage_inputs(
    maps: FeatureSource[FeatureMap], sizes: Sequence[Size], layout: CellLayout, pyramid: Pyramid
) -> FeatureSource[StageInput]:
    """Return a source of inputs for the trained stages.

    Args:
        maps: maps of the frozen stages, for N images.
        sizes: sizes of the images.
        layout: cell layout of the complete backbone.
        pyramid: how canvases are made; its scales do not matter.
    """

    def add_valid_size(index: int, scale: float, values: FeatureMap) -> StageInput:
        grid = pyramid.grid(sizes[index], scale, layout)
        return StageInput(values, (grid.valid_rows, grid.valid_cols))

    return MappedSource(maps, add_valid_size)


def stage_features(
    inputs: FeatureSource[StageInput], stages: nn.Module, *, use_bfloat16: bool, device: torch.device
) -> FeatureSource[Cells]:
    """Return a source of the features that the trained stages compute with their current weights.

    Args:
        inputs: inputs of the stages.
        stages: the trained stages; they are moved to the device.
        use_bfloat16: whether to compute in bfloat16.
        device: device to compute on.
    """
    stages = _prepare(stages, device)

    def compute(_index: int, _scale: float, item: StageInput) -> Cells:
        with torch.no_grad(), disable_tf32(device, enabled=not use_bfloat16):
            (cells,) = _run(stages, [item], device, use_bfloat16=use_bfloat16)
        features: Cells = cells.half().cpu().numpy()
        return features

    return MappedSource(inputs, compute)


class StageTrainStep:
    """Computes a recipe's loss for mini-batches of maps; implements `freeloc.training.trainer.TrainStep`.

    Args:
        stages: the trained stages of the backbone, except the projection; they are moved to the device.
        head_step: step that computes the loss of cells; it includes the trained projection.
        use_bfloat16: whether to compute in bfloat16; weights and their gradients stay float32.
        device: device to compute on.
        max_values: maximum number of map values processed at once; a single map may exceed it. None selects a
            suitable number for the device.
    """

    def __init__(
        self,
        stages: nn.Module,
        head_step: HeadTrainStep,
        *,
        use_bfloat16: bool,
        device: torch.device,
        max_values: int | None = None,
    ) -> None:
        self._stages = _prepare(stages, device)
        self._head_step = head_step
        self._use_bfloat16 = use_bfloat16
        self._device = device
        self._max_values = max_values or (_MAX_VALUES if device.type == "cpu" else sys.maxsize)

    def backward(self, items: Sequence[StageInput], labels: Tensor, generator: torch.Generator) -> Tensor:
        """Add the gradient of a mini-batch's loss to the weights' gradients, and return the detached loss.

        Args:
            items: inputs of N images.
            labels: (N, K) labels: −1, 0 or +1.
            generator: source of random numbers for dropout and for drawing cells.
        """
        total = torch.zeros((), device=self._device)
        with deterministic(), disable_tf32(self._device, enabled=not self._use_bfloat16):
            for portion in self._portions(items):
                cells = self._compute([items[index] for index in portion])
                used = [self._draw(part, generator) for part in cells]
                counts = [len(part) for part in used]
                loss = self._head_step.loss_of_cells(torch.cat(used), counts, labels[portion], generator)
                # The loss of a portion is the mean over its images, so it is weighted by their number.
                weighted = loss * (len(portion) / len(items))
                weighted.backward()
                total += weighted.detach()
        return total

    def _compute(self, items: Sequence[StageInput]) -> list[Tensor]:
        """Return the cells of each image; maps of equal shape are processed in one batch."""
        return in_groups(
            lambda group: _run(self._stages, group, self._device, use_bfloat16=self._use_bfloat16),
            items,
            key=lambda item: item.values.shape,
        )

    def _draw(self, cells: Tensor, generator: torch.Generator) -> Tensor:
        drawn = self._head_step.draw_cells(len(cells), generator)
        return cells if drawn is None else cells[drawn]

    def _portions(self, items: Sequence[StageInput]) -> list[list[int]]:
        """Divide the images into portions to process at once; images of equal shape are adjacent."""
        portions: list[list[int]] = []
        space = 0
        for group in group_positions(item.values.shape for item in items):
            for index in group:
                size = items[index].values.size
                if size > space:
                    portions.append([])
                    space = self._max_values
                portions[-1].append(index)
                space -= size
        return portions


def _prepare(stages: nn.Module, device: torch.device) -> nn.Module:
    use_fast_gradients(stages)
    # Maps are stored with the channels of each position adjacent, which is the channels_last memory format. With
    # weights in the same format, the maps need not be copied.
    return stages.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _run(
    stages: nn.Module, items: Sequence[StageInput], device: torch.device, *, use_bfloat16: bool
) -> list[Tensor]:
    """Return the (M, channels) float32 valid cells of each image; all maps must have the same shape."""
    inputs = to_device(np.stack([item.values for item in items]), device).permute(0, 3, 1, 2)
    with autocast(device, enabled=use_bfloat16):
        outputs = stages(inputs.float())
    cells = []
    for output, (rows, cols) in zip(outputs, (item.valid for item in items), strict=True):
        cells.append(output[:, :rows, :cols].flatten(1).T.float())
    return cells
