"""Components of another package, used through the command line: the examples in CONTRIBUTING.md, unchanged."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import freeloc
from freeloc.datasets import Dataset
from tests.packages import write_package

SOURCE = Path(freeloc.__file__).parent.parent
PAGE = (SOURCE.parent / "CONTRIBUTING.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


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
