"""The process of an int8 network: how it ends, and what is said if it cannot run."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from freeloc.errors import ModelError
from freeloc.runtime import QuantizedGraph, cpu_supports_int8, hardware
from freeloc.runtime.int8 import compile_in_process, compile_quantized
from freeloc.runtime.isolated_network import IsolatedNetwork
from freeloc.runtime.worker_process import worker_executable
from tests.runtime.networks import FACTOR, smooth_image
from tests.runtime.processes import has_ended, number, wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads the processes of Linux")

OWNER = """
import signal
from freeloc.runtime.int8 import QuantizedGraph
from freeloc.runtime.isolated_network import IsolatedNetwork
import sys
from pathlib import Path

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests run in the background
folder = Path(sys.argv[1])
graph = QuantizedGraph((folder / "graph.xml").read_bytes(), (folder / "graph.bin").read_bytes())
network = IsolatedNetwork(graph, streams=1)
print(network._worker._process.pid, flush=True)
signal.pause()
"""


INTERRUPTED = """
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
from freeloc.runtime.int8 import QuantizedGraph
from freeloc.runtime.isolated_network import IsolatedNetwork

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests run in the background
folder, factor = Path(sys.argv[1]), np.ones((1, 1), np.float32)
graph = QuantizedGraph((folder / "graph.xml").read_bytes(), (folder / "graph.bin").read_bytes())
network = IsolatedNetwork(graph, streams=1)
canvas = np.arange(64 * 96 * 3).astype(np.uint8).reshape(64, 96, 3)
large = np.zeros((1024, 1024, 3), np.uint8)
before = network.run(canvas, factor)[0]
sending = network._worker._sending
os.kill(network._worker._process.pid, signal.SIGSTOP)  # nobody reads, so only a part of the request is written

def interrupt():
    while not sending.locked():
        pass
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    network.run(large, factor)
except KeyboardInterrupt:
    np.testing.assert_array_equal(network.run(canvas, factor)[0], before)
    print("interrupted")
