"""Speed, memory and disk: what is measured, how results of several machines are kept, and the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import speed
from benchmarks.results import load_results, render_speed_page
from benchmarks.speed import Processes, measure_installation, measure_prediction, run_training, write_tags
from benchmarks.speed_page import render
from freeloc.datasets import Dataset, open_dataset

MACHINE = {
    "processor": "Some Processor",
    "cores": 2,
    "flags": ["avx512_bf16"],
    "versions": {"torch": "2.8+cpu"},
}


@pytest.mark.slow
def test_prediction_is_measured_with_an_empty_and_a_filled_cache(
    tiny_run: Path, tiny_scenes: Dataset
) -> None:
    images = [sample.path for sample in tiny_scenes.samples[:4]]
    model = tiny_run / "model.safetensors"
    measured = measure_prediction(Processes("float32"), model, images, rounds=1, presets=("fast",))
    row = measured["precisions"]["float32"]
    # The first run builds the network, for which it loads torch.
    assert 0 < row["later_run_seconds"]["median"] < row["first_run_seconds"]
    assert row["graph_mb"] > 1
    assert row["presets"].keys() == {"fast"}
    assert 50 < row["presets"]["fast"]["peak_mb"] < 4000


@pytest.mark.slow
def test_the_stages_of_training_are_measured(tiny_training: Dataset, tmp_path: Path) -> None:
    few = replace(tiny_training, samples=tiny_training.samples[:6])
    options = ("--backbone", "lite0", "--scales", "0.5", "--epochs", "1")
    data = write_tags(few, tmp_path / "photos.csv")
    stages = run_training(Processes("float32"), data, tmp_path / "run", tmp_path / "cache", options)
    assert min(stages["check"], stages["features"], stages["training"]) > 0
    assert 50 < stages["peak_mb"] < 4000
    assert list((tmp_path / "cache" / "features").iterdir())
    listed = open_dataset(data, classes=few.classes)
    assert ((listed.labels > 0) == (few.labels > 0)).all()


def test_the_installation_contains_what_freeloc_requires() -> None:
    sizes = measure_installation()
    assert {"freeloc", "torch", "openvino", "numpy", "sympy"} <= sizes.keys()
    assert {"pytest", "nncf", "matplotlib"}.isdisjoint(sizes)
    assert sizes["freeloc"] > 6  # the model that ships with it
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)


def prediction(ms: float) -> dict[str, Any]:
    spread = {"median": ms, "low": ms, "high": ms}
    presets = {name: {"ms": spread, "peak_mb": 512.0} for name in ("fast", "balanced", "best")}
    row = {
        "first_run_seconds": 7.25,
        "later_run_seconds": spread,
        "one_image_peak_mb": 401.0,
        "graph_mb": 35.0,
        "presets": presets,
    }
    return {
        "precisions": {"bfloat16": row},
        "float_model_mb": 6.2,
        "model_mb": 16.0,
        "quantize_seconds": 75.0,
    }


def training(seconds: float) -> dict[str, Any]:
    first = {"check": seconds, "features": 60.0, "training": 100.0, "peak_mb": 900.0}
    cached = {"check": seconds, "features": 2.0, "peak_mb": 900.0}
    return {"precision": "bfloat16", "first": first, "cached": cached, "features_mb": 400.0}


def test_results_of_a_machine_replace_only_its_own(tmp_path: Path) -> None:
    facts = {"quick": False, "machine": MACHINE}
    record = {**facts, "prediction": prediction(100.0), "training": {"100": training(1.0)}}
    speed.save_record(tmp_path, "A", record)
    speed.save_record(tmp_path, "B", {**facts, "prediction": prediction(300.0)})
    speed.save_record(tmp_path, "A", {**facts, "training": {"1000": training(5.0)}})
    machines = {name: found["speed"] for name, found in load_results(tmp_path)["machines"].items()}
    assert machines["A"]["prediction"] == prediction(100.0)
    assert machines["A"]["training"].keys() == {"100", "1000"}
    assert machines["B"]["prediction"] == prediction(300.0)
    page = (tmp_path / "speed.md").read_text("utf-8")
    assert "| A | bfloat16 | 100 | 100 | 100 |" in page
    assert "| B | bfloat16 | 300 | 300 | 300 |" in page
    assert "| A | bfloat16 | 7.25 | 100 | 401 | 512 | 35 |" in page
    assert "took 75 seconds" in page
    # With the features in the cache, everything but their extraction takes as long as before.
    assert "| A | bfloat16 | 100 | 0:01 | 1:00 | 1:40 | 2:41 | 1:43 | 900 | 400 |" in page
    assert "| A | bfloat16 | 1,000 | 0:05 | 1:00 | 1:40 | 2:45 | 1:47 | 900 | 400 |" in page


def test_only_the_numbers_of_the_page_are_replaced(tmp_path: Path) -> None:
    text = "before\n\n<!-- numbers: written by python -m benchmarks.speed -->\nold\n<!-- end of numbers -->\nafter\n"
    record = {"quick": False, "prediction": prediction(9.0)}
    page = render_speed_page(text, {"machines": {"A": {"speed": record}}})
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "old" not in page
    assert render_speed_page(page, {"machines": {}}) != page


def test_the_presets_of_a_documented_frontier_are_listed() -> None:
    machines = load_results(Path(__file__).parents[2] / "docs")["machines"]
    name = "AMD EPYC with bfloat16, 2 cores"
    frontier = machines[name]["frontier"]
    rows = "\n".join(render({"machines": {name: {"frontier": frontier}}}))
    best = next(p for p in frontier["points"] if p["preset"] == "best")
    assert f"| {name} | bfloat16 | " in rows
    assert f" | {best['ms']:.3g} |" in rows
    # Processes were timed, so the sums of single scales are not needed.
    timed = {"quick": False, "prediction": prediction(9.0)}
    rows = "\n".join(render({"machines": {name: {"frontier": frontier, "speed": timed}}}))
    assert f" | {best['ms']:.3g} |" not in rows
