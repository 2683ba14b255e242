"""Pipes, sockets and devices as inputs: every command refuses them at once, in one sentence that names them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.example_files import write_example_files
from tests.io.special_files import KINDS, needs_posix, special_file

pytestmark = needs_posix


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_example_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


DEVKIT = "VOCdevkit/VOC2012"
INPUTS = {
    "a.jpg": ("predict", "voc20", "a.jpg"),
    "model.safetensors": ("predict", "model.safetensors", "street.jpg"),
    "backbone.pth": ("predict", "voc20", "street.jpg", "--weights", "backbone.pth"),
    "backbone.safetensors": ("predict", "voc20", "street.jpg", "--weights", "backbone.safetensors"),
    "tags.csv": ("check", "tags.csv"),
    "tags.jsonl": ("check", "tags.jsonl", "--format", "tags"),
    "instances.json": ("check", "instances.json"),
    "classes.txt": ("check", "holiday/tags.csv", "--classes", "classes.txt"),
    "boxes.json": ("evaluate", "--detections", "boxes.json", DEVKIT, "--split", "val"),
    f"{DEVKIT}/ImageSets/Main/odd.txt": ("check", DEVKIT, "--split", "odd"),
    f"{DEVKIT}/Annotations/000003.xml": ("check", DEVKIT, "--split", "val"),
    f"{DEVKIT}/JPEGImages/000003.jpg": ("check", DEVKIT, "--split", "val"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", INPUTS)
def test_special_files_are_refused(freeloc: Callable[..., Any], folder: Path, name: str, kind: str) -> None:
    (folder / name).unlink(missing_ok=True)
    with special_file(folder / name, kind):
        answer = freeloc(*INPUTS[name])
    assert (answer.code, answer.out) == (2, "")
    assert Path(name).name in answer.err
    assert f"is {KINDS[kind]}, not a file" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "-", "street.jpg"),
        ("check", "-"),
        ("check", "holiday/tags.csv", "--classes", "-"),
        ("evaluate", "--detections", "-", DEVKIT, "--split", "val"),
    ],
)
def test_standard_input_is_named_as_a_pipe(
    freeloc: Callable[..., Any], folder: Path, words: tuple[str, ...]
) -> None:
    answer = freeloc(*words)
    assert answer.code == 2
    assert "is a pipe (standard input), not a file" in answer.err


def test_process_substitution_is_named_as_a_pipe(freeloc: Callable[..., Any], folder: Path) -> None:
    reader, writer = os.pipe()  # as the shell passes <(command)
    path = f"/dev/fd/{reader}"
    try:
        for words in (
            ("predict", "voc20", path),
            ("check", "holiday/tags.csv", "--classes", path),
            ("check", path),
        ):
            answer = freeloc(*words)
            assert answer.code == 2
            assert path in answer.err
            assert "is a pipe, not a file" in answer.err
    finally:
        os.close(reader)
        os.close(writer)
