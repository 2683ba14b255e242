"""How a network is run fast: compiled by OpenVINO on a processor, by torch on a GPU.

The torch modules stay the one definition of every network; this room only decides who executes them.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from freeloc.atomic import replacing
from freeloc.cachedir import cache_root
from freeloc.errors import FreelocError
from freeloc.geometry import Float32Array
from freeloc.trunks.base import Trunk

if TYPE_CHECKING:
    import openvino

__all__ = ["Network", "Precision", "Runtime", "Tail", "compile_network", "native_bfloat16"]

Runtime = Literal["auto", "torch", "openvino"]
"""Who executes: "auto" is torch when a CUDA GPU is there, OpenVINO otherwise."""

Precision = Literal["auto", "float32", "bfloat16"]
"""Arithmetic: "auto" is bfloat16 where the processor or GPU computes it natively, float32 otherwise."""

_Canvas = npt.NDArray[np.uint8]
_log = logging.getLogger(__name__)
_MOST_STREAMS = 16


class Network(Protocol):
    """A compiled network; several threads may call it at once.

    Attributes:
        runtime: who executes it, "torch" or "openvino".
        precision: "float32" or "bfloat16"; part of every feature-cache key.
        threads: how many threads should call it at once to keep the machine busy.
    """

    runtime: str
    precision: str
    threads: int

    def __call__(self, canvas: _Canvas) -> Float32Array:
        """(H, W, 3) uint8 RGB canvas → (channels, rows, cols) float32."""
        ...

    def run(self, canvas: _Canvas, *inputs: Float32Array) -> tuple[Float32Array, ...]:
        """Everything a tail with more inputs or outputs than one gives.

        Args:
            canvas: (H, W, 3) uint8 RGB.
            inputs: what the tail reads beside the features, in its order; given to it as they are.

        Returns:
            The tail's outputs in its order, each without its first axis, the batch.
        """
        ...


def compile_network(
    trunk: Trunk,
    tail: Tail | None = None,
    *,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    streams: bool = False,
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

    Raises:
        FreelocError: unknown runtime or precision, or OpenVINO cannot be loaded.
    """
    if runtime not in {"auto", "torch", "openvino"}:
        raise FreelocError(f"--runtime {runtime} is unknown: choose auto, torch or openvino")
    if precision not in {"auto", "float32", "bfloat16"}:
        raise FreelocError(f"--precision {precision} is unknown: choose auto, float32 or bfloat16")
    on_gpu = torch.cuda.is_available()
    if runtime == "torch" or (runtime == "auto" and on_gpu):
        return _TorchNetwork(trunk, tail, precision, torch.device("cuda" if on_gpu else "cpu"))
    return _OpenVinoNetwork(trunk, tail, precision, _usable_cores() if streams else 1)


@dataclass(frozen=True, eq=False)
class Tail:
    """What follows a trunk cell by cell.

    Attributes:
        module: takes (N, channels, rows, cols) features and then ``extras``; gives one tensor or several.
        extras: number of axes of each further input; all are free in size.
    """

    module: nn.Module
    extras: tuple[int, ...] = ()


def native_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 in hardware; where it does not, bfloat16 is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    import openvino

    capabilities: list[str] = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "BF16" in capabilities


