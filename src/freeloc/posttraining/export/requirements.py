"""Checks for optional packages that do not load them, so that a missing package is reported before any work."""

from __future__ import annotations

from importlib.util import find_spec

from freeloc.errors import MissingDependencyError

__all__ = ["check_export_available"]


def check_export_available() -> None:
    """Check that the packages that write ONNX files are installed.

    Raises:
        MissingDependencyError: one of them is not installed.
    """
    if any(find_spec(package) is None for package in ("onnx", "onnxscript")):
        raise MissingDependencyError(
            "exporting requires the packages onnx and onnxscript: run pip install 'freeloc[onnx]'",
            extra="onnx",
        )
