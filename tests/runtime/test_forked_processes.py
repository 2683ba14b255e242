"""Networks in processes created by ``os.fork`` after the parent process has used them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from freeloc.runtime import Runtime

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

FORK = """
import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import compile_network

runtime, created = sys.argv[1:]
torch.set_num_threads(2)  # with one thread, nothing ever waits
backbone = load_backbone("lite0")
canvas = np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)

def compile():
    return [compile_network(backbone, runtime=runtime, precision="float32", streams=streams) for streams in (1, None)]

def values(networks):
    with ThreadPoolExecutor(2) as pool:
        return [array for network in networks for array in pool.map(network, [canvas] * 3)]

networks = compile()
wanted = values(networks)

def child():
    for array, same in zip(values(networks if created == "before" else compile()), wanted, strict=True):
        np.testing.assert_allclose(array, same, rtol=1e-3, atol=1e-3)
    assert torch.get_num_threads() == 1

# The system ends the threads of the pool a moment after Python, and MKL does not survive a fork in that moment.
time.sleep(0.5)
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join()
values(networks)  # the parent computes as before
assert torch.get_num_threads() == 2
assert process.exitcode == 0, process.exitcode
"""


@pytest.mark.parametrize("created", ["before", "after"])
@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_a_forked_process_computes_what_its_parent_does(runtime: Runtime, created: str) -> None:
    # The tests' own setting makes threads end later; see FORK.
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, runtime, created], check=True, env=environment
    )
