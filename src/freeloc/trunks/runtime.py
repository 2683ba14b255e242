"""How a network is run fast: compiled by OpenVINO on a processor, by torch on a GPU.

The torch modules stay the one definition of every network; this room only decides who executes them.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
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

__all__ = ["Network", "Precision", "Runtime", "compile_network", "native_bfloat16"]

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


def compile_network(
    trunk: Trunk,
    tail: nn.Module | None = None,
    *,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    streams: bool = False,
) -> Network:
    """Make a trunk, and what follows it cell by cell, ready to run.

    Args:
        trunk: the frozen trunk.
        tail: what follows the trunk, such as projection and head; None runs the trunk's body alone.
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

    def __init__(
        self, trunk: Trunk, tail: nn.Module | None, precision: Precision, device: torch.device
    ) -> None:
        if precision == "auto":
            precision = "bfloat16" if device.type == "cuda" else "float32"
        self.precision: str = precision
        self._device = device
        self._module = nn.Sequential(trunk, *([tail] if tail is not None else [])).eval().to(device)

    def __call__(self, canvas: _Canvas) -> Float32Array:
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bfloat16"),
        ):
            scores: Tensor = self._module(torch.from_numpy(canvas)[None].to(self._device))
        result: Float32Array = scores[0].float().cpu().numpy()
        return result


class _OpenVinoNetwork:
    runtime = "openvino"

    def __init__(self, trunk: Trunk, tail: nn.Module | None, precision: Precision, streams: int) -> None:
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
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        (result,) = self._own.request.infer([canvas[None]]).values()
        values: Float32Array = result[0]
        return values


def _convert(module: nn.Module, example: Tensor, shape: list[int]) -> Any:
    import openvino

    with torch.no_grad(), warnings.catch_warnings():
        # OpenVINO traces with torch.jit, which torch calls deprecated: nothing a user could act on.
        warnings.simplefilter("ignore", DeprecationWarning)
        return openvino.convert_model(
            module.eval(), example_input=example, input=[openvino.PartialShape(shape)]
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
    graph = _convert(trunk, torch.zeros(1, side, side, 3, dtype=torch.uint8), [1, -1, -1, 3])
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


def _spliced(graph: Any, tail: nn.Module, channels: int) -> Any:
    """``tail`` put behind ``graph`` as one graph, so that nothing leaves the runtime in between."""
    import openvino

    following = _convert(tail, torch.zeros(1, channels, 2, 2), [1, channels, -1, -1])
    source = graph.get_results()[0].input_value(0)
    for target in following.get_parameters()[0].output(0).get_target_inputs():
        target.replace_source_output(source)
    return openvino.Model(following.get_results(), graph.get_parameters(), "freeloc")
