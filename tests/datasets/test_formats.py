"""The registry of dataset formats, and a format of another package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from freeloc.datasets import FORMATS, Dataset, DatasetFormat, OpenOptions, open_dataset
from freeloc.errors import ConfigurationError
from tests.packages import write_package

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def format_of_the_docs() -> str:
    """The example format of docs/data.md."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (code,) = (block for block in blocks if "class " in block)
    return code


@pytest.mark.parametrize("name", FORMATS.names())
def test_built_in_formats_are_classes_with_a_layout(name: str) -> None:
    kind = FORMATS.get(name)
    assert issubclass(kind, DatasetFormat)
    assert kind.layout


def test_a_format_that_ignores_the_rules_for_tags_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OwnFormat(DatasetFormat):
        layout = "own: a file *.own"

        def detect(self, path: Path) -> bool:
            return path.suffix == ".own"

        def open(self, path: Path, options: OpenOptions) -> Dataset:
            return Dataset("own", ("dog",), ())

    monkeypatch.setitem(FORMATS._registered, "own", OwnFormat)
    (tmp_path / "a.own").touch()
    assert open_dataset(tmp_path / "a.own").classes == ("dog",)
    with pytest.raises(ConfigurationError, match="does not use DatasetBuilder, .*: omit them") as caught:
        open_dataset(tmp_path / "a.own", fold_case=True)
    assert caught.value.parameter == "fold_case"


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """The environment in which a package with one more format is installed."""
    site = tmp_path / "site"
    write_package(site, "pairs", format_of_the_docs(), {"freeloc.readers": {"pairs": "pairs:PairsFormat"}})
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
        assert done.stdout.startswith("mine: 2 images, 2 classes\n       1  cat\n       1  dog\n")
    file.write_text("a.jpg dog\ngone.jpg cat\n")
    (tmp_path / "names.txt").write_text("dog\n")
    done = subprocess.run(
        [sys.executable, "-m", "freeloc", "check", str(file), "--classes", str(tmp_path / "names.txt")],
        capture_output=True,
        text=True,
        check=False,
        env=plugin,
    )
    assert done.returncode == 2
    assert f"{file}:2: image {tmp_path / 'gone.jpg'} is missing" in done.stderr
