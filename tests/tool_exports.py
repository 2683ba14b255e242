"""Tagged images as the tools of docs/tools export them, in the files that the commands on these pages name."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tests.datasets.keywords.xmp_files import digikam, lightroom


@dataclass(frozen=True)
class Tagged:
    """An image and its tags."""

    path: Path
    tags: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def size(self) -> tuple[int, int]:
        with Image.open(self.path) as image:
            return image.size


LEVELS = {
    **dict.fromkeys(("butterfly", "fish"), "Animals"),
    **dict.fromkeys(("airplane", "sailboat"), "Vehicles"),
    **dict.fromkeys(("clock", "guitar", "mug", "umbrella"), "Things"),
}
"""What stands above the tags of generated scenes in a photo manager with levels of keywords."""


def read_scenes(folder: Path, count: int | None = None) -> list[Tagged]:
    """Read generated scenes and their tags, the first ``count`` of them."""
    with (folder / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:count]
    return [Tagged(folder / row["file_name"], tuple(filter(None, row["tags"].split(";")))) for row in rows]


def classes_of(images: Iterable[Tagged]) -> list[str]:
    return sorted({tag for image in images for tag in image.tags})


def copy_images(images: Iterable[Tagged], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for image in images:
        shutil.copy(image.path, folder)


def write_json(path: Path, contents: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(contents))


def write_rows(path: Path, rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


# --- one function per page ----------------------------------------------------------------------------------


def write_tag_list(folder: Path, images: Sequence[Tagged]) -> None:
    copy_images(images, folder / "photos")
    rows = [("file_name", "tags"), *((image.name, ";".join(image.tags)) for image in images)]
    write_rows(folder / "photos" / "metadata.csv", rows)


def write_digikam(folder: Path, images: Sequence[Tagged]) -> None:
    copy_images(images, folder / "photos")
    for image in images:
        keywords = digikam(*(f"{LEVELS[tag]}/{tag}" for tag in image.tags))
        (folder / "photos" / f"{image.name}.xmp").write_bytes(keywords)


def write_lightroom(folder: Path, images: Sequence[Tagged]) -> None:
    (folder / "photos").mkdir()
    for image in images:
        keywords = lightroom(*(f"{LEVELS[tag]}|{tag}" for tag in image.tags))
        with Image.open(image.path) as opened:
            opened.save(folder / "photos" / image.name, quality=92, xmp=keywords)


def write_label_studio(folder: Path, images: Sequence[Tagged]) -> None:
    copy_images(images, folder / "photos")
    tasks: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        value = {"choices": list(image.tags)}
        choice = {"type": "choices", "from_name": "tags", "to_name": "image", "value": value}
        annotation = {"id": number, "was_cancelled": False, "result": [choice]}
        address = f"/data/upload/1/{number:08x}-{image.name}"
        tasks.append({"id": number, "data": {"image": address}, "annotations": [annotation]})
    write_json(folder / "export.json", tasks)


def write_cvat(folder: Path, images: Sequence[Tagged]) -> None:
    copy_images(images, folder / "photos")
    copy_images(images, folder / "task" / "images")
    labels = "".join(f"<label><name>{name}</name></label>" for name in classes_of(images))
    elements = []
    for number, image in enumerate(images):
        width, height = image.size
        tags = "".join(f'<tag label="{tag}" source="manual"></tag>' for tag in image.tags)
        attributes = f'id="{number}" name="{image.name}" width="{width}" height="{height}"'
        elements.append(f"<image {attributes}>{tags}</image>")
    head = f"<version>1.1</version><meta><task><labels>{labels}</labels></task></meta>"
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>{head}{"".join(elements)}</annotations>\n'
    (folder / "task" / "annotations.xml").write_text(text)


def write_roboflow(folder: Path, images: Sequence[Tagged]) -> None:
    classes = classes_of(images)
    held_out = len(images) // 4
    for split, part in (("train", images[held_out:]), ("valid", images[:held_out])):
        target = folder / "pets.v1i.multiclass" / split
        copy_images(part, target)
        rows = [(image.name, *(int(name in image.tags) for name in classes)) for image in part]
        write_rows(target / "_classes.csv", [("filename", *(f" {name}" for name in classes)), *rows])


def write_open_images(folder: Path, images: Sequence[Tagged]) -> None:
    """Only the tags, and the absence of the class after each of them, are verified."""
    classes = classes_of(images)
    ids = {name: f"/m/0{number:04d}" for number, name in enumerate(classes)}
    target = folder / "openimages"
    (target / "train_0").mkdir(parents=True)
    rows: list[Sequence[object]] = [("ImageID", "Source", "LabelName", "Confidence")]
    for number, image in enumerate(images):
        image_id = f"{number:016x}"
        shutil.copy(image.path, target / "train_0" / f"{image_id}.jpg")
        following = {classes[(classes.index(tag) + 1) % len(classes)] for tag in image.tags}
        verified = dict.fromkeys(following, 0) | dict.fromkeys(image.tags, 1)
        rows += [
            (image_id, "verification", ids[name], confidence) for name, confidence in sorted(verified.items())
        ]
    write_rows(target / "oidv7-train-annotations-human-imagelabels.csv", rows)
    names = [("LabelName", "DisplayName"), *((ids[name], name.capitalize()) for name in classes)]
    write_rows(target / "oidv7-class-descriptions.csv", names)


def write_labelme(folder: Path, images: Sequence[Tagged]) -> None:
    classes = classes_of(images)
    copy_images(images, folder / "photos")
    for image in images:
        width, height = image.size
        record: dict[str, Any] = {
            "version": "5.4.1",
            "flags": {name: name in image.tags for name in classes},
            "shapes": [],
            "imagePath": image.name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        write_json((folder / "photos" / image.name).with_suffix(".json"), record)


def write_datumaro(folder: Path, images: Sequence[Tagged]) -> None:
    classes = classes_of(images)
    copy_images(images, folder / "dataset" / "images" / "train")
    items = [
        {
            "id": image.path.stem,
            "annotations": [
                {"id": 0, "type": "label", "label_id": classes.index(tag), "attributes": {}, "group": 0}
                for tag in image.tags
            ],
            "attr": {},
            "image": {"path": image.name, "size": list(image.size[::-1])},
        }
        for image in images
    ]
    labels = [{"name": name, "parent": "", "attributes": []} for name in classes]
    categories = {"label": {"labels": labels, "attributes": []}}
    contents = {"dm_format_version": "1.0", "media_type": 2, "infos": {}, "categories": categories}
    write_json(folder / "dataset" / "annotations" / "train.json", {**contents, "items": items})


def write_hugging_face(folder: Path, images: Sequence[Tagged]) -> None:
    copy_images(images, folder / "pets")
    lines = [json.dumps({"file_name": image.name, "tags": image.tags}) + "\n" for image in images]
    (folder / "pets" / "metadata.jsonl").write_text("".join(lines))


EXPORTS: dict[str, Callable[[Path, Sequence[Tagged]], None]] = {
    "csv": write_tag_list,
    "cvat": write_cvat,
    "datumaro": write_datumaro,
    "digikam": write_digikam,
    "hugging-face": write_hugging_face,
    "label-studio": write_label_studio,
    "labelme": write_labelme,
    "lightroom": write_lightroom,
    "open-images": write_open_images,
    "roboflow": write_roboflow,
}
"""What writes the files of a page, by its name."""
