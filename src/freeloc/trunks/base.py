"""What every trunk is: a frozen network from canvases to a feature map, and its cell layout."""

from __future__ import annotations

import hashlib
from typing import Protocol

import torch
from torch import Tensor, nn

from freeloc.geometry import CellLayout

__all__ = ["Normalization", "Trunk", "TrunkLoader", "fingerprint"]


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


class Trunk(nn.Module):
    """A frozen feature extractor.

    A trunk has two parts. The *body* needs neighbouring pixels; its output, ``channels`` values per cell, is
    what the feature cache keeps. The *projection* works cell by cell (the network's own last 1×1 convolution,
    where it has one) and widens a cell to the ``width`` values the head reads. Splitting there keeps the cache
    small: 352 numbers a cell instead of 1280 for the default trunk.

    Attributes:
        name: as given to ``load_trunk``.
        layout: where the cells lie on a canvas.
        channels: values per cell after the body.
        width: values per cell after the projection.
        fill: RGB colour of canvas padding: the one that normalises to (nearly) zero.
        fingerprint: hash of name and weights; part of every cache key and of every model file.
    """

    name: str
    layout: CellLayout
    channels: int
    width: int
    fill: tuple[int, int, int]
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
        """Fix all weights and finish ``fingerprint`` and ``fill``; trunks call it once when built."""
        self.eval().requires_grad_(False)
        red, green, blue = (round(value) for value in self.normalization.mean)
        self.fill = (red, green, blue)
        self.fingerprint = fingerprint(self)


class TrunkLoader(Protocol):
    """Builds a trunk; ``weights`` is a local file that stands in for the usual source."""

    def __call__(self, name: str, weights: str | None = None) -> Trunk:
        """Build the trunk called ``name``."""
        ...


def fingerprint(trunk: Trunk) -> str:
    """SHA-256 over a trunk's name, layout and weights, as hexadecimal digits."""
    normalization = trunk.normalization
    identity = f"{trunk.name} {trunk.layout} {normalization.mean} {normalization.deviation}"
    digest = hashlib.sha256(identity.encode())
    for key, tensor in sorted(trunk.state_dict().items()):
        if not key.endswith("num_batches_tracked"):
            digest.update(key.encode() + str(tuple(tensor.shape)).encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
