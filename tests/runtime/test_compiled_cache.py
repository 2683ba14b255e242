"""Compiled networks cached on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.runtime import compiled_cache, cpu_supports_int8, hardware
from freeloc.runtime.compiled_cache import compile_with_cache, compiled_path
from freeloc.runtime.int8 import QuantizedGraph, compile_in_process
from freeloc.runtime.openvino_import import openvino_core
from tests.runtime.networks import FACTOR, smooth_image

SETTINGS = {"NUM_STREAMS": 1}


class Reader:
    """Reads a graph, and counts how often."""

    def __init__(self, graph: QuantizedGraph) -> None:
        self.graph = graph
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        return openvino_core().read_model(self.graph.structure, self.graph.weights)


def results(network: Any, seed: int = 0) -> list[np.ndarray]:
    values = network.create_infer_request().infer([smooth_image(96, 128, seed)[None], FACTOR])
    return [values[output] for output in network.outputs]


def assert_equal(network: Any, other: Any) -> None:
    for seed in range(3):
        for values, same in zip(results(network, seed), results(other, seed), strict=True):
            np.testing.assert_array_equal(values, same)


@pytest.fixture
def reader(graph: QuantizedGraph, empty_cache: Path) -> Reader:
    return Reader(graph)


def test_a_network_is_compiled_once(reader: Reader, empty_cache: Path) -> None:
    compiled = compile_with_cache(reader, "a", SETTINGS)
    assert reader.calls == 1
    assert [path.suffix for path in (empty_cache / "graphs").iterdir()] == [".compiled"]
    loaded = compile_with_cache(reader, "a", SETTINGS)
    assert reader.calls == 1
    assert loaded.get_property("NUM_STREAMS") == 1
    assert_equal(loaded, compiled)


@pytest.mark.skipif(not cpu_supports_int8(), reason="int8 networks do not run on this CPU")
def test_int8_networks_are_cached(graph: QuantizedGraph, empty_cache: Path) -> None:
    first = compile_in_process(graph, streams=2)
    (file,) = (empty_cache / "graphs").iterdir()
    written = file.stat().st_mtime_ns
    again = compile_in_process(graph, streams=2)
    canvas = smooth_image(96, 128)
    for values, same in zip(first.run(canvas, FACTOR), again.run(canvas, FACTOR), strict=True):
        np.testing.assert_array_equal(values, same)
    compile_in_process(graph, streams=1)
    assert len(list((empty_cache / "graphs").iterdir())) == 2
    os.utime(file, ns=(0, 0))
    compile_in_process(graph, streams=2)
    assert file.stat().st_mtime_ns >= written, "what was used last is kept longest"


def test_the_file_depends_on_everything_that_the_network_depends_on(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [
        compiled_path("a", SETTINGS),
        compiled_path("b", SETTINGS),
        compiled_path("a", {"NUM_STREAMS": 2}),
    ]
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    paths.append(compiled_path("a", SETTINGS))
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    monkeypatch.setattr(compiled_cache, "cpu_flags", lambda: "avx2")
    paths.append(compiled_path("a", SETTINGS))
    monkeypatch.undo()
    monkeypatch.setenv("FREELOC_CACHE", str(empty_cache))
    monkeypatch.setattr(compiled_cache, "cpu_name", lambda: "another CPU")
    paths.append(compiled_path("a", SETTINGS))
    assert len(set(paths)) == len(paths)


def flip(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: flip(content, 0),
        lambda content: flip(content, 40),
        lambda content: flip(content, len(content) - 1),
    ],
    ids=["empty", "cut in the checksum", "cut", "checksum", "begin", "end"],
)
def test_a_damaged_file_is_replaced(
    reader: Reader, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    compiled = compile_with_cache(reader, "a", SETTINGS)
    path = compiled_path("a", SETTINGS)
    path.write_bytes(damage(path.read_bytes()))
    assert_equal(compile_with_cache(reader, "a", SETTINGS), compiled)
    assert reader.calls == 2
    (message,) = caplog.messages
    assert message.endswith("is damaged, so the network is prepared again")
    compile_with_cache(reader, "a", SETTINGS)
    assert reader.calls == 2


def test_what_openvino_does_not_accept_is_compiled_again(reader: Reader, empty_cache: Path) -> None:
    compiled = compile_with_cache(reader, "a", SETTINGS)
    path = compiled_path("a", SETTINGS)
    for content in (b"", b"<xml/>", b"of another version " * 1000):
        path.write_bytes(hashlib.sha256(content).digest() + content)
        before = reader.calls
        assert_equal(compile_with_cache(reader, "a", SETTINGS), compiled)
        assert reader.calls == before + 1


def test_without_a_place_nothing_is_cached(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiled = compile_with_cache(reader, "a", SETTINGS)
    (tmp_path / "file").touch()
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        assert_equal(compile_with_cache(reader, "a", SETTINGS), compiled)
    assert reader.calls == 3


def test_the_networks_used_last_are_kept(
    reader: Reader, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_cache, "_MAX_NETWORKS", 3)
    graphs = empty_cache / "graphs"
    for age, digest in enumerate("abcde"):
        compile_with_cache(reader, digest, SETTINGS)
        os.utime(compiled_path(digest, SETTINGS), (1000 + age, 1000 + age))
        if digest == "c":
            compile_with_cache(reader, "a", SETTINGS)
    kept = {digest for digest in "abcde" if compiled_path(digest, SETTINGS).is_file()}
    assert kept == {"a", "d", "e"}
    assert len(list(graphs.iterdir())) == 3


def test_the_flags_of_this_cpu_are_those_of_the_kernel() -> None:
    flags = hardware.cpu_flags()
    assert flags == "" or "sse2" in flags.split() or not hardware.is_x86()
