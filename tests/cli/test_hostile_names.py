"""Names from files never reach the terminal as they are, whichever command prints them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from freeloc.datasets import Dataset
from tests.coco_files import write_instances
from tests.hostile_names import HOSTILE, is_safe

NAMES = {kind: name for kind, name in HOSTILE.items() if kind != "surrogate"}
each_name = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())


@pytest.fixture(params=[False, True], ids=["file", "terminal"])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test with and without a terminal, as far as the program can tell."""
    monkeypatch.setenv("TERM", "dumb")  # without colors, all escape sequences come from names
    monkeypatch.setenv("COLUMNS", "200")
    if request.param:
        for stream in ("stdout", "stderr"):
            monkeypatch.setattr(type(getattr(sys, stream)), "isatty", lambda _self: True, raising=False)


def tag_list(folder: Path, *rows: tuple[str, str]) -> Path:
    file = folder / "tags.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("file_name", "tags"), *rows])
    return file


def images(folder: Path, *names: str) -> None:
    for index, name in enumerate(names):
        Image.new("RGB", (32, 24), (60 * index, 80, 120)).save(folder / name, "PNG")


def check_safe(answer: Any) -> None:
    assert is_safe(answer.out)
    assert is_safe(answer.err)
    assert "Traceback" not in answer.err


@each_name
@pytest.mark.usefixtures("terminal")
def test_check_prints_class_names(freeloc: Callable[..., Any], tmp_path: Path, name: str) -> None:
    images(tmp_path, *(f"{index}.png" for index in range(3)))
    answer = freeloc("check", tag_list(tmp_path, ("0.png", name), ("1.png", "cat"), ("2.png", name)))
    check_safe(answer)
    # A class per line, and nothing that looks like another message.
    assert not any(line.startswith("freeloc: all is well") for line in (answer.out + answer.err).splitlines())


@each_name
@pytest.mark.usefixtures("terminal")
def test_check_reports_files(freeloc: Callable[..., Any], tmp_path: Path, name: str) -> None:
    images(tmp_path, "0.png", "1.png")
    (tmp_path / f"{name}.png").write_bytes(b"no image")
    file = tag_list(
        tmp_path, ("0.png", "dog"), ("1.png", "cat"), (f"{name}.png", "cat"), (f"{name}.gif", "cat")
    )
    for words in ((), ("--skip-bad",)):
        answer = freeloc("check", file, *words)
        check_safe(answer)
        # One line for the report, and one for each problem.
        assert len(answer.err.splitlines()) == 3, answer.err
        assert answer.code == (0 if words else 2)


@each_name
@pytest.mark.parametrize("command", ["check", "predict", "evaluate", "train", "calibrate", "quantize"])
def test_errors_quote_paths(freeloc: Callable[..., Any], tmp_path: Path, command: str, name: str) -> None:
    path = tmp_path / name
    words: tuple[object, ...] = {
        "check": (path,),
        "predict": (path, path),
        "evaluate": (path, path),
        "train": (path, "--out", tmp_path / "run"),
        "calibrate": (path, path),
        "quantize": (path, path),
    }[command]
    answer = freeloc(command, *words)
    check_safe(answer)
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1, answer.err


@each_name
def test_wrong_words_are_quoted(freeloc: Callable[..., Any], name: str) -> None:
    for words in (
        (name,),
        ("check", "x", f"--{name}"),
        ("predict", "m", "x", "--peaks", name),
        (f"--{name}",),
    ):
        answer = freeloc(*words)
        assert answer.code == 2
        check_safe(answer)


@each_name
@pytest.mark.usefixtures("terminal")
def test_evaluate_prints_class_and_data_names(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_scenes: Dataset, tmp_path: Path, name: str
) -> None:
    """With detections, so that no model is needed."""
    folder = tmp_path / name
    folder.mkdir()
    for sample in tiny_scenes:
        shutil.copy(sample.path, folder)
    write_instances(folder / "instances.json", tiny_scenes, range(1, len(tiny_scenes.classes) + 1))
    document = json.loads((folder / "instances.json").read_text())
    document["categories"][0]["name"] = name
    (folder / "instances.json").write_text(json.dumps(document))
    results = folder / "results.json"
    results.write_text(
        json.dumps(
            [
                {"image_id": image["id"], "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}
                for image in document["images"]
            ]
        )
    )
    answer = freeloc("evaluate", folder / "instances.json", "--detections", results, "--resamples", 2)
    assert answer.code == 0, answer.err
    check_safe(answer)


@pytest.mark.skipif(os.name != "posix", reason="file names of this system are always Unicode")
@pytest.mark.usefixtures("terminal")
def test_a_file_name_that_is_not_unicode(freeloc: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"no image")
    answer = freeloc("predict", "voc20", tmp_path)
    check_safe(answer)
    assert answer.code == 2
    assert r"caf\xe9.png" in answer.err
