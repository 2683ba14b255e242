"""Graph caches and int8 networks shared by the tests of the runtimes."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from freeloc.runtime import QuantizedGraph, compile_network
from freeloc.runtime.int8 import compile_quantized
from freeloc.runtime.isolated_network import IsolatedNetwork
from tests.runtime.networks import Patches, quantized_graph
from tests.runtime.processes import number


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def cached_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the graph of `Patches`; tests copy it, because tracing is slow."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FREELOC_CACHE", str(folder))
        compile_network(Patches(), runtime="openvino", precision="float32")
    return folder


@pytest.fixture
def cache(empty_cache: Path, cached_graph: Path) -> Path:
    shutil.copytree(cached_graph, empty_cache)
    return empty_cache


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> QuantizedGraph:
    return quantized_graph(tmp_path_factory.mktemp("graph"))


@pytest.fixture
def graph_folder(graph: QuantizedGraph, tmp_path: Path) -> Path:
    (tmp_path / "graph.xml").write_bytes(graph.structure)
    (tmp_path / "graph.bin").write_bytes(graph.weights)
    return tmp_path


@pytest.fixture
def network(graph: QuantizedGraph) -> Iterator[IsolatedNetwork]:
    made = compile_quantized(graph, isolated=True)
    assert isinstance(made, IsolatedNetwork)
    yield made
    with suppress(ProcessLookupError):
        os.kill(number(made), signal.SIGKILL)
