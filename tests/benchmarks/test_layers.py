"""Time and operations of the layers."""

from pathlib import Path

import pytest

from benchmarks.cost import FlopCounter
from benchmarks.layers import LAYER_TYPES, measure_layers, render
from benchmarks.workload import QUICK, open_workload
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases


def test_layer_types_cover_all_operations_and_all_time(tiny_coco: Path, tiny_run: Path) -> None:
    workload = open_workload(tiny_coco, tiny_run, split=None, scales=QUICK.scales, precision="float32")
    section = measure_layers(workload, QUICK)
    (network,) = section["networks"].values()
    assert network.keys() == set(LAYER_TYPES)
    assert all(row["ms"] > 0 for row in network.values())
    backbone = workload.backbone
    ((_, canvas),) = load_canvases(
        workload.paths(1)[0], Pyramid((section["scale"],)), backbone.layout, backbone.pad_color
    )
    # Counted a second time, from torch's modules.
    expected = FlopCounter(backbone, workload.model.head)(*canvas.shape[:2]).total / 1e9
    assert sum(row["gflop"] for row in network.values()) == pytest.approx(expected, rel=0.01)


def test_the_page_relates_speeds_to_the_peak_of_the_same_precision() -> None:
    row = {"ms": 10.0, "gflop": 1.0}
    section = {
        "scale": 2.8,
        "images": 8,
        "peaks": {"gflops": {"openvino": {"float32": 400.0}, "torch": {"float32": 200.0}}},
        "networks": {
            "float32": dict.fromkeys(LAYER_TYPES, row),
            "int8": {**dict.fromkeys(LAYER_TYPES, row), "other layers": {"ms": 10.0, "gflop": 0.0}},
        },
    }
    page = "\n\n".join(render(section))
    assert "In float32, 40 ms in total:" in page
    assert "| 1×1 convolutions | 10 | 25% | 1.00 | 100 (25%) |" in page
    assert "| 1×1 convolutions | 10 | 25% | 1.00 | 100 |" in page
    assert "| other layers | 10 | 25% | 0.00 |  |" in page
