"""Int8 networks in a process of their own, as CPUs with AMX require it."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from freeloc.models.header import ModelFile
from freeloc.runtime import QuantizedGraph, int8
from freeloc.runtime.hardware import cpu_has_amx
from freeloc.runtime.int8 import compile_in_process, compile_quantized
from freeloc.runtime.isolated_network import IsolatedNetwork
from freeloc.runtime.openvino_backend import OpenVinoNetwork
from tests.runtime.networks import FACTOR, smooth_image
from tests.runtime.processes import number

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads the processes of Linux")

# All canvas shapes whose rows of cells ended the process on CPUs with AMX, and some others.
SIDES = (3, 8, 17, 19, 23, 29, 31, 37, 41, 43)

IN_ONE_PROCESS = """
import sys
from pathlib import Path
import numpy as np
from freeloc.runtime.int8 import QuantizedGraph, compile_in_process

folder = Path(sys.argv[1])
graph = QuantizedGraph((folder / "graph.xml").read_bytes(), (folder / "graph.bin").read_bytes())
network = compile_in_process(graph, streams=None if sys.argv[2] == "None" else int(sys.argv[2]))
inputs = dict(np.load(folder / "inputs.npz"))
outputs = {}
for name, canvas in inputs.items():
    for index, values in enumerate(network.run(canvas, np.full((1, 1), 0.5, np.float32))):
        outputs[f"{name} {index}"] = values
np.savez(folder / "outputs.npz", **outputs)
"""

SWEEP = """
import sys
import numpy as np
from freeloc.models.header import ModelFile
from freeloc.geometry.grid import Grid
from freeloc.runtime.int8 import compile_quantized

file = ModelFile.open(sys.argv[1])
network = compile_quantized(file.int8_graph(), streams=1)
stride = file.header.layout.stride
rng = np.random.default_rng(0)
for rows in range(3, 45):
    for cols in range(3, 45):
        canvas = rng.integers(0, 256, (rows * stride, cols * stride, 3), dtype=np.uint8)
        mask = np.zeros((rows, cols), np.float32)
        field = np.zeros((rows, cols, 2), np.float32)
        for values in network.run(canvas, mask, field):
            assert np.isfinite(values).all(), (rows, cols)
        print(rows, cols, flush=True)
