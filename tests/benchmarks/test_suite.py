"""A quick run of the whole suite on a few generated scenes: all sections are plausible and consistent."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.plain_torch import BALANCED, BALANCED_INT8, FREELOC, FREELOC_INT8
from benchmarks.workload import QUICK
from freeloc.runtime import bfloat16_is_faster, cpu_supports_int8

pytestmark = pytest.mark.slow


def test_every_implementation_is_timed(results: dict[str, Any]) -> None:
    section = results["prediction"]
    assert section["quick"] is True
    assert all(spread["median"] > 0 for spread in section["throughput"]["ms_per_image"].values())
    peers = section["peers"]
    assert {"freeloc, one scale", "freeloc, all scales"} <= peers["ms_per_image"].keys()
    assert peers["speedup"] or peers["problems"], "missing packages must be listed"


def test_operations_and_fractions_of_the_peak_add_up(results: dict[str, Any]) -> None:
    networks = results["prediction"]["networks"]
    rows = networks["scales"]
    for part in ("body", "projection", "head"):
        parts = [row["gflop"][part] for scale, row in rows.items() if scale != "all"]
        assert sum(parts) == pytest.approx(rows["all"]["gflop"][part], abs=0.01)
    for row in rows.values():
        flops = sum(row["gflop"].values())
        fraction = flops / (row["ms"]["maps"]["median"] / 1e3) / networks["peak_gflops"]
        assert row["fraction_of_peak"] == pytest.approx(fraction, rel=0.05, abs=0.001)


def test_the_frontier_contains_the_most_accurate_set(results: dict[str, Any], suite: Path) -> None:
    points = results["frontier"]["points"]
    for backbone in {point["backbone"] for point in points}:
        of_backbone = [point for point in points if point["backbone"] == backbone]
        assert len(of_backbone) == 2 ** len(QUICK.scales) - 1
        largest = max(of_backbone, key=lambda point: len(point["scales"]))
        assert largest["ms"] == max(point["ms"] for point in of_backbone)
    best = [point for point in points if point["on_frontier"]]
    assert max(point["location"] for point in points) == max(point["location"] for point in best)
    (chart,) = suite.glob("frontier-*.svg")
    assert chart.read_text("utf-8").startswith("<svg")
    page = (suite / "benchmarks.md").read_text("utf-8")
    assert "### Accuracy against time" in page
    assert f"({chart.name})" in page


@pytest.mark.parametrize("precision", ["", ", int8"])
def test_two_benchmarks_agree_on_the_accuracy(results: dict[str, Any], precision: str) -> None:
    if precision:
        pytest.importorskip("nncf", reason="the extra int8 is not installed")
        if not cpu_supports_int8():
            pytest.skip("int8 networks do not run on this CPU")
    (point,) = (
        point
        for point in results["frontier"]["points"]
        if point["scales"] == list(QUICK.scales) and point["backbone"] == f"efficientnet_lite0{precision}"
    )
    row = results["prediction"]["peer_accuracy"]["rows"][f"freeloc, all scales{precision}"]
    assert point["location"] == pytest.approx(row["location"], abs=0.01)
    assert point["classification"] == pytest.approx(row["classification"], abs=0.01)


@pytest.mark.skipif(not cpu_supports_int8(), reason="int8 networks do not run on this CPU")
def test_the_int8_network_is_measured_too(results: dict[str, Any], suite: Path) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    section = results["prediction"]
    assert section["throughput"]["speedup"].keys() == {FREELOC, FREELOC_INT8, BALANCED, BALANCED_INT8}
    assert section["throughput"]["int8_over_float"]["median"] > 0
    backbones = {point["backbone"] for point in results["frontier"]["points"]}
    assert backbones == {"efficientnet_lite0", "efficientnet_lite0, int8"}
    assert section["stages"]["int8"].keys() == section["stages"]["ms_per_image"].keys()
    rows = section["peer_accuracy"]["rows"]
    # The figures differ from those in float, so another network ran, but not by much.
    assert rows["freeloc, all scales, int8"] == pytest.approx(rows["freeloc, all scales"], abs=25)
    int8, floats = (
        part["largest_score_difference"] for part in (section["agreement"]["int8"], section["agreement"])
    )
    assert int8 != floats
    page = (suite / "benchmarks.md").read_text("utf-8")
    assert "| throughput, int8: speedup over eager torch float32, square padding | ≥ 8×" in page
    assert "Agreement of the int8 network" in page


@pytest.mark.skipif(not cpu_supports_int8(), reason="int8 networks do not run on this CPU")
def test_layers_are_measured_for_both_networks(results: dict[str, Any], suite: Path) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    assert results["layers"]["networks"].keys() == {
        "bfloat16" if bfloat16_is_faster("cpu") else "float32",
        "int8",
    }
    assert "In int8, " in (suite / "benchmarks.md").read_text("utf-8")


def test_training_is_timed(results: dict[str, Any], suite: Path) -> None:
    for part in ("head_training", "live_training"):
        assert results[part]["quick"] is True
    page = (suite / "benchmarks.md").read_text("utf-8")
    assert "### Training from cached features" in page
    assert "### Training without a cache" in page


def test_the_page_can_be_generated_again(suite: Path) -> None:
    page = suite / "benchmarks.md"
    before = page.read_text("utf-8")
    page.unlink()
    main(["--page-only", "--out", str(suite)])
    assert page.read_text("utf-8") == before
