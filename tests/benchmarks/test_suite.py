"""The whole suite on a handful of generated scenes: it runs, and what it writes makes sense."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import frontier, prediction
from benchmarks.__main__ import main as run_suite
from benchmarks.settings import QUICK
from benchmarks.throughput import FREELOC, FREELOC_INT8

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tiny_coco: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bench")
    words = ["--quick", "--data", str(tiny_coco), "--precision", "float32"]
    words += ["--split", "instances", "--train-split", "instances"]
    run_suite([*words, "--model", str(tiny_run), "--out", str(out)])
    return out


@pytest.fixture(scope="module")
def record(results: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((results / "benchmarks.json").read_text("utf-8"))
    return record


def test_every_way_was_timed(record: dict[str, Any]) -> None:
    section = record["prediction"]
    assert section["quick"] is True
    assert all(entry["median"] > 0 for entry in section["throughput"]["ms_per_image"].values())
    peers = section["peers"]
    assert {"freeloc, one scale", "freeloc, all scales"} <= peers["ms_per_image"].keys()
    assert peers["times_faster"] or peers["problems"], "a peer that is not there must be named"


def test_operations_and_shares_add_up(record: dict[str, Any]) -> None:
    networks = record["prediction"]["networks"]
    rows = networks["scales"]
    for part in ("body", "projection", "head"):
        parts = [row["gflop"][part] for scale, row in rows.items() if scale != "all"]
        assert sum(parts) == pytest.approx(rows["all"]["gflop"][part], abs=0.01)
    for row in rows.values():
        flops = sum(row["gflop"].values())
        share = flops / (row["ms"]["maps"]["median"] / 1e3) / networks["peak_gflops"]
        assert row["share_of_peak"] == pytest.approx(share, rel=0.05, abs=0.001)


def test_float32_finds_what_torch_finds(record: dict[str, Any]) -> None:
    agreement = record["prediction"]["agreement"]
    assert agreement["largest_score_difference"] < 0.01
    for shares in agreement["points_within_one_cell"].values():
        assert shares["all_classes"] >= 95
    assert all(abs(row["difference"]) < 1 for row in agreement["map"].values())


def test_the_frontier_is_one(record: dict[str, Any], results: Path) -> None:
    points = record["frontier"]["points"]
    assert len(points) == 2 ** len(QUICK.scales) - 1
    whole = max(points, key=lambda point: len(point["scales"]))
    assert whole["ms"] == max(point["ms"] for point in points)
    best = [point for point in points if point["on_frontier"]]
    assert max(point["location"] for point in points) == max(point["location"] for point in best)
    assert (results / "frontier.svg").read_text("utf-8").startswith("<svg")
    assert "## Accuracy against time" in (results / "benchmarks.md").read_text("utf-8")


def test_accuracy_of_all_scales_is_that_of_the_comparison(record: dict[str, Any]) -> None:
    """Two ways through the program to one number."""
    (whole,) = (point for point in record["frontier"]["points"] if point["scales"] == list(QUICK.scales))
    row = record["prediction"]["peer_accuracy"]["rows"]["freeloc, all scales"]
    assert whole["location"] == pytest.approx(row["location"], abs=0.01)
    assert whole["classification"] == pytest.approx(row["classification"], abs=0.01)


def test_training_was_timed_and_told(record: dict[str, Any], results: Path) -> None:
    for part in ("head_training", "live_training"):
        assert record[part]["quick"] is True
    page = (results / "benchmarks.md").read_text("utf-8")
    assert "### From the cache" in page
    assert "### Without a cache" in page


def test_an_int8_network_is_measured_beside_the_floats(
    tiny_coco: Path, tiny_int8: Path, tmp_path: Path
) -> None:
    words = ["--quick", "--data", str(tiny_coco), "--split", "instances", "--out", str(tmp_path)]
    words += ["--model", str(tiny_int8)]
    prediction.main(words)
    frontier.main(words)
    record = json.loads((tmp_path / "benchmarks.json").read_text("utf-8"))
    section = record["prediction"]
    assert section["throughput"]["times_faster"].keys() == {FREELOC, FREELOC_INT8}
    assert section["stages"]["int8"].keys() == section["stages"]["ms_per_image"].keys()
    rows = section["peer_accuracy"]["rows"]
    # Other numbers than in floats, so another network was run; but not far from them.
    assert rows["freeloc, all scales in int8"] == pytest.approx(rows["freeloc, all scales"], abs=25)
    eight, floats = (
        part["largest_score_difference"] for part in (section["agreement"]["int8"], section["agreement"])
    )
    assert eight != floats
    points = record["frontier"]["points"]
    assert len(points) == 2 * (2 ** len(QUICK.scales) - 1)
    assert {point["backbone"] for point in points} == {"efficientnet_lite0", "efficientnet_lite0, int8"}
    page = (tmp_path / "benchmarks.md").read_text("utf-8")
    assert "on squares in int8 | ≥ 8×" in page
    assert "The same for int8" in page


def test_the_page_can_be_made_again(results: Path) -> None:
    page = results / "benchmarks.md"
    before = page.read_text("utf-8")
    page.unlink()
    run_suite(["--page-only", "--out", str(results)])
    assert page.read_text("utf-8") == before
