"""Names that begin with a tilde, and users without a home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two images and a list whose names begin with a tilde."""
    monkeypatch.chdir(tmp_path)
    for name, color in (("~a.jpg", "red"), ("~nobody-of-this-name", "blue")):
        Image.new("RGB", (40, 30), color).save(tmp_path / name, "JPEG")
    (tmp_path / "~tags.csv").write_text("file_name,tags\n~a.jpg,dog\n~nobody-of-this-name,cat\n")
    return tmp_path


def test_a_name_that_begins_with_a_tilde_is_a_name(freeloc: Callable[..., Any], folder: Path) -> None:
    answer = freeloc("check", "~tags.csv")
    assert (answer.code, answer.out.splitlines()[0]) == (0, "~tags: 2 images, 2 classes")
    (folder / "~classes.txt").write_text("cat\ndog\n")
    assert freeloc("check", "~tags.csv", "--classes", "~classes.txt").code == 0
    answer = freeloc("predict", "voc20", "~gone.jpg")
    assert answer.code == 2
    assert "cannot find ~gone.jpg" in answer.err


def test_a_leading_tilde_and_slash_is_the_home_folder(
    freeloc: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert freeloc("check", "~/~tags.csv").out.startswith("~tags: 2 images, 2 classes")
    answer = freeloc("predict", "voc20", "~/~a.jpg", "--out", "~/out", "--scales", "0.2")
    assert answer.code == 0
    assert (folder / "out" / "predictions.jsonl").exists()
    assert not list(elsewhere.iterdir())


def test_prediction_needs_no_home_folder(folder: Path, tiny_run: Path) -> None:
    left_out = ("FREELOC_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in left_out} | {"HOME": ""}
    before = sorted(folder.iterdir())
    command = [sys.executable, "-m", "freeloc", "predict", str(tiny_run), "~a.jpg", "--scales", "0.5"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert done.stderr.startswith(
        "building the network for this computer, which takes some seconds in every run"
    )
    assert done.stderr.count("\n") == 1
    assert sorted(folder.iterdir()) == before
    train = [
        sys.executable,
        "-m",
        "freeloc",
        "train",
        "~tags.csv",
        "--out",
        "run",
        "--backbone",
        "efficientnet_lite0",
    ]
    done = subprocess.run(train, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no home folder for the cache: set the environment variable FREELOC_CACHE" in done.stderr
    assert "Traceback" not in done.stderr
