"""Write an exported model as an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
from onnx import helper

from freeloc.io.atomic import write_bytes

__all__ = ["write_onnx"]


def write_onnx(model: onnx.ModelProto, metadata: Mapping[str, str], path: Path) -> None:
    """Write a graph with its metadata to one file.

    Raises:
        OutputError: the file cannot be written.
    """
    described = onnx.ModelProto()
    described.CopyFrom(model)
    helper.set_model_props(described, dict(metadata))
    write_bytes(path, described.SerializeToString())