def _usable_cores() -> int:
    """Cores this process may use, but no more streams than memory likes."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _MOST_STREAMS)


class _TorchNetwork:
    runtime = "torch"
    threads = 2  # one decodes while the other computes

    def __init__(self, trunk: Trunk, tail: Tail | None, precision: Precision, device: torch.device) -> None:
        if precision == "auto":
            precision = "bfloat16" if device.type == "cuda" else "float32"
        self.precision: str = precision
        self._device = device
        # channels_last is what both oneDNN and tensor cores are fastest on.
        self._trunk = trunk.eval().to(device)
        self._trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._tail = None if tail is None else tail.module.eval().to(device)

    def __call__(self, canvas: _Canvas) -> Float32Array:
        return self.run(canvas)[0]

    def run(self, canvas: _Canvas, *inputs: Float32Array) -> tuple[Float32Array, ...]:
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bfloat16"),
        ):
            found = self._trunk(torch.from_numpy(canvas)[None].to(self._device))
            if self._tail is not None:
                found = self._tail(found, *(torch.from_numpy(item).to(self._device) for item in inputs))
        outputs: tuple[Tensor, ...] = found if isinstance(found, tuple) else (found,)
        return tuple(output[0].float().cpu().numpy() for output in outputs)


class _OpenVinoNetwork:
    runtime = "openvino"

    def __init__(self, trunk: Trunk, tail: Tail | None, precision: Precision, streams: int) -> None:
        try:
            import openvino
        except ImportError as error:
            raise FreelocError(
                f"OpenVINO cannot be loaded ({error}): install it again or give --runtime torch"
            ) from error

        core = openvino.Core()
        if precision == "auto":
            precision = "bfloat16" if native_bfloat16(torch.device("cpu")) else "float32"
        self.precision: str = precision
        graph = _trunk_graph(core, trunk)
        if tail is not None:
            graph = _spliced(graph, tail, trunk.channels)
        hint = {"bfloat16": openvino.Type.bf16, "float32": openvino.Type.f32}[precision]
        settings = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": streams}
        self._compiled = core.compile_model(graph, "CPU", settings)
        self._own = threading.local()
        self.threads = max(2, streams)

    def __call__(self, canvas: _Canvas) -> Float32Array:
        return self.run(canvas)[0]

    def run(self, canvas: _Canvas, *inputs: Float32Array) -> tuple[Float32Array, ...]:
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        results = self._own.request.infer([canvas[None], *inputs])
        return tuple(results[output][0] for output in self._compiled.outputs)


def _convert(module: nn.Module, examples: Sequence[Tensor], shapes: Sequence[list[int]]) -> Any:
    import openvino

    with torch.no_grad(), warnings.catch_warnings():
        # OpenVINO traces with torch.jit, which torch calls deprecated: nothing a user could act on. Nor is
        # torch's warning that a traced size may vary: OpenVINO keeps it free.
        warnings.simplefilter("ignore", DeprecationWarning)
        return openvino.convert_model(
            module.eval(),
            example_input=tuple(examples),
            input=[openvino.PartialShape(shape) for shape in shapes],
        )


def _trunk_graph(core: openvino.Core, trunk: Trunk) -> Any:
    """The trunk as an OpenVINO graph with free canvas size; tracing takes seconds, so it is kept on disk."""
    import openvino

    version = openvino.__version__.split("-")[0]
    path = cache_root() / "graphs" / f"{trunk.name.replace(':', '-')}-{trunk.fingerprint[:16]}-{version}.xml"
    if path.is_file() and path.with_suffix(".bin").is_file():
        try:
            return core.read_model(path)
        except RuntimeError as error:  # damaged by a full disk, say: made anew below
            _log.debug("cannot read %s: %s", path, error)
    side = trunk.layout.window or 2 * trunk.layout.stride
    graph = _convert(trunk, [torch.zeros(1, side, side, 3, dtype=torch.uint8)], [[1, -1, -1, 3]])
    _keep(graph, path)
    return graph


def _keep(graph: Any, path: Path) -> None:
    import openvino

    try:
        # The weights take their place first: a reader that sees the .xml finds both.
        with replacing(path) as xml, replacing(path.with_suffix(".bin")) as weights:
            named = xml.with_suffix(".xml")
            try:
                openvino.save_model(graph, named, compress_to_fp16=False)
                named.with_suffix(".bin").replace(weights)
                named.replace(xml)
            finally:
                for left in (named, named.with_suffix(".bin")):
                    left.unlink(missing_ok=True)
    except (FreelocError, RuntimeError) as error:
        # A read-only home or a full disk only costs the tracing time at every start.
        _log.debug("graph not kept: %s", error)


def _spliced(graph: Any, tail: Tail, channels: int) -> Any:
    """``tail`` put behind ``graph`` as one graph, so that nothing leaves the runtime in between."""
    import openvino

    examples = [torch.zeros(1, channels, 2, 2), *(torch.zeros([2] * axes) for axes in tail.extras)]
    shapes = [[1, channels, -1, -1], *([-1] * axes for axes in tail.extras)]
    following = _convert(tail.module, examples, shapes)
    features, *others = following.get_parameters()
    source = graph.get_results()[0].input_value(0)
    for target in features.output(0).get_target_inputs():
        target.replace_source_output(source)
    return openvino.Model(following.get_results(), [*graph.get_parameters(), *others], "freeloc")
