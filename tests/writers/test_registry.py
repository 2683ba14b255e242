"""Requirements for every registered writer, and writers of other packages."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from defusedxml import ElementTree
from PIL import Image

from freeloc.errors import ConfigurationError, MissingDependencyError, OutputError
from freeloc.inference.result import Localization
from freeloc.writers import WRITERS, Writer, WriterOptions, create_writers

IMAGE = Image.new("RGB", (90, 60), (200, 100, 50))

OF_IMAGES = [name for name in WRITERS.names() if not WRITERS.get(name).of_videos]
"""The writers that write something about every image; test_annotated_video.py tests the other one."""

READERS: dict[str, Callable[[Path], object]] = {
    ".txt": lambda path: path.read_text("ascii").splitlines() or True,
    ".yaml": lambda path: path.read_text("utf-8").splitlines(),
    ".csv": lambda path: list(csv.DictReader(path.open(encoding="utf-8", newline=""))) or True,
    ".jsonl": lambda path: [json.loads(line) for line in path.read_text("utf-8").splitlines()],
    ".json": lambda path: json.loads(path.read_text("utf-8")) or True,
    ".parquet": lambda path: path.read_bytes().endswith(b"PAR1"),
    ".xml": ElementTree.parse,
    ".npz": lambda path: dict(np.load(path, allow_pickle=False)),
    ".jpg": lambda path: Image.open(path).load(),
    ".png": lambda path: Image.open(path).load(),
    ".html": lambda path: path.read_text("utf-8").endswith("</html>\n"),
    ".xmp": ElementTree.parse,
}
"""A reader for each kind of file."""


@pytest.fixture(autouse=True)
def _album(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images that `write` names, which some formats link, in the working directory."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "album").mkdir()
    for number in range(3):
        IMAGE.save(folder / "album" / f"{number}.png")
    monkeypatch.chdir(folder)


def files(folder: Path) -> set[Path]:
    """Return all files in a folder, including hidden and partial ones."""
    return {path for path in folder.rglob("*") if path.is_file()}


def write(writer: Writer, result: Localization, count: int = 2, first: int = 0) -> None:
    for number in range(first, first + count):
        image = IMAGE if writer.needs_image else None
        writer.write(result, image, Path(f"album/{number}.png"), f"sub/{number}")


@pytest.mark.parametrize("name", OF_IMAGES)
def test_a_writer_writes_what_it_lists_and_others_can_read_it(
    name: str, tmp_path: Path, tiny_result: Localization, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "out"
    (writer,) = create_writers([name], folder, WriterOptions(threshold=0.0, peaks=1, boxes=1))
    assert writer.name == name
    with writer as entered:
        assert entered is writer
        write(writer, tiny_result)
    assert set(writer.files) == files(tmp_path)
    assert len(set(writer.files)) == len(writer.files)
    assert bool(writer.files) == (name != "console")
    for path in writer.files:
        assert READERS[path.suffix](path)
    printed = capsys.readouterr().out
    assert bool(printed) == (name == "console")
    assert all(json.loads(line) for line in printed.splitlines())


@pytest.mark.parametrize("name", OF_IMAGES)
def test_an_error_leaves_only_whole_files(name: str, tmp_path: Path, tiny_result: Localization) -> None:
    def run() -> None:
        with writer:
            write(writer, tiny_result)
            raise KeyError("mine")

    (writer,) = create_writers([name], tmp_path, WriterOptions())
    with pytest.raises(KeyError, match="mine"):
        run()
    assert set(writer.files) == files(tmp_path)
    for path in writer.files:
        assert READERS[path.suffix](path)
        assert writer.place is not None
        assert path.relative_to(tmp_path).parts[0] == writer.place


@pytest.mark.parametrize("name", [name for name in WRITERS.names() if WRITERS.get(name).can_resume()])
def test_another_writer_continues(
    name: str, tmp_path: Path, tiny_result: Localization, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an interrupted writer wrote after its last position, and did not list, is written again."""
    listed: dict[Path, bool] = {}

    def start(folder: Path, position: int | None) -> Writer:
        (writer,) = create_writers([name], folder, WriterOptions(threshold=0.0))
        writer.on_new_file = listed.__setitem__
        if position is not None:
            writer.resume(position)
        return writer

    with start(tmp_path / "whole", None) as whole:
        write(whole, tiny_result, 3)
    uninterrupted = capsys.readouterr().out
    with pytest.raises(KeyError), start(tmp_path / "parts", None) as writer:
        assert writer.can_resume()
        write(writer, tiny_result)
        position, printed = writer.position(), capsys.readouterr().out
        write(writer, tiny_result, 1, first=2)
        raise KeyError
    capsys.readouterr()
    with start(tmp_path / "parts", position) as continued:
        write(continued, tiny_result, 1, first=2)
    assert printed + capsys.readouterr().out == uninterrupted
    for path in (path for path, temporary in listed.items() if temporary):
        path.unlink()
    sides = [tmp_path / side for side in ("whole", "parts")]
    contents = [{path.relative_to(side): path.read_bytes() for path in files(side)} for side in sides]
    assert contents[1].items() <= contents[0].items()
    assert files(tmp_path) <= listed.keys()


@pytest.mark.parametrize("name", [name for name in OF_IMAGES if WRITERS.get(name).needs_folder])
def test_a_folder_that_cannot_be_written_is_an_output_error(
    name: str, tmp_path: Path, tiny_result: Localization
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot write"):
        (writer,) = create_writers([name], tmp_path / "out", WriterOptions())
        with writer:
            write(writer, tiny_result)
    assert files(tmp_path) == {tmp_path / "out"}


def test_names_are_checked_and_a_repeated_one_counts_once(tmp_path: Path) -> None:
    assert [writer.name for writer in create_writers(["npz", "jsonl", "npz"], tmp_path, WriterOptions())] == [
        "npz", "jsonl"
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match="no writer called 'json'.*did you mean 'jsonl'") as caught:
        create_writers(["json"], tmp_path, WriterOptions())
    assert caught.value.parameter == "formats"
    with pytest.raises(
        OutputError, match="cannot write overlays and npz: there is no output folder"
    ) as refused:
        create_writers(["console", "overlays", "npz"], None, WriterOptions())
    assert refused.value.parameter == "out"


def test_missing_packages_are_named_before_anything_is_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_writers(["jsonl"], tmp_path, WriterOptions(masks=True))
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    create_writers(["jsonl"], tmp_path, WriterOptions())
    with pytest.raises(MissingDependencyError, match=r"pip install 'freeloc\[masks\]'"):
        create_writers(["jsonl"], tmp_path, WriterOptions(masks=True))


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^threshold is .*: it must be (at least 0|at most 1|a finite number)"
    ) as caught:
        WriterOptions(threshold=threshold)
    assert caught.value.parameter == "threshold"


def test_counts_and_map_sizes_are_checked() -> None:
    with pytest.raises(ConfigurationError, match="peaks is -1"):
        WriterOptions(peaks=-1)
    with pytest.raises(ConfigurationError, match="boxes is -2"):
        WriterOptions(boxes=-2)
    with pytest.raises(ConfigurationError, match="map_size is 'pixel': choose one of image, lattice"):
        WriterOptions(map_size="pixel")  # type: ignore[arg-type]
