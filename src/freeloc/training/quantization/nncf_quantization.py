"""Create int8 networks with NNCF, from a float network and the canvases of a few images.

The weights are rounded first (`freeloc.training.quantization.weight_rounding`). NNCF then measures the range of
the inputs of every convolution on the canvases, and quantizes inputs and weights to eight bits. It is an optional
dependency (extra ``int8``); running an int8 network does not require it (`freeloc.runtime.int8`).
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from torch import nn

from freeloc.errors import MissingDependencyError
from freeloc.io.limits import check_resources
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.torchscript import silence_torchscript
from freeloc.runtime import AppendedModule, QuantizedGraph
from freeloc.runtime.float32_stem import stem_layers
from freeloc.runtime.graph_bytes import graph_bytes
from freeloc.runtime.openvino_conversion import append_graph, convert_appended, convert_backbone
from freeloc.runtime.openvino_import import load_openvino, without_telemetry
from freeloc.runtime.protocol import Canvas
from freeloc.training.quantization.weight_rounding import round_weights

__all__ = ["QuantizationCanvases", "quantize_network"]

_ROUNDING_CANVASES: Final = 48
"""Number of canvases on which the weights are rounded. More reduce the error of the maps only a little."""

_TRANSFORMER_LAYERS: Final = {"ScaledDotProductAttention", "Softmax", "MVN"}
"""Attention and layer normalization, as operations of OpenVINO."""


class QuantizationCanvases(Protocol):
    """Canvases for quantization calibration, like those of prediction; NNCF iterates over them repeatedly."""

    def __len__(self) -> int:
        """Return the number of canvases."""
        ...

    def __iter__(self) -> Iterator[Canvas]:
        """Yield the canvases."""
        ...

    def first(self, count: int, purpose: str) -> Iterable[Canvas]:
        """Return the first canvases, which represent all of them; progress says what for."""
        ...


def quantize_network(
    backbone: Backbone, layers: nn.Module, readout: AppendedModule, canvases: QuantizationCanvases
) -> QuantizedGraph:
    """Create an int8 network from a backbone and the layers that follow it.

    If the backbone has detail features, they are the last output.

    Args:
        backbone: the frozen backbone.
        layers: the layers with weights that follow the backbone and map its features to one tensor.
        readout: the module without weights that follows the layers. It stays in floating point, because eight bits
            would make its sums inexact without saving time.
        canvases: canvases on which NNCF measures value ranges.

    Raises:
        MissingDependencyError: NNCF or OpenVINO cannot be imported.
        OutputError: OpenVINO cannot write temporary files.
    """
    nncf = _load_nncf()
    rounded, rounded_layers = round_weights(
        backbone, layers, canvases.first(_ROUNDING_CANVASES, "rounding weights")
    )
    body = convert_backbone(rounded)
    # The errors of the first convolution affect all other layers; see `freeloc.runtime.float32_stem`.
    in_float32 = stem_layers(body, convolutions=1)
    with _only_errors_logged():
        # If NNCF was imported before, its function reports every call. The function that it wraps does not.
        quantized = inspect.unwrap(nncf.quantize)(
            append_graph(body, convert_appended(rounded_layers, backbone.channels, ())),
            nncf.Dataset(canvases, lambda canvas: [canvas[None]]),
            preset=nncf.QuantizationPreset.MIXED,  # without a ReLU, values are distributed around zero
            model_type=nncf.ModelType.TRANSFORMER if _is_transformer(body) else None,
            subset_size=len(canvases),
            ignored_scope=nncf.IgnoredScope(names=in_float32) if in_float32 else None,
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                # Int8 networks run only on processors whose sums do not overflow, and correcting the biases gains
                # nothing after the weights were rounded.
                overflow_fix=nncf.OverflowFix.DISABLE,
                disable_bias_correction=True,
            ),
        )
    width = quantized.get_results()[0].get_output_partial_shape(0)[1].get_length()
    graph = append_graph(quantized, convert_appended(readout.module, width, readout.extra_input_dims))
    # OpenVINO names nodes with a process-wide counter. Names based on the position in the graph make the files
    # identical for identical canvases.
    for position, node in enumerate(graph.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{position}")
    for position, output in enumerate(graph.outputs):
        output.get_tensor().set_names({f"output_{position}"})
    return QuantizedGraph(*graph_bytes(graph))


def _is_transformer(graph: Any) -> bool:
    """Return whether a graph has the layers of transformers, whose inputs must not all be rounded to eight bits.

    NNCF leaves the products of attention in floating point, and moves outliers of activations to the weights. With
    random weights, this reduces the error of the features of a vision transformer (DINOv2 small, with registers)
    from 5.3% to 0.7%, and that of a ConvNeXt V2 nano from 6.8% to 4.5%.
    """
    return any(node.get_type_name() in _TRANSFORMER_LAYERS for node in graph.get_ops())


def _load_nncf() -> Any:
    load_openvino()
    logger_class = logging.getLoggerClass()
    try:
        with without_telemetry("nncf"), silence_torchscript():
            import nncf
    except ImportError as error:
        check_resources(error)
        raise MissingDependencyError(
            f"quantization requires NNCF, which cannot be imported ({error}): run pip install 'freeloc[int8]'",
            extra="int8",
        ) from error
    finally:
        logging.setLoggerClass(logger_class)  # NNCF sets its own class for the loggers of all packages
    return nncf


@contextmanager
def _only_errors_logged() -> Iterator[None]:
    """Keep NNCF from describing each step.

    Its own ``set_log_level`` also changes the handlers of the caller that are attached to its logger.
    """
    logger = logging.getLogger("nncf")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
