"""Torch modules as OpenVINO graphs, and the graphs kept on disk: tracing a network takes seconds."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeloc.errors import FreelocError
from freeloc.io.atomic import atomic_path
from freeloc.io.folders import cache_dir
from freeloc.runtime.openvino_backend import load_openvino

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["append_graph", "cached_graph", "convert", "graph_file", "is_cached"]

_log = logging.getLogger(__name__)

_MOST_GRAPHS = 24
"""Graphs that are kept; each takes some 35 MB, and every model that is ever run leaves one."""


def convert(module: nn.Module, examples: Sequence[Tensor], shapes: Sequence[list[int]]) -> Any:
    """A torch module as an OpenVINO graph.

    Args:
        module: the module.
        examples: an input each, to trace it with.
        shapes: of each input; −1 leaves an axis free.
    """
    import torch

    openvino = load_openvino()
    with torch.no_grad(), warnings.catch_warnings():
        # OpenVINO traces with torch.jit, which torch calls deprecated: nothing a user could act on.
        warnings.simplefilter("ignore", DeprecationWarning)
        return openvino.convert_model(
            module.eval(),
            example_input=tuple(examples),
            input=[openvino.PartialShape(shape) for shape in shapes],
        )


def append_graph(graph: Any, following: Any) -> Any:
    """``following`` put behind ``graph`` as one graph, so that nothing leaves the runtime in between.

    Args:
        graph: its one output feeds the first input of ``following``.
        following: its other inputs become further inputs of the whole.
    """
    openvino = load_openvino()
    features, *others = following.get_parameters()
    source = graph.get_results()[0].input_value(0)
    for target in features.output(0).get_target_inputs():
        target.replace_source_output(source)
    return openvino.Model(following.get_results(), [*graph.get_parameters(), *others], "freeloc")


def graph_file(name: str) -> Path:
    """Where the graph called ``name`` is kept, for this version of OpenVINO."""
    version = load_openvino().__version__.split("-")[0]
    return cache_dir() / "graphs" / f"{name.replace(':', '-').replace('/', '-')}-{version}.xml"


def is_cached(path: Path) -> bool:
    """Whether both halves of a graph are there."""
    return path.is_file() and path.with_suffix(".bin").is_file()


def cached_graph(path: Path, make: Callable[[], Any]) -> Any:
    """The graph of a file, made and kept where there is none or it is damaged."""
    if is_cached(path):
        try:
            return load_openvino().Core().read_model(path)
        except RuntimeError as error:  # damaged by a full disk, say: made anew below
            _log.debug("cannot read %s: %s", path, error)
    graph = make()
    _keep(graph, path)
    return graph


def _keep(graph: Any, path: Path) -> None:
    try:
        # The weights take their place first: a reader that sees the .xml finds both.
        with atomic_path(path) as xml, atomic_path(path.with_suffix(".bin")) as weights:
            named = xml.with_suffix(".xml")
            try:
                load_openvino().save_model(graph, named, compress_to_fp16=False)
                named.with_suffix(".bin").replace(weights)
                named.replace(xml)
            finally:
                for left in (named, named.with_suffix(".bin")):
                    left.unlink(missing_ok=True)
        _forget(path.parent)
    except (FreelocError, RuntimeError) as error:
        # A read-only home or a full disk only costs the tracing time at every start.
        _log.debug("graph not kept: %s", error)


def _forget(folder: Path) -> None:
    """Delete the graphs that were made longest ago, beyond the number that is kept."""
    graphs = sorted(folder.glob("*.xml"), key=lambda path: path.stat().st_mtime, reverse=True)
    for graph in graphs[_MOST_GRAPHS:]:
        for half in (graph, graph.with_suffix(".bin")):
            with suppress(OSError):  # another process deletes, or on some systems still runs, the same
                half.unlink(missing_ok=True)
