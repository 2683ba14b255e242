"""Convert torch modules to OpenVINO graphs, and join graphs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from freeloc.nn.torchscript import silence_torchscript
from freeloc.runtime.openvino_import import load_openvino, openvino_errors

if TYPE_CHECKING:
    from torch import nn

    from freeloc.nn.backbones.base import Backbone

__all__ = ["append_graph", "convert_appended", "convert_backbone", "features_only"]


def convert_backbone(backbone: Backbone) -> Any:
    """Convert a backbone's normalization and body to an OpenVINO graph for canvases of any size.

    The outputs are the features and, if the backbone has any, the detail features.

    Raises:
        ModelError: OpenVINO or torch cannot convert the backbone, or the graph computes other features than torch.
    """
    import torch

    from freeloc.runtime.conversion_check import check_conversion
    from freeloc.runtime.detail import WithDetail

    side = backbone.layout.window or 2 * backbone.layout.stride
    module = WithDetail(backbone) if backbone.detail_channels else backbone
    graph = _convert(module, [torch.zeros(1, side, side, 3, dtype=torch.uint8)], [[1, -1, -1, 3]])
    if backbone.checks_conversion:
        check_conversion(module, graph, backbone)
    return graph


def features_only(graph: Any) -> Any:
    """Return the graph of a backbone with the features as its only output."""
    if len(graph.get_results()) == 1:
        return graph
    openvino = load_openvino()
    return openvino.Model(graph.get_results()[:1], graph.get_parameters(), graph.get_friendly_name())


def convert_appended(module: nn.Module, channels: int, extra_input_dims: Sequence[int]) -> Any:
    """Convert a module that reads feature maps of any size to an OpenVINO graph.

    Args:
        module: the module to convert.
        channels: number of channels of its first input, (1, channels, rows, cols) features.
        extra_input_dims: number of dimensions of each extra input.
    """
    import torch

    examples = [torch.zeros(1, channels, 2, 2), *(torch.zeros([2] * dims) for dims in extra_input_dims)]
    shapes = [[1, channels, -1, -1], *([-1] * dims for dims in extra_input_dims)]
    return _convert(module, examples, shapes)


def append_graph(graph: Any, appended: Any) -> Any:
    """Join two graphs into one, so that intermediate values never leave the runtime.

    Args:
        graph: the first graph, whose first output becomes the first input of ``appended``. Its other outputs
            follow those of ``appended``.
        appended: the graph that follows; its other inputs become inputs of the result.
    """
    openvino = load_openvino()
    features, *others = appended.get_parameters()
    source = graph.get_results()[0].input_value(0)
    for target in features.output(0).get_target_inputs():
        target.replace_source_output(source)
    results = [*appended.get_results(), *graph.get_results()[1:]]
    return openvino.Model(results, [*graph.get_parameters(), *others], "freeloc")


@openvino_errors("convert the network")
def _convert(module: nn.Module, examples: Sequence[Any], shapes: Sequence[list[int]]) -> Any:
    """Trace a module with example inputs; −1 in a shape makes an axis dynamic.

    These are the steps of ``openvino.convert_model``, except that nothing is reported: that function sends usage
    statistics over the network and writes to ``~/intel``, and has no argument to prevent this.

    Raises:
        ModelError: OpenVINO or torch cannot convert the module.
    """
    openvino = load_openvino()
    from openvino._offline_transformations import (
        apply_fused_names_cleanup,
        apply_moc_transformations,
        compress_quantize_weights_transformation,
    )
    from openvino.frontend import FrontEndManager

    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = _trace(module.eval(), examples)  # the frontend keeps no reference to it
    traced = frontend.load(decoder, True)
    for place, shape in zip(traced.get_inputs(), shapes, strict=True):
        traced.set_partial_shape(place, openvino.PartialShape(shape))
    graph = frontend.convert(traced)
    apply_moc_transformations(graph, cf=False, smart_reshape=True)
    compress_quantize_weights_transformation(graph)
    apply_fused_names_cleanup(graph)
    return graph


def _trace(module: nn.Module, examples: Sequence[Any]) -> Any:
    """Trace a module with torch.jit, silently.

    Its successor, torch.export, leads to a graph with identical results, but takes more than twice as long (14 s
    instead of 6 s for EfficientNet-Lite2), makes the batch axis dynamic, and lets OpenVINO 2026.4 print a warning
    about an operation.
    """
    import torch
    from torch.jit._trace import TracerWarning

    with torch.no_grad(), silence_torchscript():
        # torch warns of Python numbers in networks of timm, whose graphs are compared with torch instead.
        warnings.filterwarnings("ignore", category=TracerWarning)
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        return TorchScriptPythonDecoder(module, example_input=tuple(examples))
