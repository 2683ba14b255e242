"""The program's growth is measured by running it: what a process took is told right, and all of it is predicted."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import growth
from benchmarks.growth import Program, cycled, run_measured, save_fresh, tiled
from benchmarks.growth_page import JPEG, PNG, START_UP, growth_blocks
from freeloc.datasets import Dataset
from freeloc.errors import FreelocError
from freeloc.images.decode import load_image
from freeloc.images.find import find_images
from freeloc.models.header import ModelFile

MEGABYTES = 200


@pytest.fixture(scope="module")
def section(tiny_coco: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("bench")
    words = ["--quick", "--data", str(tiny_coco), "--split", "instances", "--precision", "float32"]
    growth.main([*words, "--model", str(tiny_run), "--counts", "5", "3", "--out", str(out)])
    found: dict[str, Any] = json.loads((out / "benchmarks.json").read_text("utf-8"))["growth"]
    return found


# --- a process -------------------------------------------------------------------------------------------------


def test_memory_is_the_commands_own() -> None:
    """And not that of the process that measures, which holds much more."""
    held = b"\x01" * (MEGABYTES * 10**6)
    small = run_measured([sys.executable, "-c", "pass"], "nothing")
    large = run_measured([sys.executable, "-c", f"b'\\x01' * {MEGABYTES * 10**6}"], "much")
    assert len(held) == MEGABYTES * 10**6
    assert 1 < small.peak_mb < MEGABYTES / 2
    assert MEGABYTES < large.peak_mb < MEGABYTES + small.peak_mb + 50


def test_seconds_are_those_until_its_end() -> None:
    started = time.perf_counter()
    sleeping = run_measured([sys.executable, "-c", "import time; time.sleep(0.3)"], "sleep")
    assert 0.3 < sleeping.seconds < time.perf_counter() - started


def test_the_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREELOC_WORD", "passed on")
    code = "import os, sys; print('noise', flush=True); sys.exit(os.environ['FREELOC_WORD'])"
    with pytest.raises(FreelocError, match=r"^it ended with code 1: passed on$"):
        run_measured([sys.executable, "-c", code], "it")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], "it was ended by signal 9: it said"),
        (["/no/such/program"], "it could not be run: .*No such file"),
    ],
)
def test_a_process_that_does_not_end_well(command: list[str], told: str) -> None:
    with pytest.raises(FreelocError, match=told):
        run_measured(command, "it")


def test_the_commands_message_is_told(tiny_scenes: Dataset, tmp_path: Path) -> None:
    program = Program(tmp_path / "none.safetensors")
    with pytest.raises(
        FreelocError, match=r"freeloc predict ended with code 2: .*none\.safetensors: the file does not exist"
    ):
        program.predict(tiny_scenes.samples[0].path, 1)


# --- what is predicted ---------------------------------------------------------------------------------------


def test_images_come_again_under_other_names(tiny_scenes: Dataset, tmp_path: Path) -> None:
    album = [sample.path for sample in tiny_scenes.samples[:3]]
    found = find_images([cycled(album, 7, tmp_path / "seven")]).paths
    assert len(found) == 7
    assert [path.resolve() for path in found] == [album[number % 3].resolve() for number in range(7)]


def test_a_large_image_is_full_of_the_small_one(tiny_scenes: Dataset) -> None:
    path = tiny_scenes.samples[0].path
    small = load_image(path)
    height, width = small.shape[:2]
    large = load_image(tiled(path, (2 * width + 5, height + 7)))
    assert large.shape == (height + 7, 2 * width + 5, 3)
    assert (large[:height, width : 2 * width] == small).all()
    assert (large[height:, 2 * width :] == small[:7, :5]).all()


def test_a_fresh_head_starts_without_torch(tmp_path: Path) -> None:
    header = ModelFile.open(save_fresh("lite0", ("a", "b"), tmp_path / "fresh.safetensors")).header
    assert header.classes == ("a", "b")
    assert header.layout is not None
    assert header.pad_color is not None


@pytest.mark.parametrize("count", ["2", "0", "-5"])
def test_too_few_to_measure(count: str) -> None:
    with pytest.raises(FreelocError, match=f"--counts {count} is too few: give at least 3"):
        growth.main(["--counts", "10", count])


# --- the record and the page -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_was_measured(section: dict[str, Any]) -> None:
    assert section["quick"] is True
    assert section["album"] == 3
    assert section["subject"]["trained"] is True
    assert section["subject"]["own_scales"] == [0.7, 1.0]
    assert [row["count"] for row in section["counts"]] == [3, 5]
    assert list(section["cases"]) == [START_UP, JPEG, PNG]
    for row in (*section["counts"], *section["cases"].values()):
        assert 0 < row["seconds"]["low"] <= row["seconds"]["median"] <= row["seconds"]["high"]
        assert 50 < row["peak_mb"] < 4000


@pytest.mark.slow
def test_the_page(section: dict[str, Any]) -> None:
    page = "\n\n".join(growth_blocks(section))
    assert "A quick run" in page
    assert "| 3 | " in page
    assert "| 5 | " in page
    for name, promise in ((START_UP, "< 3 s"), (JPEG, "< 2,000 MB"), (PNG, "< 2,000 MB")):
        assert f"| {name} | {promise} | " in page
    assert "1,200 × 834 pixels, 1 megapixels" in page


def test_the_page_tells_pace_and_growth() -> None:
    def row(count: int, ms: float, peak: float) -> dict[str, Any]:
        spread = {"median": ms, "low": ms, "high": ms}
        return {"count": count, "seconds": spread, "ms_per_image": spread, "peak_mb": peak}

    section = {
        "quick": False,
        "rounds": 3,
        "data": "voc",
        "album": 100,
        "scale": 0.5,
        "subject": {
            "backbone": "t",
            "classes": 20,
            "trained": False,
            "precision": "float32",
            "own_scales": [1],
        },
        "counts": [row(100, -0.5, 610.0), row(10_000, 20.0, 622.4)],
        "large": [12_000, 8_334],
        "cases": {START_UP: row(1, 1.0, 500.0)},
    }
    page = "\n\n".join(growth_blocks(section))
    assert "A quick run" not in page
    assert "| 100 | not to be told | " in page
    assert "| 10,000 | 50 | 20 [20, 20] | " in page
    assert "From 100 to 10,000 images the peak changes by +12 MB" in page
    assert "100 megapixels" in page
