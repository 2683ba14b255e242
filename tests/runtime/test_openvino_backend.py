"""Networks run by OpenVINO from several threads."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from freeloc.runtime import Runtime, compile_network, openvino_backend
from freeloc.runtime.openvino_backend import OpenVinoNetwork
from tests.runtime.networks import Patches, smooth_image

FIRST_AT_ONCE = """
import threading
import numpy as np
from openvino import Model, Type, opset13 as ops
from freeloc.runtime.openvino_backend import OpenVinoNetwork

canvas = ops.parameter([1, 8, 8, 3], Type.u8)
network = OpenVinoNetwork(Model([ops.convert(canvas, Type.f32)], [canvas]), "float32", streams=None)
image = np.ones((8, 8, 3), np.uint8)
barrier = threading.Barrier(8)

def infer():
    barrier.wait()
    assert (network(image) == 1).all()

threads = [threading.Thread(target=infer) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


INTERRUPTED = """
import gc
import os
import signal
import time

import numpy as np
from freeloc.runtime.openvino_backend import OpenVinoNetwork
from freeloc.runtime.openvino_import import load_openvino

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests run in the background
load_openvino()
from openvino import Model, Type, opset13 as ops

def network():
    canvas = ops.parameter([1, 8, 8, 3], Type.u8)
    return OpenVinoNetwork(Model([ops.convert(canvas, Type.f32)], [canvas]), "float32", streams=1)

networks = [network() for _ in range(3)]
for made in networks:
    made(np.ones((8, 8, 3), np.uint8))
while networks:
    del networks[0], made
    made = None
    gc.collect()
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_after_networks_were_deleted_interrupts() -> None:
    """OpenVINO may leave signal handlers a stack that it has freed."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


class TestManyThreads:
    @pytest.mark.parametrize("who", ["torch", "openvino"])
    @pytest.mark.parametrize("streams", [1, 2, None])
    def test_threads_side_by_side_get_their_own_results(
        self, cache: Path, who: Runtime, streams: int | None
    ) -> None:
        backbone = Patches()
        network = compile_network(backbone, runtime=who, precision="float32", streams=streams)
        canvases = [smooth_image(32 * (1 + seed % 4), 64, seed) for seed in range(24)]
        with ThreadPoolExecutor(network.threads + 2) as pool:
            for canvas, values in zip(canvases, pool.map(network, canvases), strict=True):
                np.testing.assert_allclose(values, backbone.by_hand(canvas), atol=1e-4)

    def test_the_first_inferences_of_a_process_may_come_at_once(self) -> None:
        """Unless its binding has been initialized, OpenVINO may deadlock, in one of six tries on a busy
        machine."""
        for _ in range(3):
            subprocess.run([sys.executable, "-c", FIRST_AT_ONCE], check=True, timeout=120)

    def test_threads_that_come_and_go_share_requests(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        network = compile_network(Patches(), runtime="openvino", precision="float32", streams=2)
        assert isinstance(network, OpenVinoNetwork)
        for seed in range(6):
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(network, [smooth_image(64, 64, seed), smooth_image(32, 64, seed)]))
        assert 1 <= network._idle_requests.qsize() <= 2

    def test_there_are_as_many_streams_as_asked_for_and_cores(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(openvino_backend, "usable_cores", lambda: 5)
        # With a single stream, two threads call: one decodes while the other computes.
        for asked, streams, threads in ((None, 5, 5), (1, 1, 2), (2, 2, 2), (9, 5, 5)):
            network = compile_network(Patches(), runtime="openvino", streams=asked)
            assert (network.streams, network.threads) == (streams, threads)
