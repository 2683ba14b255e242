"""Check that an OpenVINO graph computes the same features as the network in torch from which it was traced.

Tracing records what happens to one canvas. A network that computes with the canvas's sides as Python numbers would
have those of that canvas on all others. The check therefore uses a canvas of another shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from freeloc._typing import Float32Array
from freeloc.errors import ModelError
from freeloc.runtime.openvino_backend import OpenVinoNetwork

if TYPE_CHECKING:
    from torch import nn

    from freeloc.nn.backbones.base import Backbone

__all__ = ["check_conversion"]

_CELLS: Final = (3, 5)
"""Rows and columns of cells on the canvas."""

_TOLERANCE: Final = 2e-4
"""Maximum difference relative to the features, as a ratio of their norms. The conversion of convolutional networks
and vision transformers changes them by less than 5e-6."""


def check_conversion(module: nn.Module, graph: Any, backbone: Backbone) -> None:
    """Check that a graph and the module from which it was traced have equal outputs.

    Args:
        module: reads a (1, H, W, 3) uint8 canvas, and returns a tensor or a tuple of tensors.
        graph: the OpenVINO graph.
        backbone: the backbone, which determines the sides of the canvas and is named in the error.

    Raises:
        ModelError: an output differs.
    """
    import torch

    height, width = (cells * backbone.layout.stride for cells in _CELLS)
    canvas = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    with torch.no_grad():
        outputs = module(torch.from_numpy(canvas)[None])
    expected = outputs if isinstance(outputs, tuple) else (outputs,)
    found = OpenVinoNetwork(graph, "float32", streams=1).run(canvas)
    for reference, values in zip(expected, found, strict=True):
        wanted = reference[0].numpy()
        if values.shape != wanted.shape or not _close(values, wanted):
            raise ModelError(
                f"OpenVINO computes other features of backbone {backbone.name} than torch: use the runtime torch",
                parameter="runtime",
            )


def _close(values: Float32Array, wanted: Float32Array) -> bool:
    return bool(np.linalg.norm(values - wanted) <= _TOLERANCE * np.linalg.norm(wanted))
