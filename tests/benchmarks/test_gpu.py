"""The benchmark of a GPU runs through on a processor, and what it writes makes sense."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu
from benchmarks.flops import FlopsOf
from benchmarks.gpu_network import Forward, largest_batch, measure_batches
from benchmarks.gpu_page import gpu_blocks
from benchmarks.machine import torch_peak
from benchmarks.subject import fresh_model
from freeloc.errors import FreelocError
from freeloc.nn.backbones.registry import load_backbone

CPU = torch.device("cpu")
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if torch.cuda.is_available():
        pytest.skip("here is a GPU")
    out = tmp_path_factory.mktemp("bench")
    words = ["--device", "cpu", "--quick", "--backbone", "efficientnet_lite0", "--images", "4"]
    gpu.main([*words, "--out", str(out)])
    page = (out / "benchmarks.md").read_text("utf-8")
    found: dict[str, Any] = json.loads((out / "benchmarks.json").read_text("utf-8"))["gpu"]
    assert "\n\n".join(gpu_blocks(found)) in page
    return found


@pytest.fixture(scope="module")
def forward() -> Forward:
    backbone = load_backbone("efficientnet_lite0")
    return Forward(backbone, fresh_model(backbone, ("a", "b"), 8).head, "float32", CPU)


@pytest.mark.slow
def test_every_part_was_measured(section: dict[str, Any]) -> None:
    assert (section["quick"], section["device"], section["precision"]) == (True, "processor", "float32")
    rows = section["network"]["batches"]
    assert [(row["scale"], row["batch"]) for row in rows] == [(0.2, 1), (0.2, 2), (0.3, 1), (0.3, 2)]
    for row in rows:
        seconds = row["ms"]["median"] / 1e3
        assert row["canvases_per_second"] == pytest.approx(row["batch"] / seconds, rel=0.01)
    assert section["prediction"]["ms_per_image"].keys() == {"1", "2"}
    assert section["extraction"]["ms_per_image"].keys() == {"one at a time", "in batches"}
    ways = section["training"]["ways"]
    assert ways.keys() == {"from the cache", "without a cache", "the last stage as well"}
    assert all(way["loss"] > 0 for way in ways.values())
    assert "skipped" in section["network"]["graphs"]


@pytest.mark.slow
def test_batches_agree_with_one_by_one(section: dict[str, Any]) -> None:
    agreement = section["agreement"]
    assert agreement["canvases"] == 4
    assert agreement["precisions"]["float32"]["largest_score_difference"] < 1e-3
    assert agreement["precisions"]["float32"]["points_at_the_same_place"] == 100


@pytest.mark.slow
def test_a_run_that_was_cut_off_has_a_page(section: dict[str, Any]) -> None:
    parts = ("peak_gflops", "network", "prediction", "extraction", "training", "agreement", "largest")
    lengths = []
    for there in range(len(parts) + 1):
        left_out = parts[there:]
        page = "\n".join(gpu_blocks({key: value for key, value in section.items() if key not in left_out}))
        lengths.append(len(page))
    assert lengths == sorted(set(lengths)), "every part adds something"
    page = "\n".join(gpu_blocks({**section, "network": {**section["network"], "graphs": GRAPHS}}))
    assert "| 1 | 4 | 2 [1.8, 2.2] | 1 [0.9, 1.1] | 2× [1.8, 2.2] |" in page


def spread(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.1 * median}


GRAPHS = {
    "rows": [
        {
            "scale": 1.0,
            "batch": 4,
            "ms": {"launched": spread(2.0), "captured": spread(1.0)},
            "times_faster": spread(2.0),
        }
    ]
}


class Cramped(Forward):
    """A device with room for three canvases; torch's own error tells when there are more."""

    def __call__(self, canvases: torch.Tensor, masks: torch.Tensor, fields: torch.Tensor) -> object:
        if len(canvases) > 3:
            raise torch.OutOfMemoryError("no room")
        return super().__call__(canvases, masks, fields)


def test_the_largest_batch_is_where_memory_ends(forward: Forward) -> None:
    assert largest_batch(forward, 0.2, 2) == {
        "scale": 0.2,
        "batch": 2,
        "ended_by": "no more than 2 were tried",
    }
    backbone = load_backbone("efficientnet_lite0")
    head = fresh_model(backbone, ("a", "b"), 8).head
    cramped = Cramped(backbone, head, "float32", CPU)
    assert largest_batch(cramped, 0.2, 64) == {"scale": 0.2, "batch": 2, "ended_by": "no more memory"}
    rows = measure_batches(cramped, FlopsOf(backbone, head), 1.0, scales=(0.2,), batches=(1, 4), rounds=1)
    assert [row["batch"] for row in rows] == [1]


def test_the_peak_of_a_device() -> None:
    assert torch_peak(CPU, repeats=1, side=64)["float32"] > 0


def test_it_needs_no_openvino() -> None:
    code = "import sys; sys.modules['openvino'] = None; import benchmarks.gpu"
    path = os.pathsep.join([str(Path(gpu.__file__).parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@without_gpu
def test_a_machine_without_a_gpu_is_told() -> None:
    with pytest.raises(FreelocError, match="--device cpu --quick"):
        gpu.main([])


def test_random_weights_stand_in_for_missing_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu._random_weights("efficientnet_lite0", tmp_path) is None

    def not_installed(*_arguments: object) -> None:
        raise FreelocError("the weights are not installed")

    with monkeypatch.context() as patch:
        patch.setattr(gpu, "load_backbone", not_installed)
        weights = gpu._random_weights("efficientnet_lite0", tmp_path)
    assert weights is not None
    random, embedded = load_backbone("efficientnet_lite0", weights), load_backbone("efficientnet_lite0")
    assert random.fingerprint != embedded.fingerprint
    assert random.layout == embedded.layout
