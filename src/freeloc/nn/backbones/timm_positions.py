"""Position embeddings of timm networks in operations that tracing records for canvases of any shape.

timm resamples learned grids of positions with operations on the canvas's shape, which tracing records. But the
rotary positions of DINOv3 are divided by the sides of the grid as Python numbers, which tracing turns into
constants: a graph traced on one canvas would use its positions on all others.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["make_positions_traceable"]


def make_positions_traceable(network: nn.Module) -> None:
    """Replace the rotary positions of a network in place, if tracing would make them constant."""
    rope: Any = getattr(network, "rope", None)
    if (
        type(rope).__name__ == "RotaryEmbeddingDinoV3"
        and (rope.grid_indexing, rope.normalize_coords) == ("ij", "separate")  # as in all networks of timm
    ):
        network.rope = _NormalizedPositions(rope)


class _NormalizedPositions(nn.Module):
    """Rotary positions from −1 to 1 along each axis of a grid of any shape.

    Args:
        rope: timm's module, which has no weights, only the periods of the rotations.
    """

    def __init__(self, rope: Any) -> None:
        super().__init__()
        self.rope = rope

    def get_embed(self, shape: Any, dtype: torch.dtype | None = None) -> Tensor:
        """Return (rows · cols, 2 · channels) sines and cosines, as timm's module does.

        Args:
            shape: number of rows and columns, which are tensors while tracing.
            dtype: type of the result; None for float32.
        """
        axes = [
            (torch.arange(side, dtype=torch.float32) + 0.5 + self.rope.grid_offset) / side for side in shape
        ]
        grid = torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1).flatten(0, 1)
        sines, cosines = self.rope._get_pos_embed_from_coords(2 * grid - 1)  # noqa: SLF001
        embedding = torch.cat((sines, cosines), dim=-1)
        return embedding if dtype is None else embedding.to(dtype)
