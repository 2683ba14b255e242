"""Import OpenVINO silently; the error raised if this fails explains how to fix the installation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, cast

from freeloc.errors import MissingDependencyError
from freeloc.io.limits import check_resources

__all__ = ["load_openvino", "without_telemetry"]

_TELEMETRY = "openvino_telemetry"


def load_openvino() -> Any:
    """Import and return the package ``openvino``.

    Raises:
        MissingDependencyError: it cannot be imported.
    """
    try:
        with without_telemetry("openvino"):
            import openvino
    except ImportError as error:
        check_resources(error)
        raise MissingDependencyError(
            f"OpenVINO cannot be imported ({error}): reinstall it, or choose the runtime 'torch'"
        ) from error
    return openvino


@contextmanager
def without_telemetry(package: str) -> Iterator[None]:
    """Let a package be imported as if OpenVINO's telemetry package were not installed.

    OpenVINO and NNCF send usage statistics over the network and write to ``~/intel``, OpenVINO as soon as it is
    imported. They do neither without that package. It can be switched off only by a file in the user's home folder
    or by environment variables that also concern other programs, so it is hidden during the import instead.

    Args:
        package: the package to import. If it has been imported before, nothing changes.
    """
    if package in sys.modules:
        yield
        return
    installed = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = cast("ModuleType", None)
    try:
        yield
    finally:
        if installed is None:
            sys.modules.pop(_TELEMETRY, None)
        else:
            sys.modules[_TELEMETRY] = installed
