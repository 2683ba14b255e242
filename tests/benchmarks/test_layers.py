"""Where the time goes, layer by layer."""

import json
from pathlib import Path

import pytest

from benchmarks.flops import FlopsOf
from benchmarks.layers import KINDS, main, measure_layers
from benchmarks.layers_page import layers_blocks
from benchmarks.settings import QUICK
from benchmarks.subject import open_subject
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases


def test_the_layers_hold_all_operations_and_all_of_the_time(tiny_coco: Path, tiny_run: Path) -> None:
    subject = open_subject(tiny_coco, tiny_run, split=None, scales=QUICK.scales, precision="float32")
    section = measure_layers(subject, QUICK)
    (network,) = section["networks"].values()
    assert network.keys() == set(KINDS)
    assert all(kind["ms"] > 0 for kind in network.values())
    ((_, canvas),) = load_canvases(
        subject.paths(1)[0], Pyramid((section["scale"],)), subject.backbone.layout, subject.backbone.pad_color
    )
    # Counted another way: from torch's modules.
    expected = FlopsOf(subject.backbone, subject.model.head)(*canvas.shape[:2]).total / 1e9
    assert sum(kind["gflop"] for kind in network.values()) == pytest.approx(expected, rel=0.01)


def test_both_networks_are_told(tiny_coco: Path, tiny_int8: Path, tmp_path: Path) -> None:
    words = ["--quick", "--data", str(tiny_coco), "--split", "instances", "--out", str(tmp_path)]
    main([*words, "--model", str(tiny_int8)])
    section = json.loads((tmp_path / "benchmarks.json").read_text("utf-8"))["layers"]
    assert "int8" in section["networks"]
    assert len(section["networks"]) == 2
    page = "\n".join(layers_blocks(section))
    assert page in (tmp_path / "benchmarks.md").read_text("utf-8").replace("\n\n", "\n")
    assert "In int8," in page
