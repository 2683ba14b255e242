"""Serialization of graphs, wherever temporary files can be written."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.errors import OutputError, ResourceError
from freeloc.runtime import graph_bytes as module
from freeloc.runtime.graph_bytes import graph_bytes
from tests.limits import file_size_limit, no_more_files

openvino = pytest.importorskip("openvino")


@pytest.fixture
def graph() -> Any:
    """A graph that adds 40 kB of constants to its input."""
    ops = openvino.opset13
    values = ops.parameter([10_000], openvino.Type.f32)
    constants = ops.constant(np.arange(10_000, dtype=np.float32))
    return openvino.Model([ops.add(values, constants)], [values])


def result(structure: bytes, weights: bytes) -> Any:
    compiled = openvino.Core().compile_model(openvino.Core().read_model(structure, weights), "CPU")
    return compiled(np.ones(10_000, np.float32))[0]


def test_the_bytes_are_the_graph(graph: Any) -> None:
    np.testing.assert_array_equal(result(*graph_bytes(graph)), np.arange(10_000) + 1)


def test_no_file_is_left(graph: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "_MEMORY_FOLDER", str(tmp_path))
    graph_bytes(graph)
    with file_size_limit(1000), pytest.raises(OutputError):
        graph_bytes(graph)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="this system has no folder in memory")
def test_no_folder_on_a_disk_is_needed(graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/gone")
    np.testing.assert_array_equal(result(*graph_bytes(graph)), np.arange(10_000) + 1)


def test_no_folder_in_memory_is_needed(graph: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MEMORY_FOLDER", str(tmp_path / "gone"))
    np.testing.assert_array_equal(result(*graph_bytes(graph)), np.arange(10_000) + 1)


@pytest.mark.parametrize("size", [0, 100, 4096])
def test_a_limit_on_file_sizes_is_one_sentence(graph: Any, size: int) -> None:
    with file_size_limit(size), pytest.raises(OutputError) as caught:
        graph_bytes(graph)
    message = str(caught.value)
    assert message.startswith("OpenVINO cannot write a temporary file with the network (")
    assert message.endswith("or set TMPDIR to another folder")


def test_too_many_open_files_are_called_that(graph: Any) -> None:
    with no_more_files(), pytest.raises(ResourceError, match="too many files are open"):
        graph_bytes(graph)
