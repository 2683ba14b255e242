"""Backbone and appended, made ready to run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from freeloc.errors import FreelocError
from freeloc.runtime.appended_module import AppendedModule
from freeloc.runtime.float32_stem import with_float32_stem
from freeloc.runtime.graph_cache import append_graph, cached_graph, convert, graph_file, is_cached
from freeloc.runtime.openvino_backend import OpenVinoNetwork, cpu_supports_bfloat16
from freeloc.runtime.protocol import Network, Precision, Runtime, check_runtime, gpu_available

if TYPE_CHECKING:
    import torch

    from freeloc.nn.backbones.base import Backbone

__all__ = [
    "compile_cached",
    "compile_network",
    "is_graph_cached",
    "native_bfloat16",
    "network_graph",
    "torch_device",
]

_log = logging.getLogger(__name__)


def compile_network(
    backbone: Backbone,
    appended: AppendedModule | None = None,
    *,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    streams: bool = False,
    batch: int | None = None,
) -> Network:
    """Make a backbone, and what follows it cell by cell, ready to run.

    Args:
        backbone: the frozen backbone.
        appended: what follows the backbone, such as projection and head, in the same runtime; None runs the
            backbone's body alone.
        runtime: who executes.
        precision: arithmetic; results stay float32.
        streams: False puts all cores on one canvas, for the quickest single answer; True gives every core a
            canvas of its own, for the most images per second (a third more on two cores).
        batch: how many canvases of one shape torch is given at once, at most; default many on a GPU, one on a
            processor. OpenVINO is given one.

    Raises:
        FreelocError: unknown runtime or precision, a batch of none, or OpenVINO cannot be loaded.
    """
    check_runtime(runtime, precision)
    if batch is not None and batch < 1:
        raise FreelocError(f"a batch of {batch} canvases is none: give 1 or more")
    if runtime == "torch" or (runtime == "auto" and gpu_available()):
        import torch

        from freeloc.runtime.torch_backend import TorchNetwork

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return TorchNetwork(backbone, None if appended is None else appended.module, precision, device, batch)
    return OpenVinoNetwork(network_graph(backbone, appended), precision, streams=streams)


def network_graph(backbone: Backbone, appended: AppendedModule | None) -> Any:
    """Backbone and appended as one OpenVINO graph with free canvas size; kept where it has a name."""
    if appended is None:
        return _backbone_graph(backbone)
    if appended.cache_key is None:
        return _whole_graph(backbone, appended)
    return cached_graph(graph_file(appended.cache_key), lambda: _whole_graph(backbone, appended))


def is_graph_cached(name: str) -> bool:
    """Whether a graph of backbone and appended is kept under a tail's name."""
    return is_cached(graph_file(name))


def compile_cached(name: str, *, precision: Precision = "auto", streams: bool = False) -> Network | None:
    """The network kept under a tail's name, without torch; None where it was not made yet, or is damaged."""
    path = graph_file(name)
    if not is_cached(path):
        return None
    try:
        return OpenVinoNetwork(path, precision, streams=streams)
    except RuntimeError as error:
        _log.debug("cannot compile %s: %s", path, error)
        return None


def native_bfloat16(device: str) -> bool:
    """Whether "cuda" or "cpu" multiplies bfloat16 in hardware; where not, it is slower than float32."""
    if device == "cuda":
        import torch

        return bool(torch.cuda.is_bf16_supported())
    return cpu_supports_bfloat16()


def torch_device(precision: Precision, runtime: Runtime = "auto") -> tuple[torch.device, bool]:
    """Where torch itself computes, as in training, and whether it multiplies in bfloat16 there.

    Args:
        precision: "float32" keeps all of it in float32; otherwise products are bfloat16 where that is faster.
        runtime: "openvino" keeps to the processor.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() and runtime != "openvino" else "cpu")
    return device, precision != "float32" and native_bfloat16(device.type)


def _backbone_graph(backbone: Backbone) -> Any:
    """The backbone with free canvas size."""

    def make() -> Any:
        import torch

        side = backbone.layout.window or 2 * backbone.layout.stride
        return convert(backbone, [torch.zeros(1, side, side, 3, dtype=torch.uint8)], [[1, -1, -1, 3]])

    return cached_graph(graph_file(f"{backbone.name}-{backbone.fingerprint[:16]}"), make)


def _whole_graph(backbone: Backbone, appended: AppendedModule) -> Any:
    import torch

    below = _backbone_graph(backbone)

    examples = [
        torch.zeros(1, backbone.channels, 2, 2),
        *(torch.zeros([2] * axes) for axes in appended.extra_input_dims),
    ]
    shapes = [[1, backbone.channels, -1, -1], *([-1] * axes for axes in appended.extra_input_dims)]
    following = convert(appended.module, examples, shapes)
    return append_graph(with_float32_stem(below) if appended.float32_stem else below, following)
