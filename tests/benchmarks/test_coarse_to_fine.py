"""The study of coarse-to-fine prediction reports all strategies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import coarse_to_fine
from benchmarks.coarse_to_fine import EXITS, MARGINS, REGIONS, render, single_class_saving
from benchmarks.strategies import METRICS
from benchmarks.workload import open_workload
from freeloc.errors import ModelError
from freeloc.models.model import Model
from tests.benchmarks.saved_results import sections_of


@pytest.fixture(scope="module")
def section(tiny_coco: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("bench")
    words = ["--quick", "--data", str(tiny_coco), "--precision", "float32"]
    words += ["--split", "instances", "--train-split", "instances"]
    coarse_to_fine.main([*words, "--model", str(tiny_run), "--out", str(out)])
    page = (out / "benchmarks.md").read_text("utf-8")
    assert "## Coarse-to-fine prediction\n\n> **A quick run**" in page
    results: dict[str, Any] = sections_of(out)["coarse_to_fine"]
    return results


@pytest.mark.slow
def test_all_strategies_are_reported(section: dict[str, Any]) -> None:
    assert (section["quick"], section["images"], section["shift_images"]) == (True, 3, 3)
    assert len(section["fixed"]) == 63
    assert section["fixed"][-1]["pixels"] == pytest.approx(100)
    assert len(section["early_exit"]) == len(section["single_class"]) == len(EXITS) * len(MARGINS)
    assert len(section["regions"]) == len(REGIONS)
    for row in (row for key in ("early_exit", "single_class", "regions", "both") for row in section[key]):
        assert 0 < row["pixels"] <= 100
        assert set(row["above"]) == set(METRICS)


@pytest.mark.slow
def test_the_page(section: dict[str, Any]) -> None:
    page = "\n\n".join(render(section))
    assert page.count("\n| 0.7, 1.4 | 0.7, 1.4, 2 | ") == 2 * len(MARGINS)
    assert page.count("| 0.1 | 0.8 |  | ") == 4


def test_a_model_with_average_pooling_is_rejected(tiny_coco: Path, tiny_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "cam.safetensors"
    Model.load(tiny_run).with_header(pooling="average").save(path)
    with pytest.raises(ModelError, match="uses average pooling"):
        coarse_to_fine.main(["--data", str(tiny_coco), "--split", "instances", "--model", str(path)])


@pytest.mark.parametrize("option", ["--images", "--shift-images"])
def test_counts_must_be_positive(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        coarse_to_fine.main(["--model", "any", option, "0"])
    assert f"{option}: must be at least 1, got 0" in capsys.readouterr().err


def test_a_single_class_saves_almost_nothing(tiny_coco: Path, tiny_run: Path) -> None:
    """The tiny head has 64 hidden units, with two operations for each of them, each class and each cell."""
    workload = open_workload(tiny_coco, tiny_run, split=None)
    assert 0 < single_class_saving(workload) < 0.1
