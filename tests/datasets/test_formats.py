"""The registry of dataset formats, and a format of another package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from freeloc.datasets import FORMATS, DatasetFormat

PLUGIN = """
from freeloc.datasets import DatasetBuilder, DatasetFormat, make_labels


class PairsFormat(DatasetFormat):
    layout = "pairs: a file *.pairs"

    def detect(self, path):
        return path.suffix == ".pairs"

    def open(self, path, options):
        builder = DatasetBuilder(path, options)
        rows = [line.split() for line in path.read_text().splitlines()]
        classes = options.classes or tuple(sorted({tag for _, tag in rows}))
        for line, (name, tag) in enumerate(rows, start=1):
            sample = builder.add_image(path.parent / name, path, line)
            sample.labels = make_labels(len(classes), [classes.index(tag)])
        return builder.build(path.stem, classes)
"""


@pytest.mark.parametrize("name", FORMATS.names())
def test_built_in_formats_are_classes_with_a_layout(name: str) -> None:
    kind = FORMATS.get(name)
    assert issubclass(kind, DatasetFormat)
    assert kind.layout


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """The environment in which a package with one more format is installed."""
    site = tmp_path / "site"
    info = site / "pairs-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "pairs.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pairs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[freeloc.formats]\npairs = pairs:PairsFormat\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


def test_a_format_of_another_package_works_on_the_command_line(
    tmp_path: Path, plugin: dict[str, str]
) -> None:
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (8, 6), (len(name), 0, 0)).save(tmp_path / name)
    file = tmp_path / "mine.pairs"
    file.write_text("a.jpg dog\nb.jpg cat\n")
    for words in (["--format", "pairs"], []):
        done = subprocess.run(
            [sys.executable, "-m", "freeloc", "check", str(file), *words],
            capture_output=True,
            text=True,
            check=False,
            env=plugin,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "mine: 2 images, 2 classes\n       1  cat\n       1  dog\n"
    file.write_text("a.jpg dog\ngone.jpg cat\n")
    done = subprocess.run(
        [sys.executable, "-m", "freeloc", "check", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env=plugin,
    )
    assert done.returncode == 2
    assert f"{file}:2: image {tmp_path / 'gone.jpg'} is missing" in done.stderr
