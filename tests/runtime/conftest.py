"""Graph caches shared by the tests of the runtimes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from freeloc.runtime import compile_network
from tests.runtime.networks import Patches


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
