"""Interface of backbones, the frozen networks that compute feature maps from canvases."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from freeloc.errors import ConfigurationError
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.nn.backbones.trainable_stages import PROJECTION

__all__ = ["Backbone", "BackboneLoader", "BackboneSplit", "FrozenStages", "Normalization", "fingerprint"]


class Normalization(nn.Module):
    """Normalizes canvases to the range of values on which a network was trained.

    Args:
        mean: mean per channel, in RGB values from 0 to 255.
        deviation: divisor per channel, in the same units.
    """

    def __init__(self, mean: tuple[float, float, float], deviation: tuple[float, float, float]) -> None:
        super().__init__()
        self.mean = mean
        self.deviation = deviation
        self.register_buffer("shift", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("factor", 1 / torch.tensor(deviation).view(1, 3, 1, 1), persistent=False)

    def forward(self, canvas: Tensor) -> Tensor:
        """Convert (N, H, W, 3) uint8 RGB to (N, 3, H, W) float32, centered on zero."""
        shift, factor = self.get_buffer("shift"), self.get_buffer("factor")
        return (canvas.permute(0, 3, 1, 2).to(torch.float32) - shift) * factor


class Backbone(nn.Module):
    """A frozen feature extractor.

    A backbone has two parts. The *body* reads neighboring pixels; its output, ``channels`` values per cell, is
    stored in the feature cache. The *projection* processes each cell separately and produces the ``width`` values
    per cell that the head reads. It is the network's last 1×1 convolution; if the network has none, it is the
    identity. Caching between the two parts keeps the cache small: 352 values per cell instead of 1280 for the
    default backbone.

    Attributes:
        name: the name under which `freeloc.nn.backbones.registry.load_backbone` loads it.
        layout: positions of the cells on a canvas.
        channels: number of values per cell after the body.
        width: number of values per cell after the projection.
        pad_color: RGB color of canvas padding, which normalizes to (nearly) zero.
        architecture: description of what distinguishes the network from others with the same name and the same
            shapes of weights; part of the fingerprint. Empty if there are no others.
        fingerprint: hash of the name and weights; part of every cache key and every model file.
        detail_channels: number of channels of the detail features (see `forward_with_detail`); 0 if the backbone
            has none.
        checks_conversion: whether the result of a conversion to OpenVINO is compared with torch, because the
            network may contain operations that tracing makes constant.
    """

    name: str
    architecture: str = ""
    detail_channels: int = 0
    checks_conversion: bool = False
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
            canvas: (N, H, W, 3) uint8 RGB; H and W are computed by ``layout.padded_side``.

        Returns:
            (N, channels, rows, cols) float32 features, before the projection.
        """
        features: Tensor = self.body(self.normalization(canvas))
        return features

    def forward_with_detail(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """Run normalization and body, and return the features of an earlier stage as well.

        Detail features have a whole number of positions per cell along each axis. They are too general to tell
        classes apart, but show where an object ends: boxes are drawn with them
        (`freeloc.inference.affinity`).

        Args:
            canvas: see `forward`.

        Returns:
            The result of `forward`, and (N, detail_channels, n · rows, n · cols) float32 detail features.

        Raises:
            NotImplementedError: ``detail_channels`` is 0.
        """
        raise NotImplementedError(self.name)

    def freeze(self) -> None:
        """Freeze all weights, and set ``fingerprint`` and ``pad_color``; every loader calls this last."""
        self.eval().requires_grad_(False)
        red, green, blue = (round(value) for value in self.normalization.mean)
        self.pad_color = (red, green, blue)
        self.fingerprint = fingerprint(self)

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages from which training can start, in order; by default only the projection."""
        return (PROJECTION,)

    def split_at(self, stage: str) -> BackboneSplit:
        """Split the backbone in two, so that everything from ``stage`` on can be trained.

        If the backbone has no projection, the stage "projection" has no weights to train.

        Raises:
            ConfigurationError: this backbone has no such stage.
        """
        if stage not in self.stages:
            raise ConfigurationError(
                f"backbone {self.name} has no stage {stage!r}: choose 'none' or one of {', '.join(self.stages)}",
                parameter="trainable_backbone",
            )
        if stage != PROJECTION:
            return self._split_at(stage)
        projection = copy.deepcopy(self.projection).requires_grad_(True)
        trained = {f"{PROJECTION}.{key}": value for key, value in projection.named_parameters()}
        return BackboneSplit(self, None, projection, trained)

    def _split_at(self, stage: str) -> BackboneSplit:
        raise NotImplementedError(stage)  # overridden by backbones with further stages

    def cached_size(self, grid: Grid) -> tuple[int, int]:
        """Return how many rows and columns of the feature map are cached, counted from the top left."""
        return grid.valid_rows, grid.valid_cols

    def with_weights(self, changes: Mapping[str, Tensor]) -> Backbone:
        """Return a frozen copy with some weights replaced and the fingerprint updated.

        Args:
            changes: tensors by their names in this backbone's state dict.

        Raises:
            ValueError: the backbone has no weight with this name and shape.
        """
        state = self.state_dict()
        for key, value in changes.items():
            if key not in state or state[key].shape != value.shape:
                raise ValueError(f"backbone {self.name} has no weight {key} of shape {tuple(value.shape)}")
        changed = copy.deepcopy(self)
        changed.load_state_dict(dict(changes), strict=False)
        changed.freeze()
        return changed


@dataclass(frozen=True, eq=False)
class BackboneSplit:
    """A backbone split in two before its first trained stage.

    Trained parts are copies, so the weights of the backbone itself do not change.

    Attributes:
        below: the part that stays frozen.
        above: the trained part of the body: (N, below.channels, …) maps → (N, backbone.channels, rows, cols). None
            if no part of the body is trained; ``below`` is then the backbone itself.
        projection: the backbone's projection; a trained copy unless the whole backbone stays frozen.
        trained: all trained weights, by their names in the backbone's state dict.
    """

    below: Backbone
    above: nn.Module | None
    projection: nn.Module
    trained: Mapping[str, nn.Parameter]


class FrozenStages(Backbone):
    """The first stages of a backbone, which can be compiled and cached like a complete backbone.

    They take the same canvases as the complete backbone. Their feature map has a higher resolution and is cached
    with its padding, because the stages that follow read neighboring values.

    Args:
        backbone: the complete backbone.
        stage: name of the first stage that is left out.
        body: the stages before ``stage``.
        channels: number of channels of the output of ``body``.
        subdivisions: number of output positions per cell of the backbone, along each axis.
    """

    def __init__(
        self, backbone: Backbone, stage: str, body: nn.Module, channels: int, subdivisions: int
    ) -> None:
        super().__init__()
        self.name = f"{backbone.name}-below-{stage}"
        self.layout = backbone.layout
        self.architecture = backbone.architecture
        self.normalization = backbone.normalization
        self.body = body
        self.projection = nn.Identity()
        self.channels = self.width = channels
        self.subdivisions = subdivisions
        self.freeze()

    def cached_size(self, grid: Grid) -> tuple[int, int]:
        """Return the number of rows and columns of the map, including padding."""
        return grid.rows * self.subdivisions, grid.cols * self.subdivisions


class BackboneLoader(Protocol):
    """Signature of functions that load backbones."""

    def __call__(self, name: str, weights: Path | None = None) -> Backbone:
        """Load a backbone.

        Args:
            name: the backbone's name in `freeloc.nn.backbones.registry.BACKBONES`; it becomes ``Backbone.name``.
            weights: a local weight file to use instead of the usual source.

        Returns:
            The backbone, on which `Backbone.freeze` has been called.
        """
        ...


def fingerprint(backbone: Backbone) -> str:
    """Return the SHA-256 of a backbone's name, layout, architecture and weights, as hexadecimal digits."""
    normalization = backbone.normalization
    identity = f"{backbone.name} {backbone.layout} {normalization.mean} {normalization.deviation}"
    if backbone.architecture:
        identity += f" {backbone.architecture}"
    digest = hashlib.sha256(identity.encode())
    for key, tensor in sorted(backbone.state_dict().items()):
        if not key.endswith("num_batches_tracked"):
            digest.update(key.encode() + str(tuple(tensor.shape)).encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
