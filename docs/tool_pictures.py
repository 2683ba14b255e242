"""Draw the pictures of docs/tools: ``make pictures``.

Scenes and model are those of ``freeloc demo``. A picture shows what the program that a page is about, or a library
that reads its files, has read from the files that freeloc wrote, or what freeloc printed about files in the format
of the program. The programs are in build/consumers (``make consumers``, and CONTRIBUTING.md about FiftyOne);
exiftool and Chromium must be installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

import freeloc
from docs.drawing import PANEL_HEIGHT, Shapes, named_point, save_images, save_jpeg, save_page, save_terminal
from freeloc.geometry.size import Size
from freeloc.visualization import draw_grid
from freeloc.visualization.panel_layout import PanelLayout
from tests import tool_exports
from tests.consumers import read_with

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "tools"
SCENES = {"0322.jpg": "scene_000322.jpg", "0326.jpg": "scene_000326.jpg"}
"""The scenes that are drawn, by shorter names; all pictures show the same ones, so that they can be compared."""

TAGGED = 60
"""Number of tagged scenes in the files of other programs."""

DATUMARO = """
import json, sys
from datumaro.components.dataset import Dataset
data = Dataset.import_from(sys.argv[1], "cvat")
labels = data.categories()[next(iter(data.categories()))]
found = {}
for item in data:
    found[item.id] = [
        [each.type.name, labels[each.label].name, [float(value) for value in getattr(each, "points", ())]]
        for each in item.annotations
    ]
print(json.dumps(found))
"""
DATUMARO_FIGURE = """
import sys
import matplotlib
matplotlib.use("agg")
from datumaro.components.dataset import Dataset
from datumaro.components.visualizer import Visualizer
data = Dataset.import_from(sys.argv[1], "datumaro")
figure = Visualizer(data, figsize=(9.2, 3.4)).vis_gallery(list(data), grid_size=(1, 2))
figure.tight_layout()
figure.savefig(sys.argv[2], dpi=100)
print("null")
"""
LABEL_STUDIO = """
import json, sys
from label_studio_sdk.label_interface import LabelInterface
interface = LabelInterface(open(sys.argv[1] + "/config.xml").read())
tasks = json.load(open(sys.argv[1] + "/tasks.json"))
for task in tasks:
    assert interface.validate_prediction(task["predictions"][0], return_errors=True) == []
print(json.dumps(tasks))
"""
LABELME = """
import json, sys
from labelme._label_file import LabelFile
files = [LabelFile(path) for path in sys.argv[1:]]
print(json.dumps([[file.flags, file.shapes] for file in files]))
"""
FIFTYONE = """
import json, os, sys
os.environ["FIFTYONE_DATABASE_URI"] = "mongodb://localhost:1/"  # nothing is read or stored there
os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
import fiftyone as fo
found = []
for line in open(sys.argv[1], encoding="utf-8"):
    values = json.loads(line)
    boxes = [fo.Detection(**each) for each in values["boxes"]]
    points = [fo.Keypoint(**each) for each in values["points"]]
    tags = [fo.Classification(**each).label for each in values["classes"]]
    found.append([values["filepath"], tags, [[each.label, each.bounding_box] for each in boxes],
                  [[each.label, each.points[0]] for each in points]])