"""


class TestTheResults:
    @pytest.mark.parametrize("streams", [1, 2, None])
    def test_they_are_those_of_one_process_with_the_same_instructions(
        self, graph: QuantizedGraph, graph_folder: Path, streams: int | None
    ) -> None:
        rng = np.random.default_rng(0)
        canvases = {
            f"{rows} {cols}": rng.integers(0, 256, (32 * rows, 32 * cols, 3), dtype=np.uint8)
            for rows, cols in zip(SIDES, reversed(SIDES), strict=True)
        }
        np.savez(graph_folder / "inputs.npz", allow_pickle=False, **canvases)
        subprocess.run(
            [sys.executable, "-c", IN_ONE_PROCESS, graph_folder, str(streams)],
            env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
            check=True,
        )
        network = compile_quantized(graph, streams=streams, isolated=True)
        with np.load(graph_folder / "outputs.npz") as wanted:
            for name, canvas in canvases.items():
                outputs = network.run(canvas, FACTOR)
                assert len(outputs) == 2
                for index, values in enumerate(outputs):
                    np.testing.assert_array_equal(values, wanted[f"{name} {index}"])
                    assert values.dtype == np.float32
                    assert values.flags.writeable
                    assert float(np.ptp(values)) > 0

    def test_it_looks_like_the_network_of_this_process(
        self, network: IsolatedNetwork, graph: QuantizedGraph
    ) -> None:
        for streams in (1, None):
            isolated = compile_quantized(graph, streams=streams, isolated=True)
            here = compile_in_process(graph, streams=streams)
            for name in ("runtime", "precision", "threads", "batch"):
                assert getattr(isolated, name) == getattr(here, name), name
        canvases = [smooth_image(96, 128, seed) for seed in range(3)]
        many = network.run_many(canvases, [(FACTOR,)] * 3)
        for canvas, outputs in zip(canvases, many, strict=True):
            np.testing.assert_array_equal(outputs[0], network.run(canvas, FACTOR)[0])

    def test_a_view_of_a_larger_array_is_a_canvas_too(self, network: IsolatedNetwork) -> None:
        large = smooth_image(192, 256)
        view = large[::2, 64:192]
        np.testing.assert_array_equal(
            network.run(view, FACTOR)[0], network.run(np.ascontiguousarray(view), FACTOR)[0]
        )

    @pytest.mark.parametrize("streams", [1, 2, None])
    def test_threads_side_by_side_get_their_own_results(
        self, graph: QuantizedGraph, streams: int | None
    ) -> None:
        network = compile_quantized(graph, streams=streams, isolated=True)
        canvases = [smooth_image(32 * (1 + seed % 5), 96, seed) for seed in range(60)]
        alone = [network.run(canvas, FACTOR) for canvas in canvases]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda canvas: network.run(canvas, FACTOR), canvases))
        for one, other in zip(alone, together, strict=True):
            for values, same in zip(one, other, strict=True):
                np.testing.assert_array_equal(values, same)


class TestWhereItRuns:
    def test_only_that_process_is_held_to_vnni(
        self, graph: QuantizedGraph, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for chosen, wanted in (
            (None, "AVX512_CORE_VNNI"),
            ("ALL", "AVX512_CORE_VNNI"),
            ("AVX512_CORE_AMX", "AVX512_CORE_VNNI"),
            ("avx2", "AVX2"),  # a user who chose less keeps it
        ):
            if chosen is not None:
                monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", chosen)
            before = dict(os.environ)
            network = compile_quantized(graph, isolated=True)
            assert isinstance(network, IsolatedNetwork)
            environment = Path(f"/proc/{number(network)}/environ").read_bytes().split(b"\0")
            assert [item for item in environment if item.startswith(b"ONEDNN_MAX_CPU_ISA=")] == [
                f"ONEDNN_MAX_CPU_ISA={wanted}".encode()
            ]
            assert dict(os.environ) == before

    def test_the_cpu_decides(self, graph: QuantizedGraph, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(int8, "cpu_has_amx", lambda: True)
        assert isinstance(compile_quantized(graph), IsolatedNetwork)
        assert isinstance(compile_quantized(graph, isolated=False), OpenVinoNetwork)
        monkeypatch.setattr(int8, "cpu_has_amx", lambda: False)
        assert isinstance(compile_quantized(graph), OpenVinoNetwork)

    def test_modules_in_the_working_directory_are_not_imported(
        self, graph: QuantizedGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("json", "numpy", "openvino", "freeloc", "signal"):
            (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working directory')")
        monkeypatch.chdir(tmp_path)
        assert compile_quantized(graph, isolated=True).run(smooth_image(64, 64), FACTOR)[0].shape == (
            16,
            2,
            2,
        )

    @pytest.mark.slow
    @pytest.mark.skipif(not cpu_has_amx(), reason="this CPU has no AMX, so no shape of canvas is in danger")
    def test_every_shape_of_canvas(self, tiny_int8: Path) -> None:
        swept = subprocess.run(
            [sys.executable, "-c", SWEEP, tiny_int8], capture_output=True, text=True, check=False
        )
        assert swept.returncode == 0, (swept.stdout.splitlines()[-1:], swept.stderr)
        assert len(swept.stdout.splitlines()) == 42 * 42

    def test_the_dangerous_shapes_of_a_real_network(
        self, tiny_int8: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The sweep of a CPU with AMX in small, wherever the tests run."""
        monkeypatch.setattr(int8, "cpu_has_amx", lambda: True)
        file = ModelFile.open(tiny_int8)
        real = file.int8_graph()
        assert real is not None
        assert file.header.layout is not None
        network = compile_quantized(real)
        stride = file.header.layout.stride
        for rows in (17, 43):
            canvas = smooth_image(rows * stride, 5 * stride)
            values, maxima, aligned, detail = network.run(
                canvas, np.zeros((rows, 5), np.float32), np.zeros((4, 6, 2), np.float32)
            )
            assert values.shape[1:] == (rows, 5)
            assert aligned.shape[1:] == (4, 6)
            assert len(maxima) == len(file.header.classes)
            assert detail.shape[1:] == (2 * rows, 10)
