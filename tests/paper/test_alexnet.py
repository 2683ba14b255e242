"""The kind of network that the paper used for VOC in every row, from a checkpoint with few channels and random weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from freeloc.datasets import Dataset
from freeloc.demo.scenes import SceneSettings, generate_scenes
from freeloc.nn.backbones.registry import load_backbone
from freeloc.paper import select_rows

pytest.importorskip("matplotlib", reason="the extra reproduce is not installed")


SHAPES = {
    "features.0": (16, 3, 11, 11),
    "features.3": (48, 16, 5, 5),
    "features.6": (96, 48, 3, 3),
    "features.8": (64, 96, 3, 3),
    "features.10": (64, 64, 3, 3),
    "classifier.1": (128, 64 * 36),
    "classifier.4": (128, 128),
    "classifier.6": (1000, 128),
}
"""Shapes of the weights by layer: those of torchvision's AlexNet, with a fraction of the channels."""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in SHAPES.items():
        # Activations keep their magnitude from layer to layer.
        deviation = math.sqrt(2 / math.prod(shape[1:]))
        state[f"{name}.weight"] = deviation * torch.randn(shape, generator=generator)
        state[f"{name}.bias"] = torch.zeros(shape[0])
    torch.save(state, tmp_path / "alexnet.pth")
    return tmp_path / "alexnet.pth"


@pytest.mark.slow
def test_every_row_runs(
    checkpoint: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    coco_of: Callable[[Dataset, Path, str], None],
    freeloc: Callable[..., Any],
) -> None:
    root = tmp_path / "data"
    for split, count, start in (("train2014", 8, 0), ("val2014", 2, 5000)):
        scenes = generate_scenes(tmp_path_factory.mktemp(split), count, SceneSettings(seed=4), start=start)
        coco_of(scenes, root, split)
    out = tmp_path / "study"
    words = ("--backbone", "alexnet", "--weights", checkpoint, "--epochs", "1", "--resamples", "5")
    answer = freeloc("reproduce", "paper-coco2014", "--root", root, "--out", out, "--quiet", *words)
    assert (answer.code, answer.err) == (0, "")
    results = json.loads((out / "results.json").read_text())
    assert (results["backbone"], results["weights"]) == ("alexnet", "alexnet.pth")
    assert results["backbone_fingerprint"] == load_backbone("alexnet", checkpoint).fingerprint
    assert [row["key"] for row in results["rows"]] == [row.key for row in select_rows(None)]
    assert {row["key"] for row in results["rows"] if row["protocol"] == "letter"} >= {
        "full",
        "weak",
        "masked",
    }
    assert "faster" not in {row["protocol"] for row in results["rows"]}
    page = (out / "report.html").read_text()
    assert f"with the weights in alexnet.pth (fingerprint {results['backbone_fingerprint'][:16]}…)" in page