"""


class TestHowItEnds:
    def test_a_killed_process_is_started_again(self, network: IsolatedNetwork) -> None:
        canvas = smooth_image(64, 96)
        before = network.run(canvas, FACTOR)
        first = number(network)
        os.kill(first, signal.SIGKILL)
        for values, same in zip(before, network.run(canvas, FACTOR), strict=True):
            np.testing.assert_array_equal(values, same)
        assert number(network) != first

    def test_a_process_killed_while_it_computes_is_started_again(self, network: IsolatedNetwork) -> None:
        canvases = [smooth_image(64, 96, seed) for seed in range(4)]
        before = [network.run(canvas, FACTOR)[0] for canvas in canvases]
        first = network._worker
        os.kill(first._process.pid, signal.SIGSTOP)  # so that all four requests are sure to be waiting
        with ThreadPoolExecutor(4) as pool:
            results = [pool.submit(network.run, canvas, FACTOR) for canvas in canvases]
            wait_until(lambda: len(first._inbox._waiting) == 4)
            os.kill(first._process.pid, signal.SIGKILL)
            for values, result in zip(before, results, strict=True):
                np.testing.assert_array_equal(values, result.result()[0])

    def test_a_canvas_that_ends_the_process_twice_is_an_error(self, network: IsolatedNetwork) -> None:
        done = threading.Event()

        def kill_whatever_computes() -> None:
            while not done.is_set():
                worker = network._worker
                if worker._inbox._waiting:
                    worker._process.kill()

        killer = threading.Thread(target=kill_whatever_computes)
        killer.start()
        try:
            with pytest.raises(
                ModelError, match=r"ended unexpectedly, and again .*SIGKILL.*precision"
            ) as caught:
                network.run(smooth_image(4096, 4096), FACTOR)
        finally:
            done.set()
            killer.join()
        assert caught.value.parameter == "precision"
        assert network.run(smooth_image(64, 64), FACTOR)[0].shape == (16, 2, 2), "the next canvas is computed"

    def test_it_ends_with_its_network(self, graph: QuantizedGraph) -> None:
        network = compile_quantized(graph, isolated=True)
        assert isinstance(network, IsolatedNetwork)
        process = number(network)
        network.run(smooth_image(64, 64), FACTOR)
        del network
        gc.collect()
        wait_until(lambda: has_ended(process))

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_it_ends_with_the_process_that_started_it(self, graph_folder: Path, how: signal.Signals) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", OWNER, graph_folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as owner:
            assert owner.stdout is not None
            process = int(owner.stdout.readline())
            assert not has_ended(process)
            owner.send_signal(how)
        wait_until(lambda: has_ended(process))

    def test_ctrl_c_in_the_middle_of_a_request_leaves_a_usable_network(self, graph_folder: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED, graph_folder], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr

    def test_a_forked_process_starts_its_own(self, network: IsolatedNetwork) -> None:
        canvas = smooth_image(64, 96)
        wanted = network.run(canvas, FACTOR)[0]
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")

        def child() -> None:
            with ThreadPoolExecutor(3) as pool:
                results = [values[0] for values in pool.map(lambda _: network.run(canvas, FACTOR), range(3))]
            there.send((number(network), results))

        parent_process = number(network)
        children = [context.Process(target=child) for _ in range(2)]
        for process in children:
            process.start()
        received = [here.recv() for _ in children]
        np.testing.assert_array_equal(network.run(canvas, FACTOR)[0], wanted)
        for process in children:
            process.join()
            assert process.exitcode == 0
        assert len({parent_process, *(item[0] for item in received)}) == 3
        for child_process, results in received:
            for values in results:
                np.testing.assert_array_equal(values, wanted)
            wait_until(partial(has_ended, child_process))
        assert number(network) == parent_process

    def test_a_forked_process_does_not_keep_it_alive(self, graph: QuantizedGraph) -> None:
        network = compile_quantized(graph, isolated=True)
        assert isinstance(network, IsolatedNetwork)
        here, there = multiprocessing.Pipe()

        def stay() -> None:
            there.send("ready")
            there.recv()

        child = multiprocessing.get_context("fork").Process(target=stay)
        child.start()
        try:
            assert here.recv() == "ready"
            files = [str(item.readlink()) for item in Path(f"/proc/{child.pid}/fd").iterdir()]
            pipe = str(Path(f"/proc/self/fd/{network._worker._requests.fileno()}").readlink())
            assert pipe.startswith("pipe:")
            assert pipe not in files
        finally:
            here.send(None)
            child.join()


class TestErrors:
    def test_a_graph_that_openvino_cannot_read(self) -> None:
        with pytest.raises(ModelError) as there:
            compile_quantized(QuantizedGraph(b"<net/>", b""), isolated=True)
        with pytest.raises(ModelError) as here:
            compile_in_process(QuantizedGraph(b"<net/>", b""))
        assert str(there.value) == str(here.value)
        assert there.value.parameter == here.value.parameter == "precision"

    def test_inputs_that_do_not_fit(self, network: IsolatedNetwork, graph: QuantizedGraph) -> None:
        wrong = np.ones((3, 5), np.float32)
        with pytest.raises(ModelError, match="cannot run the network: .*choose another precision$") as there:
            network.run(smooth_image(64, 64), wrong)
        with pytest.raises(ModelError) as here:
            compile_in_process(graph).run(smooth_image(64, 64), wrong)
        assert str(there.value) == str(here.value)
        assert network.run(smooth_image(64, 64), FACTOR)[0].shape == (16, 2, 2)

    def test_no_interpreter_can_be_started(
        self, graph: QuantizedGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from multiprocessing import spawn

        monkeypatch.setattr(spawn, "_python_exe", str(tmp_path / "missing"))
        with pytest.raises(ModelError, match=r"cannot be started .*missing.*choose another precision"):
            compile_quantized(graph, isolated=True)

    def test_an_interpreter_that_fails_tells_why(
        self, graph: QuantizedGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from multiprocessing import spawn

        broken = tmp_path / "python"
        broken.write_text("#!/bin/sh\necho this interpreter is broken >&2\nexit 3\n")
        broken.chmod(0o755)
        monkeypatch.setattr(spawn, "_python_exe", str(broken))
        with pytest.raises(
            ModelError, match=r"cannot be started \(exit code 3: this interpreter is broken\)"
        ):
            compile_quantized(graph, isolated=True)

    def test_a_frozen_application_is_not_started_again(
        self, graph: QuantizedGraph, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert cpu_supports_int8() == hardware.cpu_has_vnni()
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        assert worker_executable() is None
        with pytest.raises(ModelError, match="choose another precision"):
            compile_quantized(graph, isolated=True)
        monkeypatch.setattr(hardware, "cpu_has_amx", lambda: True)
        assert not cpu_supports_int8(), "presets use the float network instead"
