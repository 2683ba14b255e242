"""Measure where on the canvas the cells of a network's feature map are centered.

The center of cell (0, 0) depends on the network. With stride-2 convolutions and symmetric padding (ResNet), it is
on the first pixel of the canvas; with patches (vision transformers, ConvNeXt, Swin), it is at ``stride / 2``; and
with TensorFlow's padding, it is near the last of the first ``stride`` pixels. Always assuming ``stride / 2`` would
be wrong by up to half a cell, so the center is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["measure_cell_center"]

_STRIP_CELLS: Final = (16, 32, 64, 96, 192)
"""Lengths, in cells, of the strips for measuring receptive fields; tried in order until one is long enough."""

_MOSTLY_CLEAN: Final = 0.5
"""A layer is global if its output is NaN everywhere although less than this fraction of its input is NaN."""


def measure_cell_center(body: nn.Module, stride: int) -> float | None:
    """Return the canvas position of the center of cell (0, 0): the middle of the pixels that the cell reads.

    NaN spreads through a network exactly as far as its layers read, whatever the weights. The columns at one end
    of a strip are set to NaN; the cells that remain finite reveal, to the pixel, where the receptive field of each
    cell starts, and the mirrored strip reveals where it ends. Layers that read the whole map (squeeze and
    excitation, attention) are skipped during the measurement, because they read all positions equally.

    Args:
        body: (1, 3, H, W) image → (1, C, H / stride, W / stride) map.
        stride: pixels per cell.

    Returns:
        Distance from the edge of the canvas in pixels, or None if the sizes of the receptive fields differ between
        cells (windowed attention) or are too large to measure.
    """
    if any(hasattr(module, "window_size") for module in body.modules()):
        return None
    with torch.no_grad(), _skip_global_layers(body):
        for cells in _STRIP_CELLS:
            begin = _edge(body, stride, cells, mirrored=False)
            end = None if begin is None else _edge(body, stride, cells, mirrored=True)
            if begin is not None and end is not None:
                return (begin + stride - end) / 2
    return None


def _edge(body: nn.Module, stride: int, cells: int, *, mirrored: bool) -> int | None:
    """Return the first column that cell 0 reads, on a strip of ``cells`` cells; None if the strip is too short.

    If all receptive fields have the same size, NaN in the first x columns reaches ``ceil((x − edge) / stride)``
    cells.
    """
    base = _nan_cells(body, stride, cells, stride, mirrored=mirrored)
    if base is None or base + 2 >= cells:
        return None
    for step in (1, 2):
        if _nan_cells(body, stride, cells, (1 + step) * stride, mirrored=mirrored) != base + step:
            return None
    low, high = stride, 2 * stride  # NaN in `low` columns reaches `base` cells, in `high` columns one more
    while high - low > 1:
        middle = (low + high) // 2
        if _nan_cells(body, stride, cells, middle, mirrored=mirrored) == base:
            low = middle
        else:
            high = middle
    return high - 1 - stride * base


def _nan_cells(body: nn.Module, stride: int, cells: int, columns: int, *, mirrored: bool) -> int | None:
    """Return how many leading cells read the first ``columns`` pixels of a strip; None if other cells do too."""
    strip = torch.zeros(1, 3, stride, cells * stride)
    strip[..., :columns] = torch.nan
    features: Tensor = body(strip.flip(3) if mirrored else strip)
    reached = features.isnan().any(dim=1).flatten()
    if mirrored:
        reached = reached.flip(0)
    count = int(reached.sum())
    return count if bool(reached[:count].all()) else None


@contextmanager
def _skip_global_layers(body: nn.Module) -> Iterator[None]:
    """Replace the output of every global layer (see `_MOSTLY_CLEAN`) with its input."""

    def skip(_module: nn.Module, inputs: tuple[object, ...], output: object) -> Tensor | None:
        first = inputs[0] if inputs else None
        if not isinstance(first, Tensor) or not isinstance(output, Tensor) or first.shape != output.shape:
            return None
        spreads = bool(output.isnan().all()) and float(first.isnan().float().mean()) < _MOSTLY_CLEAN
        return first if spreads else None

    handles = [module.register_forward_hook(skip) for module in body.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
