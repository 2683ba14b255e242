"""What every backbone is: a frozen network from canvases to a feature map, and its cell layout."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.nn.backbones.trainable_stages import PROJECTION

__all__ = ["Backbone", "BackboneLoader", "BackboneSplit", "FrozenStages", "Normalization", "fingerprint"]


class Normalization(nn.Module):
    """Turns canvases into what a network was trained on.

    Args:
        mean: per-channel mean in RGB values 0–255.
        deviation: per-channel divisor, in the same units.
    """

    def __init__(self, mean: tuple[float, float, float], deviation: tuple[float, float, float]) -> None:
        super().__init__()
        self.mean = mean
        self.deviation = deviation
        self.register_buffer("shift", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("factor", 1 / torch.tensor(deviation).view(1, 3, 1, 1), persistent=False)

    def forward(self, canvas: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 RGB → (N, 3, H, W) float32, zero-centred."""
        shift, factor = self.get_buffer("shift"), self.get_buffer("factor")
        return (canvas.permute(0, 3, 1, 2).to(torch.float32) - shift) * factor


class Backbone(nn.Module):
    """A frozen feature extractor.

    A backbone has two parts. The *body* needs neighbouring pixels; its output, ``channels`` values per cell, is
    what the feature cache keeps. The *projection* works cell by cell (the network's own last 1×1 convolution,
    where it has one) and widens a cell to the ``width`` values the head reads. Splitting there keeps the cache
    small: 352 numbers a cell instead of 1280 for the default backbone.

    Attributes:
        name: as given to ``load_backbone``.
        layout: where the cells lie on a canvas.
        channels: values per cell after the body.
        width: values per cell after the projection.
        pad_color: RGB colour of canvas padding: the one that normalises to (nearly) zero.
        fingerprint: hash of name and weights; part of every cache key and of every model file.
    """

    name: str
    layout: CellLayout
    channels: int
    width: int
    pad_color: tuple[int, int, int]
    fingerprint: str
    normalization: Normalization
    body: nn.Module
    projection: nn.Module

    def forward(self, canvas: Tensor) -> Tensor:
        """Run normalization and body.

        Args:
            canvas: (N, H, W, 3) uint8 RGB; H and W as ``layout.padded_side`` gives them.

        Returns:
            (N, channels, rows, cols) float32 features, before the projection.
        """
        features: Tensor = self.body(self.normalization(canvas))
        return features

    def freeze(self) -> None:
        """Fix all weights and finish ``fingerprint`` and ``pad_color``; backbones call it once when built."""
        self.eval().requires_grad_(False)
        red, green, blue = (round(value) for value in self.normalization.mean)
        self.pad_color = (red, green, blue)
        self.fingerprint = fingerprint(self)

    @property
    def stages(self) -> tuple[str, ...]:
        """What `divided` can cut before, the largest part first; most backbones know the projection alone."""
        return (PROJECTION,)

    def split_at(self, stage: str) -> BackboneSplit:
        """Cut the backbone in two, so that everything from ``stage`` on can be trained.

        Where a backbone does without a projection, nothing is trained from "projection" on.

        Raises:
            FreelocError: this backbone has no such stage.
        """
        if stage not in self.stages:
            raise FreelocError(
                f"--trainable-backbone {stage} is no stage of {self.name}: choose none or one of "
                f"{', '.join(self.stages)}"
            )
        if stage != PROJECTION:
            return self._split_at(stage)
        projection = copy.deepcopy(self.projection).requires_grad_(True)
        trained = {f"{PROJECTION}.{key}": value for key, value in projection.named_parameters()}
        return BackboneSplit(self, None, projection, trained)

    def _split_at(self, stage: str) -> BackboneSplit:
        raise NotImplementedError(stage)  # backbones that state further stages cut themselves

    def cached_size(self, grid: Grid) -> tuple[int, int]:
        """Rows and columns of the map, from its top left, that are worth keeping."""
        return grid.valid_rows, grid.valid_cols

    def with_weights(self, changes: Mapping[str, Tensor]) -> Backbone:
        """A frozen copy with some weights replaced, and the fingerprint that belongs to them.

        Args:
            changes: tensors under the names of this backbone's state dict.

        Raises:
            ValueError: there is no weight of such a name and shape.
        """
        own = self.state_dict()
        for key, value in changes.items():
            if key not in own or own[key].shape != value.shape:
                raise ValueError(f"backbone {self.name} has no weight {key} of shape {tuple(value.shape)}")
        changed = copy.deepcopy(self)
        changed.load_state_dict(dict(changes), strict=False)
        changed.freeze()
        return changed


@dataclass(frozen=True, eq=False)
class BackboneSplit:
    """A backbone cut in two before its first trained part.

    What is trained is a copy: the backbone itself keeps its weights.

    Attributes:
        below: what stays fixed.
        above: what is trained of the body: (N, below.channels, …) maps → (N, backbone.channels, rows, cols). None
            where nothing of it is, and ``below`` is the backbone itself.
        projection: the backbone's projection, trained as well.
        trained: all weights that are trained, by their names in the backbone's state dict.
    """

    below: Backbone
    above: nn.Module | None
    projection: nn.Module
    trained: Mapping[str, nn.Parameter]


class FrozenStages(Backbone):
    """The first part of a backbone, as a backbone: to be compiled and cached like a whole one.

    Canvases are those of the whole backbone. The map is finer than its cells, and it is kept with its padding, for
    what follows reads neighbouring values.

    Args:
        backbone: the whole.
        stage: the name of the part that follows.
        body: what comes before it.
        channels: values per place that ``body`` gives.
        finer: places of ``body``'s map per cell of the backbone, along each axis.
    """

    def __init__(self, backbone: Backbone, stage: str, body: nn.Module, channels: int, finer: int) -> None:
        super().__init__()
        self.name = f"{backbone.name}-below-{stage}"
        self.layout = backbone.layout
        self.normalization = backbone.normalization
        self.body = body
        self.projection = nn.Identity()
        self.channels = self.width = channels
        self.finer = finer
        self.freeze()

    def cached_size(self, grid: Grid) -> tuple[int, int]:
        """Rows and columns of the whole map."""
        return grid.rows * self.finer, grid.cols * self.finer


class BackboneLoader(Protocol):
    """Builds a backbone; ``weights`` is a local file that stands in for the usual source."""

    def __call__(self, name: str, weights: str | None = None) -> Backbone:
        """Build the backbone called ``name``."""
        ...


def fingerprint(backbone: Backbone) -> str:
    """SHA-256 over a backbone's name, layout and weights, as hexadecimal digits."""
    normalization = backbone.normalization
    identity = f"{backbone.name} {backbone.layout} {normalization.mean} {normalization.deviation}"
    digest = hashlib.sha256(identity.encode())
    for key, tensor in sorted(backbone.state_dict().items()):
        if not key.endswith("num_batches_tracked"):
            digest.update(key.encode() + str(tuple(tensor.shape)).encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
