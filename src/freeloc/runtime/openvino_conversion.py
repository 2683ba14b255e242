"""Convert torch modules to OpenVINO graphs, and join graphs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from freeloc.runtime.openvino_import import load_openvino

if TYPE_CHECKING:
    from torch import nn

    from freeloc.nn.backbones.base import Backbone

__all__ = ["append_graph", "convert_appended", "convert_backbone"]


def convert_backbone(backbone: Backbone) -> Any:
    """Convert a backbone's normalization and body to an OpenVINO graph for canvases of any size."""
    import torch

    side = backbone.layout.window or 2 * backbone.layout.stride
    return _convert(backbone, [torch.zeros(1, side, side, 3, dtype=torch.uint8)], [[1, -1, -1, 3]])


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
        graph: the first graph, whose only output becomes the first input of ``appended``.
        appended: the graph that follows; its other inputs become inputs of the result.
    """
    openvino = load_openvino()
    features, *others = appended.get_parameters()
    source = graph.get_results()[0].input_value(0)
    for target in features.output(0).get_target_inputs():
        target.replace_source_output(source)
    return openvino.Model(appended.get_results(), [*graph.get_parameters(), *others], "freeloc")


def _convert(module: nn.Module, examples: Sequence[Any], shapes: Sequence[list[int]]) -> Any:
    """Trace a module with example inputs; −1 in a shape makes an axis dynamic."""
    import torch

    openvino = load_openvino()
    with torch.no_grad(), warnings.catch_warnings():
        # OpenVINO traces with torch.jit, which torch reports as deprecated; users cannot change that.
        warnings.simplefilter("ignore", DeprecationWarning)
        return openvino.convert_model(
            module.eval(),
            example_input=tuple(examples),
            input=[openvino.PartialShape(shape) for shape in shapes],
        )