print(json.dumps(found))
"""


# --- what is drawn ------------------------------------------------------------------------------------------


def run(command: str, folder: Path) -> str:
    """Run a command in a folder; return it with what it prints, as in a terminal."""
    words = shlex.split(command.replace("\\\n", " "))
    if words[0] == "freeloc":
        words[:1] = [sys.executable, "-m", "freeloc"]
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return f"$ {command}\n{done.stdout}"


@dataclass(frozen=True)
class Studio:
    """The scenes, the model, and a working folder for the files of other programs."""

    demo: Path
    work: Path

    @cached_property
    def tagged(self) -> list[tool_exports.Tagged]:
        """The tagged scenes."""
        return tool_exports.read_scenes(self.demo / "scenes" / "train", TAGGED)

    def export(self, page: str) -> Path:
        """Write the tagged scenes as the program of a page does; return the folder."""
        folder = self.work / f"tagged-{page}"
        folder.mkdir()
        tool_exports.EXPORTS[page](folder, self.tagged)
        return folder

    def predict(self, *formats: str, **what: Any) -> Path:
        """Predict the scenes in the folder ``holiday`` of the working folder; return the output folder."""
        holiday = self.work / "holiday"
        if not holiday.exists():
            holiday.mkdir()
            for name, scene in SCENES.items():
                shutil.copy(self.demo / "scenes" / "test" / scene, holiday / name)
        out = self.work / "-".join(("found", *formats))
        localizer = freeloc.Localizer.load(self.demo / "run")
        options = freeloc.PredictionOptions(formats=("jsonl", *formats), **{"boxes": 8, **what})
        with contextlib.chdir(self.work):
            paths = [Path("holiday", name) for name in SCENES]
            freeloc.predict_files(localizer, paths, out, options, quiet=True)
        return out

    def scene(self, name: str) -> Path:
        """Return the file of a scene."""
        return self.work / "holiday" / f"{Path(name).stem}.jpg"


def check_of(page: str, command: str) -> Callable[[Studio, Path], None]:
    """Return what draws the answer to ``freeloc check`` about the files of a page."""

    def draw(studio: Studio, target: Path) -> None:
        save_terminal(run(command, studio.export(page)), target)

    return draw


def draw_csv(studio: Studio, target: Path) -> None:
    """A tag list with two spellings and a typing error."""
    folder = studio.export("csv")
    tags = folder / "photos" / "metadata.csv"
    lines = tags.read_text().splitlines()
    lines[1:8] = [line.replace("guitar", "Guitar") for line in lines[1:8]]
    for line in [each for each in lines if "sailboat" in each][:2]:
        lines[lines.index(line)] = line.replace("sailboat", "sialboat")
    tags.write_text("\n".join(lines) + "\n")
    save_terminal(run("freeloc check photos/", folder), target)


def draw_cvat(studio: Studio, target: Path) -> None:
    """Annotations for CVAT, read by datumaro."""
    shown = []
    for name, read in sorted(read_with("datumaro", DATUMARO, studio.predict("cvat") / "cvat").items()):
        shapes = Shapes(studio.scene(name), [label for kind, label, _ in read if kind == "label"])
        for kind, label, values in read:
            if kind == "points":
                shapes.points.append(named_point(label, *values))
            elif kind == "bbox":
                shapes.add_box(*values)
        shown.append(shapes)
    save_images(shown, target)


def draw_datumaro(studio: Studio, target: Path) -> None:
    """A dataset, drawn by datumaro itself."""
    file = studio.work / "datumaro.png"
    read_with("datumaro", DATUMARO_FIGURE, studio.predict("datumaro") / "datumaro", file)
    with Image.open(file) as image:
        save_jpeg(image, target)


def draw_label_studio(studio: Studio, target: Path) -> None:
    """Tasks, checked by the SDK, whose positions are percentages."""
    shown = []
    for task in read_with("label-studio-sdk", LABEL_STUDIO, studio.predict("labelstudio") / "labelstudio"):
        shapes = Shapes(studio.scene(task["data"]["image"]))
        for region in task["predictions"][0]["result"]:
            value = region["value"]
            right, down = region["original_width"] / 100, region["original_height"] / 100
            if region["type"] == "choices":
                shapes.tags = value["choices"]
            elif region["type"] == "keypointlabels":
                (name,) = value["keypointlabels"]
                shapes.points.append(named_point(name, value["x"] * right, value["y"] * down))
            else:
                x, y = value["x"] * right, value["y"] * down
                shapes.add_box(x, y, x + value["width"] * right, y + value["height"] * down)
        shown.append(shapes)
    save_images(shown, target)


def draw_labelme(studio: Studio, target: Path) -> None:
    """Shapes, read by labelme; with masks."""
    files = sorted((studio.predict("labelme", masks=True) / "labelme").glob("*.json"))
    shown = []
    for file, (flags, read) in zip(files, read_with("labelme", LABELME, *files), strict=True):
        shapes = Shapes(studio.scene(file.name), [name for name, present in flags.items() if present])
        for each in read:
            if each["shape_type"] == "point":
                shapes.points.append(named_point(each["label"], *each["points"][0]))
            elif each["shape_type"] == "rectangle":
                shapes.add_box(*each["points"][0], *each["points"][1])
            else:
                shapes.polygons.append(each["points"])
        shown.append(shapes)
    save_images(shown, target)


def draw_hugging_face(studio: Studio, target: Path) -> None:
    """An image folder, loaded by datasets."""
    import datasets

    datasets.disable_progress_bars()
    where = {"data_dir": str(studio.predict("hf") / "hf"), "cache_dir": str(studio.work / "datasets")}
    images, shown = datasets.load_dataset("imagefolder", split="train", **where), []
    for number, row in enumerate(images):
        file = studio.work / f"image {number}.jpg"
        row["image"].save(file, quality=95)
        shapes = Shapes(file, row["tags"])
        for (x, y), name in zip(row["points"]["xy"], row["points"]["categories"], strict=True):
            shapes.points.append(named_point(name, x, y))
        for x, y, width, height in row["objects"]["bbox"]:
            shapes.add_box(x, y, x + width, y + height)
        shown.append(shapes)
    save_images(shown, target)


def draw_yolo(studio: Studio, target: Path) -> None:
    """A training set, read and drawn by supervision."""
    import supervision as sv

    folder = studio.predict("yolo") / "yolo"
    data = sv.DetectionDataset.from_yolo(
        str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml")
    )
    drawn = []
    for _, image, boxes in sorted(data, key=lambda each: each[0]):
        names = [data.classes[index] for index in boxes.class_id]
        image = sv.BoxAnnotator().annotate(image.copy(), boxes)  # noqa: PLW2901
        image = sv.LabelAnnotator().annotate(image, boxes, names)  # noqa: PLW2901
        panel = Image.fromarray(image[..., ::-1])
        layout = PanelLayout.fit(Size(*panel.size), PANEL_HEIGHT)
        drawn.append(panel.resize((layout.panel.width, layout.panel.height), Image.Resampling.LANCZOS))
    save_jpeg(draw_grid(drawn, columns=len(drawn)), target)


def draw_fiftyone(studio: Studio, target: Path) -> None:
    """Labels of FiftyOne, whose positions are fractions."""
    shown = []
    lines = studio.predict("fiftyone") / "fiftyone.jsonl"
    for file, tags, boxes, points in read_with("fiftyone", FIFTYONE, lines):
        shapes = Shapes(Path(file), tags)
        right, down = shapes.size.width, shapes.size.height
        shapes.points += [named_point(name, x * right, y * down) for name, (x, y) in points]
        for _, (x, y, width, height) in boxes:
            shapes.add_box(x * right, y * down, (x + width) * right, (y + height) * down)
        shown.append(shapes)
    save_images(shown, target)


def draw_sam(studio: Studio, target: Path) -> None:
    """The prompts, as the lines of Python on the page pass them to SAM."""
    shown = []
    for line in (studio.predict("sam", peaks=8) / "sam.jsonl").read_text().splitlines():
        values = json.loads(line)
        shapes = Shapes(studio.scene(values["image"]), [f"{len(values['prompts'])} prompts"])
        for prompt in values["prompts"]:
            if prompt["box"]:
                shapes.add_box(*prompt["box"])
            if prompt["points"]:
                shapes.points.append(named_point(prompt["text"], *prompt["points"][0]))
        shown.append(shapes)
    save_images(shown, target)


def draw_digikam_regions(studio: Studio, target: Path) -> None:
    """The keywords and regions of sidecars, read by exiftool."""
    sidecars = sorted((studio.predict("xmp") / "xmp").glob("*.xmp"))
    words = ["exiftool", "-json", "-struct", "-XMP:all", *map(str, sidecars)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    shown = []
    for values in json.loads(done.stdout):
        shapes = Shapes(studio.scene(Path(values["SourceFile"]).stem), values["TagsList"])
        width, height = shapes.size.width, shapes.size.height
        for region in values["ImageRegion"]:
            x, y, w, h = (region["RegionBoundary"][key] for key in ("RbX", "RbY", "RbW", "RbH"))
            shapes.add_box(x * width, y * height, (x + w) * width, (y + h) * height)
            shapes.names.append(named_point(region["Name"], (x + w / 2) * width, (y + h / 2) * height))
        shown.append(shapes)
    save_images(shown, target)


def draw_lightroom(studio: Studio, target: Path) -> None:
    """The keywords of images to which exiftool has copied those of sidecars."""
    out = studio.predict("xmp")
    photos = studio.work / "lightroom"
    for source, name in ((studio.work / "holiday", "holiday"), (out / "xmp", "found/xmp")):
        shutil.copytree(source, photos / name)
    page = (TARGET / "lightroom.md").read_text("utf-8")
    copy = "exiftool" + page.split("\nexiftool")[1].split("\n```")[0]
    show = "exiftool -fileOrder filename -XMP-dc:Subject -XMP-lr:HierarchicalSubject holiday/"
    save_terminal(run(copy, photos) + run(show, photos), target)


def draw_notebook(studio: Studio, target: Path) -> None:
    """The HTML that a notebook asks a result for, in Chromium."""
    studio.predict()
    with contextlib.chdir(studio.work):
        result = freeloc.Localizer.load(studio.demo / "run").predict(f"holiday/{next(iter(SCENES))}")
        html = freeloc.show(result)._repr_html_()
    page = studio.work / "notebook.html"
    style = "font: 14px sans-serif; margin: 12px"
    page.write_text(f'<meta charset="utf-8"><body style="{style}">{html}', "utf-8")
    save_page(page, target, 1000, 900)


def draw_gallery(studio: Studio, target: Path) -> None:
    """The gallery of a prediction, in Chromium."""
    save_page(studio.predict("gallery", boxes=0) / "gallery.html", target, 1000, 640)


def draw_tables(studio: Studio, target: Path) -> None:
    """The answer of DuckDB to the query on the page."""
    import duckdb

    studio.predict("parquet").rename(studio.work / "found")
    page = (TARGET / "tables.md").read_text("utf-8")
    query = page.split("```sql\n")[1].split("```")[0]
    with contextlib.chdir(studio.work):
        table = str(duckdb.sql(query))
    save_terminal(table, target, max(map(len, table.splitlines())))


PICTURES: dict[str, Callable[[Studio, Path], None]] = {
    "csv.svg": draw_csv,
    "cvat.jpg": draw_cvat,
    "datumaro.jpg": draw_datumaro,
    "digikam.svg": check_of("digikam", "freeloc check photos/ --format keywords"),
    "digikam.jpg": draw_digikam_regions,
    "fiftyone.jpg": draw_fiftyone,
    "gallery.jpg": draw_gallery,
    "hugging-face.jpg": draw_hugging_face,
    "label-studio.jpg": draw_label_studio,
    "labelme.jpg": draw_labelme,
    "lightroom.svg": draw_lightroom,
    "notebook.jpg": draw_notebook,
    "open-images.svg": check_of("open-images", "freeloc check openimages/ --split train"),
    "roboflow.svg": check_of("roboflow", "freeloc check pets.v1i.multiclass/ --split train"),
    "sam.jpg": draw_sam,
    "tables.svg": draw_tables,
    "yolo.jpg": draw_yolo,
}


def main() -> None:
    """Draw all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, default=ROOT / "demo", help="output folder of freeloc demo")
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=PICTURES, help="names of pictures")
    arguments = parser.parse_args()
    TARGET.mkdir(exist_ok=True)
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as work:
            PICTURES[name](Studio(arguments.demo.resolve(), Path(work)), TARGET / name)
        print(f"{name}: {(TARGET / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
