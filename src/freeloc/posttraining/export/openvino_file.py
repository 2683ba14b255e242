"""Write an exported model as a file of OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from freeloc._log import get_logger
from freeloc.errors import ModelError
from freeloc.io.atomic import write_bytes
from freeloc.io.limits import check_resources
from freeloc.runtime.graph_bytes import graph_bytes
from freeloc.runtime.openvino_import import load_openvino, openvino_core

__all__ = ["write_openvino"]

_log = get_logger(__name__)


def write_openvino(model: onnx.ModelProto, metadata: Mapping[str, str], path: Path) -> None:
    """Write a graph as ``path``, which ends in ``.xml``, with the weights beside it in a file ``.bin``.

    The metadata become runtime information under the key ``freeloc``.

    Raises:
        ModelError: OpenVINO cannot convert the graph.
        OutputError: a file cannot be written.
    """
    try:
        # openvino.convert_model would report usage statistics over the network.
        graph = openvino_core().read_model(model.SerializeToString())
    except RuntimeError as error:
        check_resources(error)
        _log.debug("OpenVINO: %s", error)
        raise ModelError(
            f"OpenVINO {load_openvino().__version__} cannot read the exported graph: write an ONNX file only",
            parameter="onnx",
        ) from error
    for name, text in metadata.items():
        graph.set_rt_info(text, ["freeloc", name])
    structure, weights = graph_bytes(graph)
    write_bytes(path.with_suffix(".bin"), weights)
    write_bytes(path, structure)
