"""Components of another package, used through the command line: the examples on the pages, unchanged."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import freeloc
from freeloc.datasets import Dataset
from freeloc.datasets.formats import FORMATS
from freeloc.writers import WRITERS
from tests.packages import installed, write_package

SOURCE = Path(freeloc.__file__).parent.parent
PAGE = (SOURCE.parent / "CONTRIBUTING.md").read_text("utf-8")
PACKAGE_PAGE = (SOURCE.parent / "docs" / "extending.md").read_text("utf-8")


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``my_package``, installed as by pip."""
    folder = tmp_path_factory.mktemp("site")
    examples = blocks("python")
    assert len(examples) == 4
    assert all(len(example.splitlines()) <= 26 for example in examples)
    (table,) = blocks("toml")
    entry_points = tomllib.loads(table)["project"]["entry-points"]
    write_package(folder, "my_package", "\n\n".join(examples), entry_points)
    return folder


def run_freeloc(package: Path, *words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "freeloc", *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), str(package)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_a_format_of_another_package(package: Path, tiny_training: Dataset, tmp_path: Path) -> None:
    names = [sample.path.name for sample in tiny_training]
    for sample in tiny_training:
        shutil.copy(sample.path, tmp_path)
    tags = ["day", "night"]
    lines = [f"{name} {tags[place % 2]}\n" for place, name in enumerate(names)]
    (tmp_path / "animals.pairs").write_text("".join(lines))
    for words in ((), ("--format", "pairs")):
        out = run_freeloc(package, "check", tmp_path / "animals.pairs", *words).stdout
        assert out.splitlines()[0] == f"animals: {len(names)} images, 2 classes"
        assert re.search(r"8 +day\n +8 +night", out)


def test_a_writer_of_another_package(
    package: Path, tiny_run: Path, tiny_training: Dataset, tmp_path: Path
) -> None:
    image = tiny_training.samples[0].path
    words = ("--out", tmp_path, "--format", "points", "--format", "jsonl", "--threshold", "0.2")
    run_freeloc(package, "predict", tiny_run, image, *words)
    (record,) = map(json.loads, (tmp_path / "predictions.jsonl").read_text().splitlines())
    found = [entry for entry in record["classes"] if entry["present"]]
    assert found
    expected = [f"{entry['name']} {entry['x']:.0f} {entry['y']:.0f}" for entry in found]
    assert (tmp_path / f"{image.stem}.txt").read_text().splitlines() == expected


def test_a_pooling_and_a_backbone_of_another_package(
    package: Path, tiny_training: Dataset, tmp_path: Path
) -> None:
    """Trained and used through the command line; the model file names both."""
    data = tiny_training.samples[0].path.parent
    words = ("--backbone", "colors", "--pooling", "median", "--epochs", 2, "--scales", "1.0", "--no-report")
    run_freeloc(package, "train", data, "--out", tmp_path / "run", *words)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["recipe"]["pooling"] == "median"
    out = run_freeloc(package, "predict", tmp_path / "run", tiny_training.samples[0].path).stdout
    assert {entry["name"] for entry in json.loads(out)["classes"]} == set(tiny_training.classes)


@pytest.fixture(scope="module")
def installed_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the package of ``docs/extending.md``."""
    source = tmp_path_factory.mktemp("freeloc-tabs")
    target = tmp_path_factory.mktemp("target")
    (table,), (code,) = blocks("toml", PACKAGE_PAGE), blocks("python", PACKAGE_PAGE)
    assert len([line for line in code.splitlines() if line]) <= 30
    (source / "pyproject.toml").write_text(table)
    (source / "freeloc_tabs.py").write_text(code)
    words = ("install", "--no-deps", "--no-build-isolation", "--no-index", "--target", target, source)
    done = subprocess.run(
        [sys.executable, "-m", "pip", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


def test_an_installed_package_reads_what_it_writes(
    installed_package: Path,
    tiny_run: Path,
    tiny_training: Dataset,
    tmp_path: Path,
    freeloc: Callable[..., Any],
) -> None:
    images = sorted(Path(shutil.copy(sample.path, tmp_path)) for sample in tiny_training.samples[:4])
    found, again = tmp_path / "found", tmp_path / "again"
    with (
        installed(installed_package, "freeloc_tabs", WRITERS),
        installed(installed_package, "freeloc_tabs", FORMATS),
    ):
        words = ("--format", "tabs", "--format", "jsonl", "--threshold", "0", "--quiet")
        assert freeloc("predict", tiny_run, *images, "--out", found, *words).code == 0
        absent = ("--format", "tabs", "--threshold", "1", "--quiet")
        assert freeloc("convert", found, "--out", again, *absent).code == 0
        everything = (found / "tags.tabs").read_text("utf-8").splitlines()
        nothing = (again / "tags.tabs").read_text("utf-8").splitlines()
        # Every class is in two of the four images.
        (tmp_path / "mine.tabs").write_text("\n".join([*everything[:2], *nothing[2:], ""]))
        answer = freeloc("check", tmp_path / "mine.tabs")
    assert nothing == [str(image) for image in images]
    for image, line in zip(images, everything, strict=True):
        name, *tags = line.split("\t")
        assert (name, sorted(tags)) == (str(image), sorted(tiny_training.classes))
    assert answer.code == 0, answer
    counts = [f"       2  {name}" for name in sorted(tiny_training.classes)]
    assert answer.out.splitlines()[: len(counts) + 1] == [f"mine: 4 images, {len(counts)} classes", *counts]
