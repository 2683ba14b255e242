"""Disk cache of OpenVINO graphs, which take seconds to trace.

A graph consists of an .xml file and a .bin file. The .xml file ends with a comment that contains a checksum of
both files and of the graph's key, so a damaged graph, the graph of another model, and two files that do not belong
together are recognized. Checking takes milliseconds, so it is done whenever a graph is loaded.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from freeloc._log import NOTICE, get_logger
from freeloc.errors import ConfigurationError, FreelocError
from freeloc.io.atomic import atomic_path
from freeloc.io.folders import cache_dir
from freeloc.io.regular_file import open_regular, read_regular
from freeloc.io.temporary_files import delete_abandoned_files
from freeloc.runtime.openvino_import import load_openvino, openvino_core

__all__ = ["cached_graph", "find_graph", "graph_path", "is_graph_cached", "newest_first"]

_log = get_logger(__name__)

_MAX_GRAPHS: Final = 24
"""Maximum number of cached graphs. Each takes about 50 MB, and every model that is run adds one."""

_ORPHAN_AGE: Final = 24 * 3600
"""Minimum age, in seconds, of a .bin file that is deleted because its .xml file is missing."""

_VERSION: Final = 2
"""Version of the files; since version 2, they contain a checksum."""

_CHUNK: Final = 2**20

_announced: list[bool] = []
"""Not empty if this process has said that it builds a network."""

_CHECKSUM: Final = re.compile(rb"<!-- freeloc ([0-9a-f]{64}) -->\n\Z")


def graph_path(key: str) -> Path:
    """Return the .xml file of a cached graph; the installed version of OpenVINO is part of its name.

    Raises:
        ConfigurationError: the user has no cache folder.
    """
    version = load_openvino().__version__.split("-")[0]
    name = f"{key.replace(':', '-').replace('/', '-')}-{version}-v{_VERSION}.xml"
    return cache_dir() / "graphs" / name


def is_graph_cached(key: str) -> bool:
    """Return whether both files of a graph exist; `find_graph` also checks that they are sound."""
    try:
        path = graph_path(key)
    except ConfigurationError:
        return False
    return path.is_file() and path.with_suffix(".bin").is_file()


def find_graph(key: str) -> Path | None:
    """Return the .xml file of a cached graph; None if the graph is missing or its checksum is wrong.

    A damaged graph is logged and deleted.
    """
    try:
        path = graph_path(key)
    except ConfigurationError:  # without a home folder, nothing is cached
        return None
    delete_abandoned_files(path.parent)
    if not is_graph_cached(key):
        return None
    try:
        description = read_regular(path)
        stored = _CHECKSUM.search(description)
        if stored is not None:
            found = _checksum(path.name, description[: stored.start()], path.with_suffix(".bin"))
            if found == stored[1].decode():
                with suppress(OSError):
                    os.utime(path)  # graphs used recently are kept, above all those of backbones
                return path
    except OSError as error:
        _log.debug("cannot read %s: %s", path, error)
        return None
    _log.warning("the cached network %s is damaged, so the network is prepared again", path)
    with suppress(OSError):
        path.unlink()  # so that the damage is not reported again when the new graph is stored
    return None


def cached_graph(key: str, build: Callable[[], Any]) -> Any:
    """Return a graph from the cache; if it is missing or damaged, build it and store it."""
    path = find_graph(key)
    if path is not None:
        try:
            return openvino_core().read_model(path)
        except RuntimeError as error:  # this build of OpenVINO cannot read it
            _log.debug("cannot read %s: %s", path, error)
    _announce_once()
    graph = build()
    with suppress(ConfigurationError):
        _store(graph, graph_path(key))
    return graph


def _announce_once() -> None:
    """Log, once in a process, that a network is built, and how long it is kept."""
    if _announced:
        return
    _announced.append(True)
    try:
        folder = cache_dir() / "graphs"
    except ConfigurationError:
        folder = None
    if folder is not None and _is_writable(folder):
        _log.log(
            NOTICE,
            "building the network for this computer, which takes some seconds; later runs load it from %s, "
            "where the %d networks used last are kept",
            folder,
            _MAX_GRAPHS,
        )
    else:
        _log.log(
            NOTICE,
            "building the network for this computer, which takes some seconds in every run, because the cache "
            "folder cannot be written to: set the environment variable FREELOC_CACHE to another folder",
        )


def _is_writable(folder: Path) -> bool:
    """Return whether a folder, or else the first parent that exists, is one to which this user may write."""
    existing = next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110
    return existing.is_dir() and os.access(existing, os.W_OK)


def _store(graph: Any, path: Path) -> None:
    try:
        # The weights are moved into place first, so that both files exist as soon as the .xml does.
        with atomic_path(path) as xml, atomic_path(path.with_suffix(".bin")) as weights:
            named = xml.with_name(f"{xml.name}.xml")  # OpenVINO chooses the format by the name
            try:
                load_openvino().save_model(graph, named, compress_to_fp16=False)
                named.with_suffix(".bin").replace(weights)
                description = named.read_bytes()
                checksum = _checksum(path.name, description, weights)
                with named.open("ab") as file:
                    file.write(f"<!-- freeloc {checksum} -->\n".encode())
                named.replace(xml)
            finally:
                for left in (named, named.with_suffix(".bin")):
                    left.unlink(missing_ok=True)
        with suppress(OSError):  # another process may be deleting the same files
            _delete_oldest(path.parent)
    except (FreelocError, RuntimeError) as error:
        # With a read-only home or a full disk, the network is traced again at every start.
        _log.debug("cannot cache the graph: %s", error)


def _checksum(name: str, description: bytes, weights: Path) -> str:
    """Return the checksum of a graph's name, which contains its key, and of both of its files."""
    # CRC-32 is enough to detect accidental damage of the weights, and several times as fast as SHA-256.
    crc = 0
    with open_regular(weights) as file:
        while chunk := file.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
    return hashlib.sha256(f"{name} {crc}\n".encode() + description).hexdigest()


def newest_first(folder: Path, suffix: str) -> list[Path]:
    """Return the finished files with a suffix, those used last first.

    Raises:
        OSError: a file was deleted meanwhile.
    """
    files = [path for path in folder.glob(f"*{suffix}") if not path.name.startswith(".")]
    return sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)


def _delete_oldest(folder: Path) -> None:
    """Delete the graphs unused for longest, and weights of a process that was killed before it wrote the rest."""
    graphs = newest_first(folder, ".xml")
    abandoned = [file for graph in graphs[_MAX_GRAPHS:] for file in (graph, graph.with_suffix(".bin"))]
    abandoned += [
        weights
        for weights in folder.glob("*.bin")
        if not weights.name.startswith(".")
        and not weights.with_suffix(".xml").exists()
        and time.time() - weights.stat().st_mtime > _ORPHAN_AGE
    ]
    for file in abandoned:
        # On some systems, a file that another process uses cannot be deleted.
        with suppress(OSError):
            file.unlink(missing_ok=True)
