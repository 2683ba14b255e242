"""The page is made from the JSON, and parts do not tread on each other."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.page import render_page
from benchmarks.record import load_record, render_again, update_record
from freeloc.errors import FreelocError


def spread(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.1 * median}


MACHINE = {
    "machine": {
        "processor": "Some Processor",
        "cores": 2,
        "flags": ["avx2"],
        "system": "Linux",
        "versions": {"torch": "2.8"},
    },
    "ceiling": {
        "matrix_side": 2048,
        "gflops": {"openvino": {"float32": 100.0}, "torch": {"float32": 90.0}},
        "copy_gbytes_per_second": 20.0,
    },
}
ROW = {
    "gflop": {"body": 4.0, "projection": 0.2, "head": 1.1},
    "ms": {name: spread(10.0) for name in ("body", "backbone", "maps", "maps512")},
    "share_of_peak": 0.53,
    "maps_over_backbone": spread(1.2),
    "maps_over_body": spread(1.3),
    "maps512_over_body": spread(1.1),
}
PREDICTION: dict[str, Any] = {
    "quick": False,
    **MACHINE,
    "subject": {
        "data": "VOC val",
        "images": 9,
        "backbone": "efficientnet_lite2",
        "hidden": 2048,
        "classes": 20,
        "trained": True,
        "scales": [0.5, 1.0],
    },
    "throughput": {
        "images": 4,
        "rounds": 3,
        "ms_per_image": {
            "freeloc, predict_many": spread(250.0),
            "torch float32 eager, padded to squares": spread(2500.0),
        },
        "times_faster": {
            "freeloc, predict_many": {"torch float32 eager, padded to squares": spread(10.0)},
            "freeloc int8, predict_many": {"torch float32 eager, padded to squares": spread(15.0)},
        },
    },
    "peers": {
        "images": 2,
        "rounds": 3,
        "ms_per_image": {"freeloc, one scale": spread(20.0), "torchcam Grad-CAM, tuned": spread(120.0)},
        "times_faster": {
            "freeloc, one scale": {"torchcam Grad-CAM, tuned": spread(6.0)},
            "freeloc, one scale in int8": {"torchcam Grad-CAM, tuned": spread(8.0)},
        },
        "all_scales_against_one_class": {
            "freeloc, all scales": {"pytorch-grad-cam, tuned (one class)": spread(0.7)}
        },
        "problems": ["grad-cam was not measured, it cannot be imported: pip install --group bench"],
    },
    "peer_accuracy": {
        "images": 4,
        "rows": {"freeloc, one scale": {"location": 88.0, "classification": 92.0}},
        "problems": [],
    },
    "networks": {
        "images": 2,
        "precision": "float32",
        "peak_gflops": 100.0,
        "scales": {"0.5": ROW, "all": ROW},
    },
    "stages": {
        "images": 2,
        "ms_per_image": {"decode": spread(5.0), "inference": spread(45.0), "whole": spread(50.0)},
    },
    "agreement": {
        "images": 4,
        "points_within_one_cell": {
            "paper, cell of the winning scale": {"all_classes": 99.51, "present_classes": 100.0}
        },
        "largest_score_difference": 0.01,
        "map": {"classification": {"freeloc": 93.9, "torch_float32": 93.88, "difference": 0.02}},
    },
}
FRONTIER: dict[str, Any] = {
    "quick": False,
    **MACHINE,
    "images": 4,
    "points": [
        {
            "backbone": "efficientnet_lite2",
            "scales": [0.7, 1.4],
            "preset": "fast",
            "ms": 123.4,
            "classification": 93.0,
            "location": 90.05,
            "pointing": 95.0,
            "on_frontier": True,
        },
        {
            "backbone": "efficientnet_lite2",
            "scales": [0.7, 1.4, 2.0],
            "glance": 2,
            "preset": "balanced",
            "ms": 234.5,
            "classification": 94.0,
            "location": 92.05,
            "pointing": 96.0,
            "on_frontier": True,
        },
        {
            "backbone": "efficientnet_lite2",
            "scales": [2.8],
            "preset": None,
            "ms": 999.0,
            "classification": 80.0,
            "location": 70.0,
            "pointing": 75.0,
            "on_frontier": False,
        },
    ],
}


def tables(page: str) -> list[list[list[str]]]:
    """Every table's rows, every row's cells."""
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", page, flags=re.MULTILINE)
    return [[line.strip("|").split("|") for line in block.strip().splitlines()] for block in blocks]


def test_the_page_holds_every_figure() -> None:
    page = render_page({"schema_version": 1, "prediction": PREDICTION, "frontier": FRONTIER})
    for words in (
        "Some Processor, 2 cores, Linux",
        "| 2048×2048 matrix product, openvino, float32 | 100 GFLOP/s |",
        "| images per second over torch float32 eager on squares | ≥ 8× | 10× [9, 11] |",
        "| all classes, one scale: over torchcam Grad-CAM, tuned | ≥ 4× | 6× [5.4, 6.6] |",
        "pytorch-grad-cam, tuned (one class) at one scale | > 1× | 0.7× [0.63, 0.77] |",
        "> grad-cam was not measured",
        "| freeloc, predict_many | 4.00 | 250 [225, 275] |  |  |",
        "on squares in int8 | ≥ 8× | 15× [13.5, 16.5] |",
        "| all classes, one scale in int8: over torchcam Grad-CAM, tuned | ≥ 4× | 8× [7.2, 8.8] |",
        "| 0.5 | 4.00 | 0.20 | 1.10 | 10 [9, 11] | 53% |",
        "| inference | 45 [40.5, 49.5] | 90% |",
        "| classification | 93.90 | 93.88 | +0.02 |",
        "| efficientnet_lite2 | 0.7, 1.4 | `fast` | 123 | 90.0 | 93.0 | 95.0 |",
        "| efficientnet_lite2 | 0.7, 1.4; in doubt 2 | `balanced` | 234 | 92.0 | 94.0 | 96.0 |",
        "(frontier.svg)",
    ):
        assert words in page, words
    assert "999" not in page, "what is not on the frontier stays in the JSON"
    assert "quick run" not in page


def test_a_preset_that_is_beaten_is_shown_all_the_same() -> None:
    first, _, last = FRONTIER["points"]
    page = render_page({"frontier": {**FRONTIER, "points": [first, {**last, "preset": "best"}]}})
    assert "| efficientnet_lite2 | 2.8 | `best` (beaten) | 999 |" in page


def test_every_table_is_one() -> None:
    page = render_page({"prediction": PREDICTION, "frontier": FRONTIER})
    found = tables(page)
    assert len(found) == 12
    for table in found:
        assert len({len(row) for row in table}) == 1
        assert len(table) >= 3


def test_what_was_left_out_is_said() -> None:
    skipped = {"skipped": "no trained model was given: --model FILE"}
    page = render_page(
        {"prediction": {**PREDICTION, "quick": True, "agreement": skipped, "peer_accuracy": skipped}}
    )
    assert page.count("no trained model was given") == 2
    assert "these figures mean nothing" in page


def test_a_part_replaces_its_own_section_only(tmp_path: Path) -> None:
    update_record(tmp_path, "prediction", PREDICTION)
    update_record(tmp_path, "frontier", FRONTIER)
    update_record(tmp_path, "prediction", {**PREDICTION, "quick": True})
    record = load_record(tmp_path)
    assert record["frontier"] == json.loads(json.dumps(FRONTIER))
    assert record["prediction"]["quick"] is True
    page = tmp_path / "benchmarks.md"
    assert page.read_text("utf-8") == render_page(record)
    page.unlink()
    render_again(tmp_path)
    assert page.read_text("utf-8") == render_page(record)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 99}'])
def test_a_strange_record_is_not_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "benchmarks.json").write_text(text)
    with pytest.raises(FreelocError, match=r"benchmarks\.json is .*measure again"):
        update_record(tmp_path, "prediction", PREDICTION)
    assert (tmp_path / "benchmarks.json").read_text() == text
