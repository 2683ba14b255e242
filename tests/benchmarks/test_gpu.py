"""The GPU benchmark works on a processor, and its results are plausible."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu
from benchmarks.cost import FlopCounter
from benchmarks.gpu import render
from benchmarks.gpu_network import Forward, largest_batch, measure_batches
from benchmarks.machine import torch_peak
from benchmarks.workload import untrained_model
from freeloc.errors import BackboneError, ConfigurationError
from freeloc.nn.backbones.registry import load_backbone
from tests.benchmarks.saved_results import sections_of

CPU = torch.device("cpu")
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    out = tmp_path_factory.mktemp("bench")
    words = ["--device", "cpu", "--quick", "--backbone", "efficientnet_lite0", "--images", "4"]
    gpu.main([*words, "--out", str(out)])
    page = (out / "benchmarks.md").read_text("utf-8")
    found: dict[str, Any] = sections_of(out)["gpu"]
    for block in render(found):
        assert block in page  # the page adds a level to headings
    return found


@pytest.fixture(scope="module")
def forward() -> Forward:
    backbone = load_backbone("efficientnet_lite0")
    return Forward(backbone, untrained_model(backbone, ("a", "b"), 8).head, "float32", CPU)


@pytest.mark.slow
def test_every_part_was_measured(section: dict[str, Any]) -> None:
    assert (section["quick"], section["device"], section["precision"]) == (True, "processor", "float32")
    rows = section["network"]["batches"]
    assert [(row["scale"], row["batch"]) for row in rows] == [(0.2, 1), (0.2, 2), (0.3, 1), (0.3, 2)]
    for row in rows:
        seconds = row["ms"]["median"] / 1e3
        assert row["canvases_per_second"] == pytest.approx(row["batch"] / seconds, rel=0.01)
    assert section["prediction"]["ms_per_image"].keys() == {"1", "2"}
    assert section["extraction"]["ms_per_image"].keys() == {"one canvas at a time", "in batches"}
    runs = section["training"]["runs"]
    assert runs.keys() == {"cached features", "no cache", "including the last stage"}
    assert all(row["loss"] > 0 for row in runs.values())
    assert "skipped" in section["network"]["graphs"]


@pytest.mark.slow
def test_batches_agree_with_single_canvases(section: dict[str, Any]) -> None:
    agreement = section["agreement"]
    assert agreement["canvases"] == 4
    assert agreement["precisions"]["float32"]["largest_score_difference"] < 1e-3
    assert agreement["precisions"]["float32"]["points_at_the_same_position"] == 100


@pytest.mark.slow
def test_an_interrupted_run_has_a_page(section: dict[str, Any]) -> None:
    parts = ("peak_gflops", "network", "prediction", "extraction", "training", "agreement", "largest")
    lengths = []
    for measured in range(len(parts) + 1):
        missing = parts[measured:]
        page = "\n".join(render({key: value for key, value in section.items() if key not in missing}))
        lengths.append(len(page))
    assert lengths == sorted(set(lengths)), "every part adds text"
    page = "\n".join(render({**section, "network": {**section["network"], "graphs": GRAPHS}}))
    assert "| 1 | 4 | 2 [1.8, 2.2] | 1 [0.9, 1.1] | 2× [1.8, 2.2] |" in page


def spread(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.1 * median}


GRAPHS = {
    "rows": [
        {
            "scale": 1.0,
            "batch": 4,
            "ms": {"launched": spread(2.0), "captured": spread(1.0)},
            "speedup": spread(2.0),
        }
    ]
}


class LittleMemory(Forward):
    """A device with memory for three canvases, which raises torch's error for more."""

    def __call__(self, canvases: torch.Tensor, masks: torch.Tensor, fields: torch.Tensor) -> object:
        if len(canvases) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return super().__call__(canvases, masks, fields)


def test_the_largest_batch_is_limited_by_memory(forward: Forward) -> None:
    assert largest_batch(forward, 0.2, 2) == {
        "scale": 0.2,
        "batch": 2,
        "limit": "larger batches than 2 were not tried",
    }
    backbone = load_backbone("efficientnet_lite0")
    head = untrained_model(backbone, ("a", "b"), 8).head
    limited = LittleMemory(backbone, head, "float32", CPU)
    assert largest_batch(limited, 0.2, 64) == {"scale": 0.2, "batch": 2, "limit": "out of memory"}
    rows = measure_batches(limited, FlopCounter(backbone, head), 1.0, scales=(0.2,), batches=(1, 4), rounds=1)
    assert [row["batch"] for row in rows] == [1]


def test_the_peak_of_a_device() -> None:
    assert torch_peak(CPU, repeats=1, side=64)["float32"] > 0


def test_it_does_not_require_openvino() -> None:
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
def test_a_missing_gpu_is_reported() -> None:
    with pytest.raises(ConfigurationError, match="--device cpu --quick"):
        gpu.main([])


def test_random_weights_replace_missing_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu._random_weights("efficientnet_lite0", tmp_path) is None

    def not_installed(*_arguments: object) -> None:
        raise BackboneError("the weights are not installed")

    with monkeypatch.context() as patch:
        patch.setattr(gpu, "load_backbone", not_installed)
        weights = gpu._random_weights("efficientnet_lite0", tmp_path)
    assert weights is not None
    random, embedded = load_backbone("efficientnet_lite0", weights), load_backbone("efficientnet_lite0")
    assert random.fingerprint != embedded.fingerprint
    assert random.layout == embedded.layout
