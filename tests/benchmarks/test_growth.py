"""Speed and memory of ``freeloc predict``: the runs predict all images, and the page reports them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import growth
from benchmarks.growth import JPEG, PNG, START_UP, Program, render, save_untrained, tiled
from benchmarks.growth_commands import render_commands, repeat_images, write_instances
from freeloc.datasets import Dataset, open_dataset
from freeloc.errors import ConfigurationError, FreelocError
from freeloc.images.decode import load_image
from freeloc.images.find import find_images
from freeloc.models.header import ModelFile


def test_the_error_of_the_program_is_reported(tiny_scenes: Dataset, tmp_path: Path) -> None:
    program = Program(tmp_path / "none.safetensors")
    with pytest.raises(
        FreelocError,
        match=r"freeloc predict ended with exit code 2: .*none\.safetensors: the file does not exist",
    ):
        program.predict(tiny_scenes.samples[0].path, 1)


def test_images_are_repeated_under_different_names(tiny_scenes: Dataset, tmp_path: Path) -> None:
    images = [sample.path for sample in tiny_scenes.samples[:3]]
    found = find_images([repeat_images(images, 7, tmp_path / "seven")]).paths
    assert len(found) == 7
    assert [path.resolve() for path in found] == [images[index % 3].resolve() for index in range(7)]


def test_a_large_image_is_tiled_with_the_small_one(tiny_scenes: Dataset) -> None:
    path = tiny_scenes.samples[0].path
    small = load_image(path)
    height, width = small.shape[:2]
    large = load_image(tiled(path, (2 * width + 5, height + 7)))
    assert large.shape == (height + 7, 2 * width + 5, 3)
    assert (large[:height, width : 2 * width] == small).all()
    assert (large[height:, 2 * width :] == small[:7, :5]).all()


def test_an_untrained_model_starts_without_torch(tmp_path: Path) -> None:
    header = ModelFile.open(save_untrained("lite0", ("a", "b"), tmp_path / "untrained.safetensors")).header
    assert header.classes == ("a", "b")
    assert header.layout is not None
    assert header.pad_color is not None


@pytest.mark.parametrize("count", ["2", "0", "-5"])
def test_counts_that_are_too_small(count: str) -> None:
    with pytest.raises(ConfigurationError, match=f"counts must be at least 3, got {count}"):
        growth.main(["--counts", "10", count])


# --- results and page ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_measured_runs(results: dict[str, Any]) -> None:
    section = results["growth"]
    assert section["quick"] is True
    assert section["distinct_images"] == 3
    assert section["model"]["trained"] is True
    assert section["model"]["scales"] == [0.7, 1.0]
    assert [row["count"] for row in section["counts"]] == [3, 6]
    assert list(section["cases"]) == [START_UP, JPEG, PNG]
    for row in (*section["counts"], *section["cases"].values()):
        assert 0 < row["seconds"]["low"] <= row["seconds"]["median"] <= row["seconds"]["high"]
        assert 50 < row["peak_mb"] < 4000


@pytest.mark.slow
def test_the_page_of_the_measured_runs(results: dict[str, Any]) -> None:
    page = "\n\n".join(render(results["growth"]))
    assert "| 3 | " in page
    assert "| 6 | " in page
    for name, target in ((START_UP, "< 3 s"), (JPEG, "< 2,000 MB"), (PNG, "< 2,000 MB")):
        assert f"| {name} | {target} | " in page
    assert "1,200 × 834 pixels, 1 megapixels" in page


def test_the_page_reports_speed_and_growth() -> None:
    def row(count: int, ms: float, peak: float) -> dict[str, Any]:
        spread = {"median": ms, "low": ms, "high": ms}
        return {"count": count, "seconds": spread, "ms_per_image": spread, "peak_mb": peak}

    section = {
        "rounds": 3,
        "data": "voc",
        "distinct_images": 100,
        "scale": 0.5,
        "model": {
            "backbone": "t",
            "classes": 20,
            "trained": False,
            "precision": "float32",
            "scales": [1],
        },
        "counts": [row(100, -0.5, 610.0), row(10_000, 20.0, 622.4)],
        "large": [12_000, 8_334],
        "cases": {START_UP: row(1, 1.0, 500.0)},
    }
    page = "\n\n".join(render(section))
    assert "| 100 | unknown | " in page
    assert "| 10,000 | 50 | 20 [20, 20] | " in page
    assert "From 100 to 10,000 images, peak memory changes by +12 MB" in page
    assert "100 megapixels" in page


# --- memory of the commands ----------------------------------------------------------------------------------


def test_the_data_of_the_commands(tiny_scenes: Dataset, tmp_path: Path) -> None:
    images = [sample.path for sample in tiny_scenes.samples[:2]]
    data = open_dataset(write_instances(repeat_images(images, 5, tmp_path / "five")), boxes=True)
    assert data.classes == ("even", "odd")
    assert data.labels.tolist() == [[1, -1], [-1, 1], [1, -1], [-1, 1], [1, -1]]
    for index, sample in enumerate(data):
        assert sample.path.resolve() == images[index % 2].resolve()
        assert sample.size is not None
        box = (sample.boxes or ())[0]
        assert (box.x1, box.x2) == (sample.size.width / 4, sample.size.width * 3 / 4)


@pytest.mark.slow
def test_every_command_is_measured(results: dict[str, Any]) -> None:
    rows = results["growth"]["commands"]
    assert [row["command"] for row in rows] == ["check", "train", "evaluate", "predict"]
    for row in rows:
        assert row["count"] == 3
        assert 50 < row["peak_mb"] < 4000


def test_the_page_reports_the_growth_of_every_command() -> None:
    rows = [
        {"command": name, "count": count, "peak_mb": peak + count / 1000, "seconds": 1.0}
        for name, peak in (("check", 100.0), ("train", 900.0))
        for count in (1_000, 11_000)
    ]
    page = "\n\n".join(render_commands(rows))
    assert "| command | 1,000 | 11,000 | kB / image |" in page
    assert "| `check` | 101 | 111 | 1.0 |" in page
    assert "| `train` | 901 | 911 | 1.0 |" in page
