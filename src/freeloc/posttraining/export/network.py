"""Convert the network of a model, from canvas to raw scores, to ONNX."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim

from freeloc._log import get_logger
from freeloc.errors import BackboneError
from freeloc.io.library_warnings import silence_warnings
from freeloc.io.limits import check_resources
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.head import AdaptationHead
from freeloc.posttraining.export.graph import OPSET

__all__ = ["convert_network"]

_log = get_logger(__name__)


class _RawScores(nn.Module):
    """A backbone and its head."""

    def __init__(self, backbone: Backbone, head: AdaptationHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, canvas: Tensor) -> Tensor:
        scores: Tensor = self.head(self.backbone.projection(self.backbone(canvas)))
        return scores


def convert_network(backbone: Backbone, head: AdaptationHead) -> onnx.ModelProto:
    """Convert a backbone and its head to a network for canvases of any size.

    Returns:
        The network, with one input, the (1, H, W, 3) float32 RGB canvas with values from 0 to 255, and one output,
        the (1, K, rows, cols) float32 raw scores.

    Raises:
        BackboneError: torch cannot convert the network.
    """
    layout = backbone.layout
    # Without internal padding, the smallest canvas has one window; otherwise, it has one cell.
    margin = 0 if layout.window is None else layout.window - layout.stride
    rows, cols = (Dim(name, min=1, max=10_000) * layout.stride + margin for name in ("rows", "cols"))
    canvas = torch.zeros(1, 2 * layout.stride + margin, 3 * layout.stride + margin, 3)
    network = _RawScores(backbone, head).eval()
    try:
        with _silent_exporter(), torch.no_grad():
            program = torch.onnx.export(
                network,
                (canvas,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["canvas"],
                output_names=["raw_scores"],
                dynamic_shapes=({1: rows, 2: cols},),
                verbose=False,
            )
    except Exception as error:  # torch raises errors of many kinds, also for operators that ONNX lacks
        check_resources(error)
        _log.debug("torch: %s", error)
        raise BackboneError(
            f"torch {torch.__version__} cannot convert backbone {backbone.name} to ONNX: models with this "
            "backbone run in freeloc only; train one with a built-in backbone, such as efficientnet_lite2",
            parameter="model",
        ) from error
    if program is None:
        raise TypeError("torch.onnx.export returned no program")
    converted: onnx.ModelProto = program.model_proto
    return converted


@contextmanager
def _silent_exporter() -> Iterator[None]:
    """Hide what torch prints and logs while it converts a network; none of it is for users of freeloc."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with silence_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
