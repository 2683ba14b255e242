"""Checks for optional packages that do not load them, so that a missing package is reported before any work."""

from __future__ import annotations

from importlib.util import find_spec

from freeloc.errors import MissingDependencyError

__all__ = ["check_quantization_available"]


def check_quantization_available() -> None:
    """Check that NNCF, which creates int8 networks, is installed.

    Raises:
        MissingDependencyError: it is not installed.
    """
    if find_spec("nncf") is None:
        raise MissingDependencyError(
            "quantization requires NNCF, which is not installed: run pip install 'freeloc[int8]'",
            extra="int8",
        )
