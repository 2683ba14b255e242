"""The runtimes against torch in float32, and the graphs kept on disk."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.runtime import (
    AppendedModule,
    Network,
    Precision,
    Runtime,
    compile_network,
    native_bfloat16,
    openvino_backend,
    torch_device,
)
from freeloc.runtime import compile as compile_module

FIRST_AT_ONCE = """
import threading
import numpy as np
from openvino import Model, Type, opset13 as ops
from freeloc.runtime.openvino_backend import OpenVinoNetwork

canvas = ops.parameter([1, 8, 8, 3], Type.u8)
network = OpenVinoNetwork(Model([ops.convert(canvas, Type.f32)], [canvas]), "float32", streams=True)
picture = np.ones((8, 8, 3), np.uint8)
barrier = threading.Barrier(8)

def infer():
    barrier.wait()
    assert (network(picture) == 1).all()

threads = [threading.Thread(target=infer) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


class Patches(Backbone):
    """A real backbone of one convolution: cell (i, j) is a weighted sum of its own 32×32 pixels."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.name = "patches"
        self.layout = CellLayout(32, 16.0)
        self.channels = self.width = 5
        self.normalization = Normalization((100.0, 120.0, 140.0), (50.0, 60.0, 70.0))
        self.body = nn.Sequential(nn.Conv2d(3, 5, 32, stride=32))
        self.projection = nn.Identity()
        self.freeze()

    def by_hand(self, canvas: np.ndarray) -> np.ndarray:
        state = {key: value.double().numpy() for key, value in self.state_dict().items()}
        pixels = (canvas - np.array([100, 120, 140])) / np.array([50, 60, 70])
        rows, cols = canvas.shape[0] // 32, canvas.shape[1] // 32
        patches = pixels.reshape(rows, 32, cols, 32, 3)
        values = np.einsum("iyjxc,ocyx->oij", patches, state["body.0.weight"])
        return values + state["body.0.bias"][:, None, None]


class Scaled(nn.Module):
    """A tail with two further inputs and three outputs."""

    def forward(
        self, features: torch.Tensor, factor: torch.Tensor, cube: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return features * factor, features.amax(dim=(2, 3)), cube[:1]


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft shapes and some noise: values like those of an image."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, height // 32 + 1, width // 32 + 1)))
    soft = nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0].permute(1, 2, 0).numpy()
    return np.clip(255 * soft + rng.normal(0, 8, soft.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return load_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def reference(lite0: Backbone) -> Network:
    return compile_network(lite0, runtime="torch", precision="float32")


@pytest.fixture(scope="module")
def tail(lite0: Backbone) -> nn.Module:
    torch.manual_seed(1)
    head = AdaptationHead(HeadSettings(lite0.width, 4, hidden=32))
    nn.init.normal_(head.fcb.weight, std=0.5)
    return nn.Sequential(lite0.projection, head)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def cached_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds the graph of `Patches`; tracing is slow, so tests copy it."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FREELOC_CACHE", str(folder))
        compile_network(Patches(), runtime="openvino", precision="float32")
    return folder


@pytest.fixture
def cache(empty_cache: Path, cached_graph: Path) -> Path:
    shutil.copytree(cached_graph, empty_cache)
    return empty_cache


def relative_error(values: np.ndarray, wanted: np.ndarray) -> float:
    """Frobenius norm of the difference, as a share of what is wanted."""
    return float(np.linalg.norm(values - wanted) / np.linalg.norm(wanted))


SIDES = [(64, 64), (96, 320), (256, 192)]


class TestAgreement:
    @pytest.mark.parametrize("who", ["torch", "openvino"])
    def test_a_backbone_computed_by_hand(self, cache: Path, who: Runtime) -> None:
        backbone = Patches()
        network = compile_network(backbone, runtime=who, precision="float32")
        for height, width in SIDES:
            canvas = picture(height, width)
            values = network(canvas)
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, backbone.by_hand(canvas), atol=1e-4)

    @pytest.mark.parametrize("who", ["torch", "openvino"])
    def test_a_tail_may_read_and_give_more(self, cache: Path, who: Runtime) -> None:
        backbone = Patches()
        network = compile_network(
            backbone, AppendedModule(Scaled(), extra_input_dims=(2, 3)), runtime=who, precision="float32"
        )
        rng = np.random.default_rng(0)
        for height, width in SIDES:
            canvas = picture(height, width)
            factor = rng.random((height // 32, width // 32), np.float32)
            cube = rng.random((2, 3, 4), np.float32)
            scaled, highest, total = network.run(canvas, factor, cube)
            features = backbone.by_hand(canvas)
            np.testing.assert_allclose(scaled, features * factor, atol=1e-4)
            np.testing.assert_allclose(highest, features.max(axis=(1, 2)), atol=1e-4)
            np.testing.assert_allclose(total, cube[0], atol=1e-6)

    @pytest.mark.slow
    def test_openvino_in_float32_equals_torch(self, lite0: Backbone, reference: Network) -> None:
        network = compile_network(lite0, runtime="openvino", precision="float32")
        assert (network.runtime, network.precision) == ("openvino", "float32")
        for height, width in SIDES:
            canvas = picture(height, width)
            wanted, values = reference(canvas), network(canvas)
            assert values.shape == (lite0.channels, lite0.layout.cells(height), lite0.layout.cells(width))
            # The features themselves are of the order of one.
            assert 0.1 < float(np.abs(wanted).mean()) < 10
            np.testing.assert_allclose(values, wanted, atol=1e-3)

    @pytest.mark.parametrize("who", ["torch", "openvino"])
    def test_a_tail_follows_in_the_same_network(
        self, lite0: Backbone, reference: Network, tail: nn.Module, who: Runtime
    ) -> None:
        network = compile_network(lite0, AppendedModule(tail), runtime=who, precision="float32")
        canvas = picture(96, 160)
        with torch.no_grad():
            wanted = tail(torch.from_numpy(reference(canvas))[None])[0].numpy()
        values = network(canvas)
        assert values.shape == (4, 3, 5)
        assert float(np.abs(wanted).max()) > 0.1
        np.testing.assert_allclose(values, wanted, atol=1e-3)

    @pytest.mark.parametrize("who", ["torch", "openvino"])
    def test_bfloat16_stays_close(self, lite0: Backbone, reference: Network, who: Runtime) -> None:
        network = compile_network(lite0, runtime=who, precision="bfloat16")
        assert network.precision == "bfloat16"
        canvas = picture(256, 256)
        wanted, values = reference(canvas), network(canvas)
        assert values.dtype == np.float32
        assert relative_error(values, wanted) < 6e-2
        if native_bfloat16("cpu"):
            # Eight bits of mantissa leave their trace: it is not float32 under another name.
            assert relative_error(values, wanted) > 1e-4

    @pytest.mark.parametrize("who", ["torch", "openvino"])
    def test_calls_repeat_bit_for_bit_and_results_are_ones_own(self, cache: Path, who: Runtime) -> None:
        network = compile_network(Patches(), runtime=who)
        first = network(picture(64, 64, seed=1))
        kept = first.copy()
        other = network(picture(64, 64, seed=2))
        assert not np.array_equal(other, kept)
        np.testing.assert_array_equal(first, kept)
        np.testing.assert_array_equal(network(picture(64, 64, seed=1)), kept)


class TestManyThreads:
    @pytest.mark.parametrize("who", ["torch", "openvino"])
    @pytest.mark.parametrize("streams", [False, True])
    def test_threads_side_by_side_get_their_own_results(
        self, cache: Path, who: Runtime, streams: bool
    ) -> None:
        backbone = Patches()
        network = compile_network(backbone, runtime=who, precision="float32", streams=streams)
        canvases = [picture(32 * (1 + seed % 4), 64, seed) for seed in range(24)]
        with ThreadPoolExecutor(network.threads + 2) as pool:
            for canvas, values in zip(canvases, pool.map(network, canvases), strict=True):
                np.testing.assert_allclose(values, backbone.by_hand(canvas), atol=1e-4)

    def test_the_first_inferences_of_a_process_may_come_at_once(self) -> None:
        """Unless its binding has met NumPy before, OpenVINO may lock up: in one of six tries on a busy machine."""
        for _ in range(3):
            subprocess.run([sys.executable, "-c", FIRST_AT_ONCE], check=True, timeout=120)

    def test_streams_ask_for_a_thread_on_every_core(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(openvino_backend, "usable_cores", lambda: 5)
        assert compile_network(Patches(), runtime="openvino", streams=True).threads == 5
        # Without them two: one decodes while the other computes.
        assert compile_network(Patches(), runtime="openvino").threads == 2


class TestChoices:
    def test_auto_precision_follows_the_hardware(self, cache: Path) -> None:
        network = compile_network(Patches(), runtime="openvino")
        native = native_bfloat16("cpu")
        assert network.precision == ("bfloat16" if native else "float32")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
    def test_without_a_gpu_openvino_runs_and_torch_computes_in_float32(self, cache: Path) -> None:
        assert compile_network(Patches()).runtime == "openvino"
        network = compile_network(Patches(), runtime="torch")
        assert (network.runtime, network.precision) == ("torch", "float32")

    def test_unknown_words_are_named_with_the_known_ones(self) -> None:
        unknown_runtime: Runtime = "tensorrt"  # type: ignore[assignment]
        unknown_precision: Precision = "int8"  # type: ignore[assignment]
        with pytest.raises(
            FreelocError, match="--runtime tensorrt is unknown: choose auto, torch or openvino"
        ):
            compile_network(Patches(), runtime=unknown_runtime)
        with pytest.raises(
            FreelocError, match="--precision int8 is unknown: choose auto, float32 or bfloat16"
        ):
            compile_network(Patches(), precision=unknown_precision)

    def test_openvino_that_cannot_be_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "openvino", None)
        with pytest.raises(FreelocError, match="OpenVINO cannot be loaded .*--runtime torch"):
            compile_network(Patches(), runtime="openvino")
        canvas = picture(64, 64)
        values = compile_network(Patches(), runtime="torch")(canvas)
        np.testing.assert_allclose(values, Patches().by_hand(canvas), atol=1e-4)


def graphs(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "graphs").iterdir())


def no_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a network that is not on disk cannot be made."""

    def refuse(*_arguments: object) -> None:
        raise AssertionError("traced again")

    monkeypatch.setattr(compile_module, "convert", refuse)


class TestKeptGraphs:
    def test_kept_and_used_again(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        backbone, canvas = Patches(), picture(64, 96)
        binary, described = graphs(cache)
        assert binary.endswith(".bin")
        assert described == binary[:-3] + "xml"
        assert backbone.fingerprint[:16] in described
        no_tracing(monkeypatch)
        values = compile_network(backbone, runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, backbone.by_hand(canvas), atol=1e-4)

    def test_other_weights_have_another_graph(self, cache: Path) -> None:
        canvas, before = picture(64, 64), graphs(cache)
        values = compile_network(Patches(1), runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, Patches(1).by_hand(canvas), atol=1e-4)
        assert set(before) < set(graphs(cache))
        assert len(graphs(cache)) == 4

    @pytest.mark.parametrize("damage", ["xml cut", "bin cut", "bin gone", "another xml"])
    def test_a_damaged_graph_is_made_anew(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch, damage: str
    ) -> None:
        backbone, canvas, names = Patches(), picture(64, 64), graphs(cache)
        binary, described = (cache / "graphs" / name for name in names)
        victim = binary if damage.startswith("bin") else described
        data = victim.read_bytes()
        victim.write_bytes(b"<net/>" if damage == "another xml" else data[: len(data) // 2])
        if damage == "bin gone":
            victim.unlink()
        values = compile_network(backbone, runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, backbone.by_hand(canvas), atol=1e-4)
        assert graphs(cache) == names
        no_tracing(monkeypatch)
        values = compile_network(backbone, runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, backbone.by_hand(canvas), atol=1e-4)

    def test_a_cache_that_cannot_be_made_costs_time_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "taken").write_text("x")
        monkeypatch.setenv("FREELOC_CACHE", str(tmp_path / "taken"))
        canvas = picture(64, 64)
        values = compile_network(Patches(), runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, Patches().by_hand(canvas), atol=1e-4)

    def test_a_read_only_cache_costs_time_only(self, empty_cache: Path) -> None:
        empty_cache.mkdir()
        if os.geteuid():
            (empty_cache / "graphs").mkdir()
            (empty_cache / "graphs").chmod(stat.S_IRUSR | stat.S_IXUSR)
        elif Path("/proc/self/task").is_dir():
            # No folder is read-only to root, but in this one nobody can make a file.
            (empty_cache / "graphs").symlink_to("/proc/self/task")
        else:
            pytest.skip("no folder here is read-only")
        canvas = picture(64, 64)
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
        canvas = picture(64, 64)
        values = compile_network(Patches(), runtime="openvino", precision="float32")(canvas)
        np.testing.assert_allclose(values, Patches().by_hand(canvas), atol=1e-4)
        assert graphs(empty_cache) == []


def test_old_graphs_are_forgotten(cache: Path) -> None:
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


def test_torch_computes_in_float32_where_it_is_asked_to_and_else_as_the_machine_likes() -> None:
    for runtime in ("auto", "openvino"):
        device, low = torch_device("float32", runtime)
        assert not low
        device, low = torch_device("auto", runtime)
        assert low == native_bfloat16(device.type)
    assert device == torch.device("cpu")  # whatever is at hand: OpenVINO keeps to the processor
