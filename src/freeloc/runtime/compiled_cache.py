"""Disk cache of compiled networks, which OpenVINO loads in a quarter of the time that it takes to compile them.

A compiled network depends on the graph, on how it is compiled, on the version of OpenVINO and on the processor. A
hash of all of these is the name of its file. The file begins with a checksum, so a damaged one is recognized and
replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from freeloc._log import get_logger
from freeloc.errors import ConfigurationError, FreelocError
from freeloc.io.atomic import atomic_path
from freeloc.io.folders import cache_dir
from freeloc.io.regular_file import read_regular
from freeloc.io.temporary_files import delete_abandoned_files
from freeloc.runtime.graph_cache import newest_first
from freeloc.runtime.hardware import cpu_flags, cpu_name, kernel_limit
from freeloc.runtime.openvino_import import load_openvino, openvino_core

__all__ = ["compile_with_cache", "compiled_path"]

_log = get_logger(__name__)

_MAX_NETWORKS: Final = 12
"""Maximum number of cached networks. Each takes about 10 MB, and every model that is run adds one or two."""

_VERSION: Final = 1
_SUFFIX: Final = ".compiled"
_CHECKSUM_BYTES: Final = hashlib.sha256().digest_size


def compile_with_cache(read_graph: Callable[[], Any], digest: str, settings: Mapping[str, Any]) -> Any:
    """Return a graph compiled for the CPU, from the cache if it is there.

    Args:
        read_graph: function that returns the graph; only called if the network is not in the cache.
        digest: hash of the graph.
        settings: OpenVINO's properties for the network.

    Raises:
        RuntimeError: OpenVINO cannot compile the graph.
    """
    try:
        path = compiled_path(digest, settings)
    except ConfigurationError:  # without a home folder, nothing is cached
        path = None
    network = None if path is None else _load(path, settings)
    if network is None:
        network = openvino_core().compile_model(read_graph(), "CPU", settings)
        if path is not None:
            _store(network, path)
    return network


def compiled_path(digest: str, settings: Mapping[str, Any]) -> Path:
    """Return the file of a compiled network.

    Raises:
        ConfigurationError: the user has no cache folder.
    """
    depends_on = (
        _VERSION,
        digest,
        sorted((name, str(value)) for name, value in settings.items()),
        load_openvino().__version__,
        cpu_name(),
        cpu_flags(),
        kernel_limit(),
    )
    key = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()
    return cache_dir() / "graphs" / f"{key[:32]}{_SUFFIX}"


def _load(path: Path, settings: Mapping[str, Any]) -> Any | None:
    """Return a network from its file; None if the file is missing, damaged, or not accepted by OpenVINO."""
    delete_abandoned_files(path.parent)
    try:
        content = read_regular(path)
    except OSError as error:
        _log.debug("cannot read %s: %s", path, error)
        return None
    checksum, network = content[:_CHECKSUM_BYTES], content[_CHECKSUM_BYTES:]
    if hashlib.sha256(network).digest() != checksum:
        _log.warning("the cached network %s is damaged, so the network is prepared again", path)
        with suppress(OSError):
            path.unlink()
        return None
    with suppress(OSError):
        os.utime(path)  # networks used recently are kept
    try:
        return openvino_core().import_model(network, "CPU", settings)
    except RuntimeError as error:
        _log.debug("cannot import %s: %s", path, error)
        return None


def _store(network: Any, path: Path) -> None:
    try:
        content = network.export_model().getbuffer()
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
        _delete_oldest(path.parent)
    except (FreelocError, OSError, RuntimeError) as error:
        # With a read-only home or a full disk, the network is compiled at every start.
        _log.debug("cannot cache the compiled network: %s", error)


def _delete_oldest(folder: Path) -> None:
    for path in newest_first(folder, _SUFFIX)[_MAX_NETWORKS:]:
        # On some systems, a file that another process uses cannot be deleted.
        with suppress(OSError):
            path.unlink(missing_ok=True)
