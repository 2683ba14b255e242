"""The code on the pages runs, and every command on them exists with its options."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

import freeloc
from freeloc.cli import program
from freeloc.datasets import Dataset
from freeloc.demo.scenes import SceneSettings, generate_scenes

ROOT = Path(freeloc.__file__).parent.parent.parent
PAGES = {
    page.relative_to(ROOT).as_posix(): page.read_text("utf-8")
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGES[page], re.DOTALL)


# --- Python ------------------------------------------------------------------------------------------------


def write_devkit(folder: Path, dataset: Dataset) -> None:
    """The scenes as a VOC devkit with lists ``train`` and ``val``."""
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    names = []
    for sample in dataset:
        shutil.copy(sample.path, folder / "JPEGImages")
        names.append(sample.path.stem)
        objects = "".join(
            f"<object><name>{dataset.classes[box.label]}</name><bndbox><xmin>{box.x1 + 1}</xmin>"
            f"<ymin>{box.y1 + 1}</ymin><xmax>{box.x2}</xmax><ymax>{box.y2}</ymax></bndbox></object>"
            for box in sample.boxes or ()
        )
        (folder / "Annotations" / f"{sample.path.stem}.xml").write_text(f"<annotation>{objects}</annotation>")
    for split in ("train", "val"):
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(names) + "\n")


def add_splits(path: Path) -> None:
    """Add a column of splits to a tag list: one image of four is held out."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    splits = ["split", *("held-out" if place % 4 == 0 else "train" for place in range(len(rows) - 1))]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([*row, split] for row, split in zip(rows, splits, strict=True))


def write_clip(path: Path, scene: Path) -> None:
    """A video of a scene with six frames."""
    from tests.video_files import write_video

    with Image.open(scene) as image:
        write_video(path, [np.asarray(image.convert("RGB").resize((160, 120)))] * 6)


