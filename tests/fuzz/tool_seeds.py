"""Sound files of label tools and public sets, with a few random traits, as trees that can be changed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.label_seeds import change_xml, draw_classes, draw_images, write_csv
from tests.fuzz.mutations import change_bytes, change_json, to_json
from tests.fuzz.trees import Tree, encode_text

__all__ = ["SEEDS"]


def _some(rng: Random, classes: list[str]) -> list[str]:
    return [name for name in classes if rng.random() < 0.5]


def _box(rng: Random) -> tuple[int, int, int, int]:
    """Return a left and a top edge, a width and a height."""
    return rng.randrange(15), rng.randrange(10), rng.randrange(1, 20), rng.randrange(1, 15)


# --- Label Studio ------------------------------------------------------------------------------------------


def _address(rng: Random, name: str) -> str:
    return rng.choice(
        (name, f"/data/upload/1/0a1b2c3d-{name}", f"/data/local-files/?d=x/{name}", f"http://h/{name}")
    )


def _region(rng: Random, name: str) -> dict[str, Any]:
    x, y, width, height = _box(rng)
    value: dict[str, Any] = {
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "rotation": rng.choice((0, 0, 0, 30)),
    }
    if rng.random() < 0.2:
        value = {"points": [[x, y], [x + width, y], [x, y + height]]}
    elif rng.random() < 0.2:
        value = {"x": 50, "y": 50, "radiusX": width, "radiusY": height, "rotation": 0}
    kind = rng.choice(("rectanglelabels", "polygonlabels", "labels"))
    sides = {"original_width": 40, "original_height": 30, "image_rotation": 0}
    return {"type": kind, "value": {**value, kind: [name]}, "from_name": "a", "to_name": "image", **sides}


def label_studio(rng: Random, changes: int) -> Tree:
    """An export as JSON."""
    tree, names = draw_images(rng)
    classes = draw_classes(rng)
    tasks = []
    for name in names:
        annotations = []
        for number in range(rng.choice((0, 1, 1, 1, 2, 3))):
            result: list[Any] = [{"type": "choices", "value": {"choices": _some(rng, classes)}}]
            result += [_region(rng, each) for each in _some(rng, classes)] if rng.random() < 0.5 else []
            more = {"completed_by": rng.choice((1, 2, {"id": 3})), "updated_at": f"2026-01-0{number + 1}"}
            flags = {"was_cancelled": rng.random() < 0.1, "ground_truth": rng.random() < 0.1}
            annotations.append({"id": number, "result": result, **more, **flags})
        tasks.append({"id": 1, "annotations": annotations, "data": {"image": _address(rng, name)}})
    tree["export.json"] = to_json(rng, change_json(rng, tasks, changes))
    return tree


def label_studio_table(rng: Random, changes: int) -> Tree:
    """An export as CSV or JSON_MIN."""
    tree, names = draw_images(rng)
    classes = draw_classes(rng)
    rows: list[dict[str, Any]] = []
    for name in names:
        some = _some(rng, classes)
        tags = "" if not some else some[0] if len(some) == 1 else {"choices": some}
        region = _region(rng, classes[0])
        box = {**region["value"], "original_width": 40, "original_height": 30}
        row = {"image": _address(rng, name), "id": 1, "tags": tags, "box": rng.choice(("", [box]))}
        rows.append({**row, "annotator": 1, "annotation_id": 1, "lead_time": 1.5, "updated_at": "2026"})
    if rng.random() < 0.5:
        tree["min.json"] = to_json(rng, change_json(rng, rows, changes))
        return tree
    cells = [sorted(rows[0])]
    cells += [
        [each if isinstance(each := row[key], str) else json.dumps(each) for key in cells[0]] for row in rows
    ]
    tree["result.csv"] = write_csv(rng, cells, changes)
    return tree


# --- other tools -------------------------------------------------------------------------------------------


def cvat(rng: Random, changes: int) -> Tree:
    """A task of CVAT for images."""
    tree, names = draw_images(rng, rng.choice(("images/", "")))
    classes = draw_classes(rng)
    labels = "".join(f"<label><name>{name}</name><attributes></attributes></label>" for name in classes)
    images = []
    for name in names:
        inner = "".join(f'<tag label="{each}" source="manual"></tag>\n' for each in _some(rng, classes))
        for each in _some(rng, classes):
            x, y, width, height = _box(rng)
            inner += rng.choice(
                (
                    f'<box label="{each}" xtl="{x}" ytl="{y}" xbr="{x + width}" ybr="{y + height}"></box>\n',
                    f'<polygon label="{each}" points="{x},{y};{x + 3},{y};{x},{y + 2}"></polygon>\n',
                    f'<ellipse label="{each}" cx="{x}" cy="{y}" rx="{width}" ry="{height}"></ellipse>\n',
                    f'<points label="{each}" points="{x},{y}"></points>\n',
                )
            )
        subset = rng.choice(("", "", ' subset="train"'))
        images.append(f'<image id="0" name="{name}" width="40" height="30"{subset}>\n{inner}</image>\n')
    meta = f"<version>1.1</version><meta><task><labels>{labels}</labels></task></meta>\n"
    xml = f'<?xml version="1.0"?>\n<annotations>{meta}{"".join(images)}</annotations>\n'
    tree["annotations.xml"] = encode_text(rng, change_xml(rng, xml, changes))
    return tree


def roboflow(rng: Random, changes: int) -> Tree:
    """Folders of splits with a list each."""
    tree: Tree = {}
    classes = draw_classes(rng)
    for split in rng.choice((("train/", "valid/"), ("",))):
        images, names = draw_images(rng, split, count=3)
        rows = [["filename", *(f" {name}" for name in classes)]]
        rows += [[name, *(rng.choice((" 0", " 1")) for _ in classes)] for name in names]
        tree |= images
        tree[f"{split}_classes.csv"] = write_csv(rng, rows, changes)
    return tree


def open_images(rng: Random, changes: int) -> Tree:
    """Labels of Open Images, with or without names of classes."""
    tree, names = draw_images(rng, rng.choice(("train/", "")))
    classes = draw_classes(rng)
    rows = [["ImageID", "Source", "LabelName", "Confidence"]]
    for name in (*names, "0123456789abcdef.jpg"):
        stem = name.rpartition(".")[0]
        rows += [[stem, "verification", f"/m/{each}", rng.choice("01")] for each in _some(rng, classes)]
    tree["train-annotations-human-imagelabels.csv"] = write_csv(rng, rows, changes)
    if rng.random() < 0.7:
        stream = io.StringIO()
        csv.writer(stream).writerows([f"/m/{each}", each] for each in classes)
        tree["class-descriptions.csv"] = encode_text(rng, stream.getvalue())
    return tree


def labelme(rng: Random, changes: int) -> Tree:
    """Images with a JSON file each."""
    folder = rng.choice(("", "train/"))
    tree, names = draw_images(rng, folder)
    classes = draw_classes(rng)
    changed = rng.randrange(len(names))
    for place, name in enumerate(names):
        shapes = []
        for each in _some(rng, classes):
            x, y, width, height = _box(rng)
            kind = rng.choice(("rectangle", "rectangle", "polygon", "circle", "point"))
            points = [[x, y]] if kind == "point" else [[x, y], [x + width, y + height]]
            shapes.append({"label": each, "points": points, "shape_type": kind, "flags": {}})
        flags = {each: rng.random() < 0.5 for each in classes} if rng.random() < 0.7 else {}
        record: dict[str, Any] = {
            "version": "5.4.1",
            "flags": flags,
            "shapes": shapes,
            "imagePath": name,
            "imageData": None,
        }
        record |= {"imageHeight": 30, "imageWidth": 40, "tags": _some(rng, classes)}
        stem = name.rpartition(".")[0]
        document = change_json(rng, record, changes if place == changed else 0)
        tree[f"{folder}{stem}.json"] = to_json(rng, document)
    return tree


def datumaro(rng: Random, changes: int) -> Tree:
    """A dataset of Datumaro with one subset."""
    tree, names = draw_images(rng, rng.choice(("images/default/", "images/", "")))
    classes = draw_classes(rng)
    items = []
    for name in names:
        annotations: list[dict[str, Any]] = []
        for label in range(len(classes)):
            if rng.random() < 0.5:
                annotations.append({"id": 0, "type": "label", "attributes": {}, "label_id": label})
            if rng.random() < 0.5:
                shape: dict[str, Any] = {"type": "bbox", "bbox": [*_box(rng)]}
                if rng.random() < 0.3:
                    shape = {"type": "polygon", "points": [1.0, 2.0, 11.0, 2.0, 11.0, 12.0]}
                annotations.append({"id": 0, "attributes": {"is_crowd": False}, "label_id": label, **shape})
        image = {"path": name, "size": [30, 40]}
        items.append({"id": name.rpartition(".")[0], "annotations": annotations, "image": image})
    labels = [{"name": name, "parent": "", "attributes": []} for name in classes]
    record = {"dm_format_version": "1.0", "categories": {"label": {"labels": labels}}, "items": items}
    tree["annotations/default.json"] = to_json(rng, change_json(rng, record, changes))
    return tree


def parquet(rng: Random, changes: int) -> Tree:
    """A Parquet tag list, whose bytes are changed."""
    import pyarrow as pa
    from pyarrow import parquet as files

    tree, names = draw_images(rng)
    classes = draw_classes(rng)
    stream = io.BytesIO()
    tags = pa.array([_some(rng, classes) for _ in names], pa.list_(pa.string()))
    files.write_table(pa.table({"file_name": names, "tags": tags}), stream)
    tree["metadata.parquet"] = change_bytes(rng, stream.getvalue(), changes)
    return tree


SEEDS: dict[str, Callable[[Random, int], Tree]] = {
    "label studio": label_studio,
    "label studio table": label_studio_table,
    "cvat": cvat,
    "roboflow": roboflow,
    "open images": open_images,
    "labelme": labelme,
    "datumaro": datumaro,
    "parquet": parquet,
}
"""Functions that make a dataset, given the number of changes of its content."""
