"""Trunk and tail, made ready to run."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freeloc.errors import FreelocError
from freeloc.runtime.firstlayers import with_exact_start
from freeloc.runtime.graphs import convert, graph_file, is_kept, kept_graph, spliced
from freeloc.runtime.network import Network, Precision, Runtime, check_runtime, gpu_at_hand
from freeloc.runtime.on_openvino import OpenVinoNetwork, cpu_multiplies_bfloat16

if TYPE_CHECKING:
    import torch
    from torch import nn

    from freeloc.trunks.base import Trunk

__all__ = [
    "Tail",
    "compile_kept",
    "compile_network",
    "graph_kept",
    "native_bfloat16",
    "network_graph",
    "torch_device",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Tail:
    """What follows a trunk cell by cell.

    Attributes:
        module: takes (N, channels, rows, cols) features and then ``extras``; gives one tensor or several. Where
            several canvases go through at once, every further input has one axis more in front, the canvases.
        extras: number of axes of each further input; all are free in size.
        name: the graph of trunk and tail in one is kept on disk under this name; it must tell their weights.
            None keeps the trunk's alone.
        exact_start: OpenVINO computes the trunk's first layers in float32 whatever the precision
            (`freeloc.runtime.firstlayers`).
    """

    module: nn.Module
    extras: tuple[int, ...] = ()
    name: str | None = None
    exact_start: bool = False


def compile_network(
    trunk: Trunk,
    tail: Tail | None = None,
    *,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    streams: bool = False,
    batch: int | None = None,
) -> Network:
    """Make a trunk, and what follows it cell by cell, ready to run.

    Args:
        trunk: the frozen trunk.
        tail: what follows the trunk, such as projection and head, in the same runtime; None runs the trunk's
            body alone.
        runtime: who executes.
        precision: arithmetic; results stay float32.
        streams: False puts all cores on one canvas, for the quickest single answer; True gives every core a
            canvas of its own, for the most photographs per second (a third more on two cores).
        batch: how many canvases of one shape torch is given at once, at most; default many on a GPU, one on a
            processor. OpenVINO is given one.

    Raises:
        FreelocError: unknown runtime or precision, a batch of none, or OpenVINO cannot be loaded.
    """
    check_runtime(runtime, precision)
    if batch is not None and batch < 1:
        raise FreelocError(f"a batch of {batch} canvases is none: give 1 or more")
    if runtime == "torch" or (runtime == "auto" and gpu_at_hand()):
        import torch

        from freeloc.runtime.on_torch import TorchNetwork

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return TorchNetwork(trunk, None if tail is None else tail.module, precision, device, batch)
    return OpenVinoNetwork(network_graph(trunk, tail), precision, streams=streams)


def network_graph(trunk: Trunk, tail: Tail | None) -> Any:
    """Trunk and tail as one OpenVINO graph with free canvas size; kept where it has a name."""
    if tail is None:
        return _trunk_graph(trunk)
    if tail.name is None:
        return _whole_graph(trunk, tail)
    return kept_graph(graph_file(tail.name), lambda: _whole_graph(trunk, tail))


def graph_kept(name: str) -> bool:
    """Whether a graph of trunk and tail is kept under a tail's name."""
    return is_kept(graph_file(name))


def compile_kept(name: str, *, precision: Precision = "auto", streams: bool = False) -> Network | None:
    """The network kept under a tail's name, without torch; None where it was not made yet, or is damaged."""
    path = graph_file(name)
    if not is_kept(path):
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
    return cpu_multiplies_bfloat16()


def torch_device(precision: Precision, runtime: Runtime = "auto") -> tuple[torch.device, bool]:
    """Where torch itself computes, as in training, and whether it multiplies in bfloat16 there.

    Args:
        precision: "float32" keeps all of it in float32; otherwise products are bfloat16 where that is faster.
        runtime: "openvino" keeps to the processor.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() and runtime != "openvino" else "cpu")
    return device, precision != "float32" and native_bfloat16(device.type)


def _trunk_graph(trunk: Trunk) -> Any:
    """The trunk with free canvas size."""

    def make() -> Any:
        import torch

        side = trunk.layout.window or 2 * trunk.layout.stride
        return convert(trunk, [torch.zeros(1, side, side, 3, dtype=torch.uint8)], [[1, -1, -1, 3]])

    return kept_graph(graph_file(f"{trunk.name}-{trunk.fingerprint[:16]}"), make)


def _whole_graph(trunk: Trunk, tail: Tail) -> Any:
    import torch

    below = _trunk_graph(trunk)

    examples = [torch.zeros(1, trunk.channels, 2, 2), *(torch.zeros([2] * axes) for axes in tail.extras)]
    shapes = [[1, trunk.channels, -1, -1], *([-1] * axes for axes in tail.extras)]
    following = convert(tail.module, examples, shapes)
    return spliced(with_exact_start(below) if tail.exact_start else below, following)