@pytest.fixture
def prepared_folder(
    tmp_path: Path,
    tiny_run: Path,
    tiny_training: Dataset,
    tiny_scenes: Dataset,
    tiny_coco: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A working directory with the files that the pages mention; training is short."""
    from freeloc.demo.scenes import SceneSettings, generate_scenes
    from freeloc.training import train as module
    from freeloc.training.settings import TrainingSettings

    photos = tmp_path / "photos"
    shutil.copytree(tiny_training.samples[0].path.parent, photos)
    add_splits(photos / "metadata.csv")
    shutil.copytree(photos, tmp_path / "holiday")
    shutil.move(tmp_path / "holiday" / "metadata.csv", tmp_path / "holiday" / "tags.csv")
    generate_scenes(tmp_path / "archive-sample", 8, SceneSettings(seed=3), start=2000, boxes=False)
    write_devkit(tmp_path / "VOCdevkit" / "VOC2012", tiny_scenes)
    page = json.loads(tiny_coco.read_text())
    page["categories"].append({"id": 24, "name": "zebra"})
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    (tmp_path / "coco" / "annotations" / "instances_val2017.json").write_text(json.dumps(page))
    shutil.copytree(tiny_coco.parent, tmp_path / "coco" / "val2017")
    with Image.open(tiny_scenes.samples[0].path) as image:
        image.save(tmp_path / "street.jpg")
    shutil.copytree(tiny_run, tmp_path / "trained")
    monkeypatch.chdir(tmp_path)

    full_training: Callable[..., Any] = module.train
    tiny = json.loads((tiny_run / "manifest.json").read_text())["recipe"]
    tiny |= {"scales": tuple(tiny["scales"]), "test_scales": tuple(tiny["test_scales"]), "epochs": 2}

    def short_training(
        dataset: Dataset, out: Path, settings: TrainingSettings | None = None, **options: Any
    ) -> Any:
        settings = settings or TrainingSettings()
        options.pop("epochs", None)
        short = freeloc.Recipe(**tiny)
        folds = min(settings.calibration_folds, 2)
        settings = replace(
            settings, backbone="efficientnet_lite0", recipe=short, calibration_folds=folds, report=False
        )
        return full_training(dataset, out, settings, **options)

    monkeypatch.setattr(freeloc, "train", short_training)  # which may have been loaded before
    monkeypatch.setattr(module, "train", short_training)
    return tmp_path


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    "page",
    # tests/posttraining/export runs the programs of the page on exporting, with a small network.
    [page for page in PAGES if blocks(page, "python") and page != "docs/export.md"],
)
def test_the_python_of_a_page_runs(page: str, prepared_folder: Path) -> None:
    names: dict[str, object] = {"freeloc": freeloc}
    if page == "docs/calibration.md":  # continues the page on training
        names["data"] = names["dataset"] = freeloc.open_dataset("photos/", split="train")
        names["held_out"] = freeloc.open_dataset("photos/", split="held-out")
        names["dog"] = names["dataset"].classes[0]  # type: ignore[attr-defined]
    if page in ("docs/models.md", "docs/tasks.md"):
        shutil.copytree(prepared_folder / "trained", prepared_folder / "run")
    if any("clip.mp4" in block for block in blocks(page, "python")):
        pytest.importorskip("av", reason="the extra video is not installed")
        write_clip(prepared_folder / "clip.mp4", prepared_folder / "street.jpg")
    for block in blocks(page, "python"):
        if page != "README.md":
            for word in ('"dog"', '"person"', '"bicycle"'):  # the tiny model has other classes
                block = block.replace(word, '"mug"')  # noqa: PLW2901
        exec(compile(block, page, "exec"), names)


# --- links and pictures -------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    headings = (
        re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", each) for each in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    )
    plain = (re.sub(r"[^\w\s-]", "", each).strip().lower() for each in headings)
    return {re.sub(r"[-\s]+", "-", each) for each in plain}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        name, _, anchor = target.partition("#")
        if not re.match(r"[a-z]+:", target):
            path = folder / name if name else ROOT / page
            assert path.exists(), target
            assert not anchor or path.suffix != ".md" or anchor in anchors(path), target


# --- commands ----------------------------------------------------------------------------------------------


def commands(page: str, *, inline: bool = True) -> list[str]:
    lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    quoted = re.findall(r"`(freeloc [a-z][^`]*)`", PAGES[page]) if inline else []
    found = [line.split("#")[0].strip() for line in lines] + [" ".join(line.split()) for line in quoted]
    return [line for line in found if line.startswith("freeloc ")]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_the_commands_of_a_page_exist(page: str) -> None:
    """Commands are parsed, not run, so a removed or nonexistent option fails."""
    group = typer.main.get_command(program.app)
    for line in commands(page):
        name, *words = shlex.split(line)[1:]
        command = group.commands.get(name)  # type: ignore[attr-defined]
        assert command is not None, line
        options = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        for word in words:
            if word == "|":
                break
            if word.startswith("-") and word != "-":
                assert word.split("=")[0] in options, f"{page}: {line}"


def test_the_commands_of_the_page_on_tasks_run(
    prepared_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    freeloc: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    # An image is otherwise used at all scales, because there are few.
    monkeypatch.setattr("freeloc.training.quantization.canvases._MIN_CANVASES", 1)
    scenes = generate_scenes(tmp_path_factory.mktemp("photos"), 20, SceneSettings(seed=3), boxes=False)
    shutil.rmtree(prepared_folder / "photos")
    shutil.copytree(scenes.samples[0].path.parent, prepared_folder / "photos")
    add_splits(prepared_folder / "photos" / "metadata.csv")
    shutil.copytree(prepared_folder / "trained", prepared_folder / "earlier")
    for line in commands("docs/tasks.md", inline=False):
        words = shlex.split(line)[1:]
        # Two epochs on generated scenes do not make a model that a calibration improves.
        force = ["--force"] if words[0] == "calibrate" else []
        answer = freeloc(*words, *force)
        assert answer.code == 0, f"{line}: {answer.err}"
    for name in (
        "run/model.safetensors",
        "found/overlays",
        "points/predictions.jsonl",
        "quick",
        "doubts.html",
    ):
        assert (prepared_folder / name).exists(), name
