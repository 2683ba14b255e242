"""The pages about tools: their commands run on files in the formats of the tools, and their pictures are small."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree
from PIL import Image

from docs import drawing, tool_pictures
from freeloc.datasets import Dataset, open_dataset
from freeloc.inference.localizer import Localizer
from freeloc.prediction.convert import convert
from freeloc.prediction.predict_files import PredictionOptions, predict_files
from freeloc.visualization.palette import PREDICTED_BOX
from tests import tool_exports
from tests.test_docs import PAGES, blocks, commands

FOLDER = tool_pictures.TARGET
TOOLS = [page for page in PAGES if page.startswith("docs/tools/")]
WITH_COMMANDS = [page for page in TOOLS if commands(page, inline=False)]
IMAGES = 16


@pytest.fixture(scope="module")
def predicted(
    tiny_localizer: Localizer, tiny_scenes: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with two images in ``holiday``, and in ``records`` their predictions with all that a page asks for."""
    folder = tmp_path_factory.mktemp("predicted")
    (folder / "holiday").mkdir()
    for name, sample in zip(("street.jpg", "beach.jpg"), tiny_scenes, strict=False):
        shutil.copy(sample.path, folder / "holiday" / name)
    options = PredictionOptions(formats=("jsonl",), boxes=8, peaks=8, masks=True)
    with contextlib.chdir(folder):
        predict_files(tiny_localizer, sorted(Path("holiday").iterdir()), "records", options, quiet=True)
    return folder


@pytest.fixture
def working_folder(tmp_path: Path, predicted: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two images in ``holiday``."""
    shutil.copytree(predicted / "holiday", tmp_path / "holiday")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(page: str, folder: Path, tiny_training: Dataset) -> None:
    """Write tagged scenes as the tool of a page exports them."""
    write = tool_exports.EXPORTS.get(Path(page).stem)
    if write is not None:
        write(folder, tool_exports.read_scenes(tiny_training.samples[0].path.parent, IMAGES))


def without_model(words: list[str], predicted: Path) -> list[str]:
    """Convert the records where ``freeloc predict`` would predict the images: the output is the same."""
    assert words[:3] == ["predict", "run", "holiday/"]
    return ["convert", str(predicted / "records"), *words[3:]]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_the_commands_of_a_page_run(
    page: str, predicted: Path, working_folder: Path, tiny_training: Dataset, freeloc: Callable[..., Any]
) -> None:
    """Nothing is trained: ``freeloc check`` reads the same data."""
    export(page, working_folder, tiny_training)
    for line in commands(page, inline=False):
        words = shlex.split(line)[1:]
        if words[0] == "train":
            assert (working_folder / words[1]).exists(), line
            continue
        answer = freeloc(*(without_model(words, predicted) if words[0] == "predict" else words))
        assert answer.code == 0, f"{line}: {answer.err}"
        assert words[0] != "check" or ": 16 images, 8 classes" in answer.out or "--split" in words, answer.out
    for path in re.findall(r"`((?:found|review)/[^` $]+)`", PAGES[page]):
        assert (working_folder / path).exists(), path


def test_every_export_has_a_page() -> None:
    assert {f"docs/tools/{name}.md" for name in tool_exports.EXPORTS} <= set(WITH_COMMANDS)


def run_shell(page: str, heading: str) -> None:
    """Run the commands under a heading of a page that are not those of freeloc."""
    section = PAGES[page].split(f"## {heading}\n")[1]
    (block, *_) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = [line for line in block.replace("\\\n", " ").splitlines() if not line.startswith("freeloc ")]
    assert lines
    subprocess.run("\n".join(lines), shell=True, check=True)


@pytest.mark.skipif(os.name == "nt", reason="the commands are those of a POSIX shell")
def test_keywords_get_to_the_images(predicted: Path, working_folder: Path) -> None:
    convert(predicted / "records", "found", ["xmp"], quiet=True)
    if shutil.which("exiftool"):
        run_shell("docs/tools/lightroom.md", "Keywords from predictions")
        assert open_dataset("holiday", format="keywords").classes == ("clock", "fish", "mug", "sailboat")
        for backup in Path("holiday").glob("*_original"):
            backup.rename(backup.with_name(backup.name.removesuffix("_original")))
    run_shell("docs/tools/digikam.md", "Keywords from predictions")
    assert sorted(path.name for path in Path("holiday").glob("*.xmp")) == ["beach.jpg.xmp", "street.jpg.xmp"]


def test_other_programs_load_the_predictions(
    predicted: Path, working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    pytest.importorskip("pandas", reason="pandas is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", working_folder / "cache")
    convert(predicted / "records", "found", ["hf", "parquet"], quiet=True)
    for page in ("docs/tools/hugging-face.md", "docs/tools/tables.md"):
        (lines,) = blocks(page, "py")
        exec(compile(lines, page, "exec"), {})
    (query,) = blocks("docs/tools/tables.md", "sql")
    rows = duckdb.sql(query)
    assert rows.columns == ["image", "class", "x1", "y1", "x2", "y2", "score"]
    assert {row[0] for row in rows.fetchall()} == {"street.jpg", "beach.jpg"}


# --- pictures -----------------------------------------------------------------------------------------------


def test_pictures_are_small_and_all_of_them_are_shown() -> None:
    drawn = {path.name: path for path in FOLDER.iterdir() if path.suffix != ".md"}
    assert set(drawn) == set(tool_pictures.PICTURES)
    shown = [
        (description, (FOLDER.parent.parent / page).parent / target)
        for page, text in PAGES.items()
        for description, target in re.findall(r"!\[([^]]*)\]\(([^)\s]+)\)", text)
    ]
    assert {path.resolve() for path in drawn.values()} <= {path.resolve() for _, path in shown}
    assert all(len(description) > 20 for description, path in shown if path.parent == FOLDER)
    assert max(path.stat().st_size for path in drawn.values()) <= drawing.MAX_BYTES
    assert sum(path.stat().st_size for path in drawn.values()) < 1_000_000


@pytest.mark.parametrize("name", tool_pictures.PICTURES)
def test_a_picture_can_be_shown_without_a_network(name: str) -> None:
    if not name.endswith(".svg"):
        with Image.open(FOLDER / name) as image:
            image.load()
        return
    text = (FOLDER / name).read_text("utf-8")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search(r"url\(|href|@import|<script|/tmp|/home", text)


def test_shapes_are_drawn_where_they_are(tmp_path: Path) -> None:
    Image.new("RGB", (400, drawing.PANEL_HEIGHT)).save(tmp_path / "a.png")  # which is not resized
    shapes = drawing.Shapes(tmp_path / "a.png", ["mug"])
    shapes.add_box(100, 50, 200, 150)
    shapes.points.append(drawing.named_point("mug", 300, 100))
    drawn = shapes.draw()
    blue, yellow = PREDICTED_BOX, drawn.getpixel((300, 100))
    assert [drawn.getpixel(place) for place in ((100, 100), (199, 100), (150, 50))] == [blue] * 3
    assert drawn.getpixel((150, 100)) == (0, 0, 0)
    assert isinstance(yellow, tuple)
    assert yellow[0] > 200 > yellow[2]


def test_a_terminal_wraps_and_escapes_lines(tmp_path: Path) -> None:
    drawing.save_terminal("$ a\n  <b> & " + "c" * 40, tmp_path / "a.svg", columns=20)
    found = ElementTree.parse(tmp_path / "a.svg").getroot()
    texts = [each.text for each in found if each.tag.endswith("text")]
    assert texts == ["$ a", "  <b> & " + "c" * 12, "c" * 20, "c" * 8]
