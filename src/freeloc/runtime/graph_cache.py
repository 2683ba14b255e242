"""Disk cache of OpenVINO graphs, which take seconds to trace."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from freeloc.errors import FreelocError
from freeloc.io.atomic import atomic_path
from freeloc.io.folders import cache_dir
from freeloc.runtime.openvino_import import load_openvino

__all__ = ["cached_graph", "graph_path", "is_graph_cached"]

_log = logging.getLogger(__name__)

_MAX_GRAPHS: Final = 24
"""Maximum number of cached graphs. Each takes about 35 MB, and every model that is run adds one."""


def graph_path(key: str) -> Path:
    """Return the .xml file of a cached graph; the installed version of OpenVINO is part of its name."""
    version = load_openvino().__version__.split("-")[0]
    return cache_dir() / "graphs" / f"{key.replace(':', '-').replace('/', '-')}-{version}.xml"


def is_graph_cached(key: str) -> bool:
    """Return whether both files of a graph exist."""
    path = graph_path(key)
    return path.is_file() and path.with_suffix(".bin").is_file()


def cached_graph(key: str, build: Callable[[], Any]) -> Any:
    """Return a graph from the cache; if it is missing or damaged, build it and store it."""
    path = graph_path(key)
    if is_graph_cached(key):
        try:
            return load_openvino().Core().read_model(path)
        except RuntimeError as error:  # damaged, for example by a full disk: rebuilt below
            _log.debug("cannot read %s: %s", path, error)
    graph = build()
    _store(graph, path)
    return graph


def _store(graph: Any, path: Path) -> None:
    try:
        # The weights are moved into place first, so that both files exist as soon as the .xml does.
        with atomic_path(path) as xml, atomic_path(path.with_suffix(".bin")) as weights:
            named = xml.with_suffix(".xml")
            try:
                load_openvino().save_model(graph, named, compress_to_fp16=False)
                named.with_suffix(".bin").replace(weights)
                named.replace(xml)
            finally:
                for left in (named, named.with_suffix(".bin")):
                    left.unlink(missing_ok=True)
        _delete_oldest(path.parent)
    except (FreelocError, RuntimeError) as error:
        # With a read-only home or a full disk, the network is traced again at every start.
        _log.debug("cannot cache the graph: %s", error)


def _delete_oldest(folder: Path) -> None:
    graphs = sorted(folder.glob("*.xml"), key=lambda path: path.stat().st_mtime, reverse=True)
    for graph in graphs[_MAX_GRAPHS:]:
        for file in (graph, graph.with_suffix(".bin")):
            # Another process may have deleted the file or, on some systems, may still be using it.
            with suppress(OSError):
                file.unlink(missing_ok=True)
