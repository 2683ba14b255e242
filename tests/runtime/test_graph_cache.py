"""OpenVINO graphs cached on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from freeloc._log import NOTICE
from freeloc.runtime import compile as compile_module
from freeloc.runtime import compile_network, graph_cache
from tests.runtime.networks import Patches, smooth_image


def graphs(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "graphs").iterdir())


def no_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make tracing fail, so that only networks on disk can be used."""

    def refuse(*_arguments: object) -> None:
        raise AssertionError("traced again")

    monkeypatch.setattr(compile_module, "convert_backbone", refuse)


class TestCachedGraphs:
    def test_cached_and_used_again(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        backbone, canvas = Patches(), smooth_image(64, 96)
        binary, described = graphs(cache)
        assert binary.endswith(".bin")
        assert described == binary[:-3] + "xml"
        assert backbone.fingerprint[:16] in described
        no_tracing(monkeypatch)
        values = compile_network(backbone, runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, backbone.by_hand(canvas), atol=1e-4)

    @pytest.mark.parametrize("can_write", [True, False])
    def test_what_takes_time_is_said_once(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, can_write: bool
    ) -> None:
        monkeypatch.setattr(graph_cache, "_announced", [])
        caplog.set_level(NOTICE, "freeloc")
        compile_network(Patches(), runtime="openvino", precision="float32")  # is cached
        assert caplog.messages == []
        if not can_write:
            (cache / "file").touch()
            monkeypatch.setenv("FREELOC_CACHE", str(cache / "file"))
        for seed in (5, 6):
            compile_network(Patches(seed), runtime="openvino", precision="float32")
        (message,) = caplog.messages
        assert message.startswith("building the network for this computer, which takes some seconds")
        if can_write:
            assert f"; later runs load it from {cache / 'graphs'}, where the 24 networks used last" in message
        else:
            assert "in every run, because the cache folder cannot be written to" in message

    def test_other_weights_have_another_graph(self, cache: Path) -> None:
        canvas, before = smooth_image(64, 64), graphs(cache)
        values = compile_network(Patches(1), runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, Patches(1).by_hand(canvas), atol=1e-4)
        assert set(before) < set(graphs(cache))
        assert len(graphs(cache)) == 4

    @pytest.mark.parametrize(
        "damage",
        [
            *("xml cut", "bin cut", "bin gone", "xml gone", "another xml"),
            *("a bit of the xml", "a bit of the bin", "another graph", "another bin"),
        ],
    )
    def test_a_damaged_graph_is_rebuilt(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch, damage: str
    ) -> None:
        told: list[str] = []
        # Recorded here, because the settings of logging may depend on the tests before.
        monkeypatch.setattr(graph_cache._log, "warning", lambda text, *args: told.append(text % args))
        backbone, canvas, names = Patches(), smooth_image(64, 64), graphs(cache)
        compile_network(Patches(1), runtime="openvino", precision="float32")
        binary, described = (cache / "graphs" / name for name in names)
        other = next(path for path in cache.glob("graphs/*.xml") if path != described)
        victim = binary if "bin" in damage else described
        data = bytearray(victim.read_bytes())
        data[-200] ^= 1
        if damage.endswith("gone"):
            victim.unlink()
        elif damage == "another graph":
            described.write_bytes(other.read_bytes())
            binary.write_bytes(other.with_suffix(".bin").read_bytes())
        else:
            content: dict[str, bytes | bytearray] = {
                "another xml": b"<net/>",
                "a bit of the xml": data,
                "a bit of the bin": data,
                "another bin": other.with_suffix(".bin").read_bytes(),
            }
            victim.write_bytes(content.get(damage, data[: len(data) // 2]))
        values = compile_network(backbone, runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, backbone.by_hand(canvas), atol=1e-4)
        if damage.endswith("gone"):
            assert told == []
        else:
            assert told == [f"the cached network {described} is damaged, so the network is prepared again"]
        assert set(names) <= set(graphs(cache))
        no_tracing(monkeypatch)
        values = compile_network(backbone, runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, backbone.by_hand(canvas), atol=1e-4)

    def test_a_cache_that_cannot_be_made_costs_time_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "taken").write_text("x")
        monkeypatch.setenv("FREELOC_CACHE", str(tmp_path / "taken"))
        canvas = smooth_image(64, 64)
        values = compile_network(Patches(), runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, Patches().by_hand(canvas), atol=1e-4)

    def test_a_read_only_cache_costs_time_only(self, empty_cache: Path) -> None:
        empty_cache.mkdir()
        if os.geteuid():
            (empty_cache / "graphs").mkdir()
            (empty_cache / "graphs").chmod(stat.S_IRUSR | stat.S_IXUSR)
        elif Path("/proc/self/task").is_dir():
            # No folder is read-only for root, but no file can be created in this one.
            (empty_cache / "graphs").symlink_to("/proc/self/task")
        else:
            pytest.skip("no folder here is read-only")
        canvas = smooth_image(64, 64)
        values = compile_network(Patches(), runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, Patches().by_hand(canvas), atol=1e-4)

    def test_a_failed_write_leaves_nothing_behind(
        self, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import openvino

        def full_disk(_graph: object, path: Path, **_options: object) -> None:
            Path(path).write_text("<half")
            raise RuntimeError("no space left")

        monkeypatch.setattr(openvino, "save_model", full_disk)
        canvas = smooth_image(64, 64)
        values = compile_network(Patches(), runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, Patches().by_hand(canvas), atol=1e-4)
        assert graphs(empty_cache) == []


def test_what_killed_processes_left_is_deleted(cache: Path) -> None:
    (graph,) = cache.glob("graphs/*.xml")
    left = [
        graph.with_name(name)
        for name in (".0123456789abcdef.part", ".0123456789abcdef.xml", ".0123456789abcdef.bin")
    ]
    orphan, young = graph.with_name("orphan.bin"), graph.with_name("young.bin")
    for file in (*left, orphan, young):
        file.write_bytes(b"half")
    for file in (*left, orphan):
        os.utime(file, (1e9, 1e9))
    compile_network(Patches(), runtime="openvino", precision="float32")
    assert not any(file.exists() for file in left)
    compile_network(Patches(1), runtime="openvino", precision="float32")
    assert not orphan.exists()
    assert young.exists()


def test_a_graph_that_is_in_use_is_kept(cache: Path) -> None:
    """The graph of a backbone is made first and read for every model."""
    (backbone,) = cache.glob("graphs/*.xml")
    os.utime(backbone, (1e6, 1e6))
    for age in range(1, 25):
        for suffix in (".xml", ".bin"):
            other = backbone.with_name(f"other{age}{suffix}")
            other.touch()
            os.utime(other, (1e9 - age, 1e9 - age))
    compile_network(Patches(), runtime="openvino", precision="float32")
    compile_network(Patches(1), runtime="openvino", precision="float32")
    left = {path.stem for path in cache.glob("graphs/*.xml")}
    assert len(left) == 24
    assert backbone.stem in left
    assert {"other1", "other22"} <= left
    assert not {"other23", "other24"} & left


def test_the_oldest_graphs_are_deleted(cache: Path) -> None:
    (newest,) = cache.glob("graphs/*.xml")
    for age in range(1, 30):
        for suffix in (".xml", ".bin"):
            old = newest.with_name(f"old{age}{suffix}")
            old.touch()
            os.utime(old, (1e9 - age, 1e9 - age))
    compile_network(Patches(1), runtime="openvino", precision="float32")
    left = {path.stem for path in cache.glob("graphs/*.xml")}
    assert len(left) == 24
    assert newest.stem in left
    assert {"old1", "old22"} <= left
    assert not {"old23", "old29"} & left
    assert {path.stem for path in cache.glob("graphs/*.bin")} == left
