"""The study of looking coarsely first: all that was tried is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import coarse_to_fine
from benchmarks.coarse_to_fine import MARGINS, REGIONS, STOPS, class_share
from benchmarks.coarse_to_fine_page import coarse_to_fine_blocks
from benchmarks.noise import MEASURES
from benchmarks.subject import open_subject
from freeloc.errors import FreelocError
from freeloc.models.model import Model


@pytest.fixture(scope="module")
def section(tiny_coco: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("bench")
    words = ["--quick", "--data", str(tiny_coco), "--precision", "float32"]
    words += ["--split", "instances", "--train-split", "instances"]
    coarse_to_fine.main([*words, "--model", str(tiny_run), "--out", str(out)])
    assert "## Coarse first" in (out / "benchmarks.md").read_text("utf-8")
    record: dict[str, Any] = json.loads((out / "benchmarks.json").read_text("utf-8"))["coarse_to_fine"]
    return record


@pytest.mark.slow
def test_everything_that_was_tried_is_told(section: dict[str, Any]) -> None:
    assert (section["quick"], section["images"], section["learnt_from"]) == (True, 3, 3)
    assert len(section["fixed"]) == 63
    assert section["fixed"][-1]["pixels"] == pytest.approx(100)
    assert len(section["early_stop"]) == len(section["one_class"]) == len(STOPS) * len(MARGINS)
    assert len(section["regions"]) == len(REGIONS)
    for row in (row for key in ("early_stop", "one_class", "regions", "both") for row in section[key]):
        assert 0 < row["pixels"] <= 100
        assert set(row["above"]) == set(MEASURES)


@pytest.mark.slow
def test_the_page(section: dict[str, Any]) -> None:
    page = "\n\n".join(coarse_to_fine_blocks(section))
    assert "A quick run" in page
    assert page.count("\n| 0.7, 1.4 | 0.7, 1.4, 2 | ") == 2 * len(MARGINS)
    assert page.count("| 0.1 | 0.8 |  | ") == 4


def test_a_model_of_averages_is_refused(tiny_coco: Path, tiny_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "cam.safetensors"
    Model.load(tiny_run).with_header(pooling="average").save(path)
    with pytest.raises(FreelocError, match="averages its maps"):
        coarse_to_fine.main(["--data", str(tiny_coco), "--split", "instances", "--model", str(path)])


@pytest.mark.parametrize("option", ["--images", "--learn-from"])
def test_none_at_all(option: str) -> None:
    with pytest.raises(FreelocError, match=f"{option} 0 is none at all"):
        coarse_to_fine.main(["--model", "any", option, "0"])


def test_one_class_saves_next_to_nothing(tiny_coco: Path, tiny_run: Path) -> None:
    """The tiny head has 64 hidden values: two operations for each, class and cell."""
    subject = open_subject(tiny_coco, tiny_run, split=None)
    assert 0 < class_share(subject) < 0.1
