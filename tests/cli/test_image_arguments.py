"""The argument IMAGES: files, folders, patterns, lists, and standard input."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import Dataset
from freeloc.io.standard_input import keep_input

FAST = ("--runtime", "torch", "--precision", "float32", "--scales", "0.5")


@pytest.fixture
def folder(tiny_scenes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with the images a.jpg and sub/b.jpg."""
    (tmp_path / "sub").mkdir()
    shutil.copy(tiny_scenes.samples[0].path, tmp_path / "a.jpg")
    shutil.copy(tiny_scenes.samples[1].path, tmp_path / "sub" / "b.jpg")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    keep_input(None)


@pytest.fixture
def predict(
    freeloc: Callable[..., Any], tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[dict[str, Any]]]:
    """Run ``freeloc predict`` with something on standard input, and return the records."""

    def run(*words: str, stdin: bytes = b"") -> list[dict[str, Any]]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        answer = freeloc("predict", tiny_run, *words, *FAST)
        assert (answer.code, answer.err) == (0, "")
        return [json.loads(line) for line in answer.out.splitlines()]

    return run


def names(records: list[dict[str, Any]]) -> list[str]:
    return [record["image"] for record in records]


@pytest.mark.usefixtures("folder")
def test_lists_patterns_and_folders(predict: Callable[..., list[dict[str, Any]]]) -> None:
    both = ["a.jpg", "sub/b.jpg"]
    assert names(predict("-", stdin=b"a.jpg\nsub/b.jpg\n")) == both
    assert names(predict("-", stdin=b"a.jpg\0sub/b.jpg\0")) == both
    Path("list.txt").write_text("a.jpg\nsub\n")
    assert names(predict("@list.txt")) == both
    assert names(predict("**/*.jpg")) == both  # a pattern that the shell has not expanded
    assert names(predict(".")) == names(predict(".", "--recursive")) == both
    assert names(predict(".", "--no-recursive")) == ["a.jpg"]


def test_an_image_on_standard_input(folder: Path, predict: Callable[..., list[dict[str, Any]]]) -> None:
    (expected,) = predict("a.jpg")
    (found,) = predict("-", stdin=(folder / "a.jpg").read_bytes())
    assert found["image"] == "-"
    assert found["classes"] == expected["classes"]


def test_what_is_skipped_is_named_once(freeloc: Callable[..., Any], tiny_run: Path, folder: Path) -> None:
    (folder / "x.svg").write_bytes(b"<svg/>")
    (folder / "dead.jpg").symlink_to("gone.jpg")
    answer = freeloc("predict", tiny_run, folder, *FAST)
    assert answer.err.splitlines() == [
        "skipped 1 .svg file: freeloc cannot read this format; convert to JPEG",
        f"skipped {folder / 'dead.jpg'}: it is a link to a file that does not exist",
    ]
    assert freeloc("predict", tiny_run, folder, *FAST, "--quiet").err == ""
    answer = freeloc("predict", tiny_run, "dead.jpg", *FAST)
    assert (answer.code, answer.out) == (2, "")
    assert "freeloc: cannot read image dead.jpg: it is a link to gone.jpg, which does not exist" in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "voc20", "dead"),
        ("predict", "dead", "a.jpg"),
        ("predict", "voc20", "@dead"),
        ("check", "dead"),
        ("check", "tags.csv"),
        ("check", "good.csv", "--classes", "./dead"),
        ("check", "good.csv", "--images", "dead"),
    ],
)
def test_links_that_lead_nowhere_are_named(
    freeloc: Callable[..., Any], folder: Path, words: tuple[str, ...]
) -> None:
    (folder / "dead").symlink_to("gone")
    (folder / "good.csv").write_text("file_name,tags\na.jpg,dog\nsub/b.jpg,cat\n")
    (folder / "tags.csv").write_text("file_name,tags\na.jpg,dog\ndead,cat\n")
    answer = freeloc(*words)
    assert (answer.code, answer.out) == (2, "")
    assert "dead" in answer.err
    assert re.search(r"is a link to (gone, which|a file that) does not exist|a link that leads", answer.err)
