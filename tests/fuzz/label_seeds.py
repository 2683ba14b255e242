"""Sound datasets of every format, with a few random traits, as trees that can be changed before they are written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.datasets.keywords.xmp_files import apple_photos, digikam, lightroom
from tests.datasets.keywords.xmp_files import packet as xmp_packet
from tests.fuzz.mutations import ODD_TEXTS, change_json, change_lines, odd_value, to_json
from tests.fuzz.trees import IMAGE_SUFFIXES, Tree, encode_text, picture

__all__ = ["SEEDS", "change_xml", "coco_document", "draw_classes", "draw_images", "write_csv"]

_CLASSES = ("cat", "dog", "person", "aeroplane", "bicycle", "car", "traffic light", "café", "5", "Straße")


def draw_classes(rng: Random) -> list[str]:
    """Return two to four class names."""
    return rng.sample(_CLASSES, rng.randrange(2, 5))


def draw_images(rng: Random, prefix: str = "", count: int | None = None) -> tuple[Tree, list[str]]:
    """Return three to six images, and their names without the prefix."""
    tree: Tree = {}
    names = []
    for number in range(count or rng.randrange(3, 7)):
        suffix = rng.choices(IMAGE_SUFFIXES, (9, 4, 1, 1, 1, 1, 1))[0]
        stem = rng.choice(
            (f"{number:06d}", f"2008_{number:06d}", f"a {number}", f"ü{number}", f"img{number}")
        )
        orientation = rng.choice((1, 1, 1, 3, 6, 8)) if suffix in {".jpg", ".png", ".webp"} else 1
        names.append(stem + suffix)
        tree[f"{prefix}{stem}{suffix}"] = picture(suffix, orientation)
    return tree, names


# --- VOC ---------------------------------------------------------------------------------------------------


def voc(rng: Random, changes: int) -> Tree:
    """A devkit with annotations, with lists or without, with class files or without."""
    root = rng.choice(("", "", "VOC2012/", "VOCdevkit/VOC2007/"))
    tree, names = draw_images(rng, f"{root}JPEGImages/")
    classes = draw_classes(rng)
    stems = [name.rpartition(".")[0] for name in names]
    labels = {stem: [rng.choice((1, -1, -1, 0)) for _ in classes] for stem in stems}
    if rng.random() < 0.9:
        changed = _share_out(rng, changes, len(stems))
        for stem, name, count in zip(stems, names, changed, strict=True):
            xml = _annotation(
                rng, name, [item for item, sign in zip(classes, labels[stem], strict=True) if sign >= 0]
            )
            tree[f"{root}Annotations/{stem}.xml"] = encode_text(rng, change_xml(rng, xml, count))
    if rng.random() < 0.7:
        for split in rng.sample(("train", "val", "trainval", "test"), rng.randrange(1, 3)):
            lines = "\n".join(stems) + "\n"
            tree[f"{root}ImageSets/Main/{split}.txt"] = _list(rng, lines)
            if rng.random() < 0.4:
                for place, item in enumerate(classes):
                    rows = "\n".join(f"{stem} {labels[stem][place]:2d}" for stem in stems)
                    tree[f"{root}ImageSets/Main/{item}_{split}.txt"] = _list(rng, rows + "\n")
    return tree


def _list(rng: Random, lines: str) -> bytes:
    return encode_text(rng, change_lines(rng, lines, rng.choice((0, 0, 0, 0, 1, 2))))


def _share_out(rng: Random, changes: int, places: int) -> list[int]:
    counts = [0] * places
    for _ in range(changes):
        counts[rng.randrange(places)] += 1
    return counts


def _annotation(rng: Random, name: str, classes: list[str]) -> str:
    width, height = rng.choice(((40, 30), (40, 30), (30, 40), (80, 60), (0, 0)))
    objects = "".join(
        f"<object><name>{item}</name><pose>Left</pose><truncated>0</truncated>"
        f"<difficult>{rng.choice((0, 0, 1))}</difficult>"
        f"<bndbox><xmin>{rng.randrange(1, 15)}</xmin><ymin>{rng.randrange(1, 15)}</ymin>"
        f"<xmax>{rng.randrange(16, 30)}</xmax><ymax>{rng.randrange(16, 30)}</ymax></bndbox>\n</object>"
        for item in classes
    )
    return (
        f"<annotation>\n<folder>VOC</folder><filename>{name}</filename>\n"
        f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n{objects}\n</annotation>\n"
    )


def change_xml(rng: Random, xml: str, changes: int) -> str:
    """Change tags and texts at random."""
    for _ in range(changes):
        tags = [place for place, char in enumerate(xml) if char == "<"]
        if not tags:
            return xml
        start = rng.choice(tags)
        end = xml.find(">", start) + 1
        text_end = xml.find("<", end)
        action = rng.choice(("delete tag", "text", "text", "text", "repeat", "rename", "insert", "entity"))
        if action == "delete tag":
            xml = xml[:start] + xml[end:]
        elif action == "text":
            value = odd_value(rng, xml[end:text_end])
            xml = xml[:end] + str(value)[:5000] + xml[text_end:]
        elif action == "repeat":
            stop = xml.find(">", text_end) + 1
            xml = xml[:stop] + xml[start:stop] + xml[stop:]
        elif action == "rename":
            xml = (
                xml[:start]
                + f"<{rng.choice(('x', 'name', 'object', 'bndbox', 'size', 'part', ''))}>"
                + xml[end:]
            )
        elif action == "insert":
            odd = rng.choice(
                ("<!-- x -->", "<![CDATA[dog]]>", "<part><name>head</name></part>", "<a/>", "&#0;", "&")
            )
            xml = xml[:start] + odd + xml[start:]
        else:
            xml = '<!DOCTYPE a [<!ENTITY b "cat">]>' + xml.replace("cat", "&b;")
    return xml


# --- COCO --------------------------------------------------------------------------------------------------


def coco_document(rng: Random, names: list[str], classes: list[str], *, lvis: bool = False) -> dict[str, Any]:
    """Return an instances file as a JSON value."""
    first = rng.choice((0, 1, 1, 18))
    ids = [first + place * rng.choice((1, 1, 3)) * 1 for place in range(len(classes))]
    ids = sorted(set(ids)) if len(set(ids)) == len(classes) else list(range(1, len(classes) + 1))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        image: dict[str, Any] = {"id": number, "file_name": name, "width": 40, "height": 30}
        if lvis:
            image |= {
                "neg_category_ids": rng.sample(ids, 1),
                "not_exhaustive_category_ids": rng.sample(ids, 1),
            }
            if rng.random() < 0.5:
                image["coco_url"] = f"http://images.cocodataset.org/train2017/{image.pop('file_name')}"
        images.append(image)
        for _ in range(rng.randrange(3)):
            box = [rng.randrange(15), rng.randrange(10), rng.randrange(1, 20), rng.uniform(1, 15)]
            item: dict[str, Any] = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": rng.choice(ids),
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": rng.choice((0, 0, 0, 1)),
                "segmentation": [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]],
            }
            if rng.random() < 0.1:
                item["ignore"] = rng.choice((0, 1))
            annotations.append(item)
    categories = [{"id": number, "name": name} for number, name in zip(ids, classes, strict=True)]
    parts: list[tuple[str, Any]] = [
        ("info", {"year": 2017}),
        ("images", images),
        ("annotations", annotations),
        ("categories", categories),
    ]
    rng.shuffle(parts)
    return dict(parts)


def coco(rng: Random, changes: int) -> Tree:
    """A COCO folder or an instances file beside its images."""
    split = rng.choice(("train2017", "val2017", "val"))
    layout = rng.choice((f"{split}/", "images/", f"images/{split}/", ""))
    tree, names = draw_images(rng, layout)
    document = coco_document(rng, names, draw_classes(rng), lvis=rng.random() < 0.25)
    place = rng.choice((f"annotations/instances_{split}.json", "instances.json", f"annotations/{split}.json"))
    tree[place] = to_json(rng, change_json(rng, document, changes))
    return tree


# --- tag lists ---------------------------------------------------------------------------------------------


def _split_tags(rng: Random, tags: list[str]) -> str:
    style = rng.randrange(8)
    if style == 6:
        return repr(tags)
    return json.dumps(tags) if style == 7 else rng.choice((",", ", ", "|", ";")).join(tags)


def tag_csv(rng: Random, changes: int) -> Tree:
    """A CSV list with a column of tags."""
    folder = rng.choice(("", "images/"))
    tree, names = draw_images(rng, folder)
    classes = draw_classes(rng)
    rows = [["file_name", "tags"]]
    rows += [[folder + name, _split_tags(rng, [c for c in classes if rng.random() < 0.5])] for name in names]
    if rng.random() < 0.3:
        _add_column(rows, "unknown_tags", [_split_tags(rng, rng.sample(classes, 1)) for _ in names])
    if rng.random() < 0.3:
        _add_column(
            rows, rng.choice(("split", "is_val", "set")), [rng.choice(("train", "val")) for _ in names]
        )
    tree[rng.choice(("metadata.csv", "metadata.csv", "tags.csv"))] = write_csv(rng, rows, changes)
    return tree


def column_csv(rng: Random, changes: int) -> Tree:
    """A CSV list with one column for each class."""
    tree, names = draw_images(rng)
    classes = draw_classes(rng)
    values = rng.choice(
        (("0", "1"), ("1", "-1"), ("1", "0", "-1"), ("0", "1", ""), ("1", "0", "-1", ""), ("1.0", "0.0"))
    )
    rows = [["file_name", *classes]]
    rows += [[name, *(rng.choice(values) for _ in classes)] for name in names]
    if rng.random() < 0.3:
        column = rng.choice(("Unnamed: 0", "width", "note", "split", "label", "id", "is_val"))
        _add_column(rows, column, [str(rng.randrange(3)) for _ in names])
    tree["metadata.csv"] = write_csv(rng, rows, changes)
    return tree


def _add_column(rows: list[list[str]], name: str, values: list[str]) -> None:
    for row, value in zip(rows, (name, *values), strict=True):
        row.append(value)


def write_csv(rng: Random, rows: list[list[str]], changes: int) -> bytes:
    """Return a CSV file with some changes of its rows."""
    for _ in range(changes):
        row = rng.choice(rows)
        action = rng.randrange(6)
        if action == 0:
            rows.insert(rng.randrange(len(rows) + 1), list(row))
        elif action == 1 and row:
            del row[rng.randrange(len(row))]
        elif action == 2:
            row.insert(rng.randrange(len(row) + 1), rng.choice(ODD_TEXTS))
        elif action == 3 and len(rows) > 1:
            rows.remove(row)
        elif row:
            place = rng.randrange(len(row))
            row[place] = str(odd_value(rng, row[place]))[:5000]
    stream = io.StringIO()
    writer = csv.writer(
        stream,
        delimiter=rng.choices((",", ";", "\t"), (8, 1, 1))[0],
        quoting=rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
        lineterminator=rng.choice(("\n", "\r\n")),
    )
    writer.writerows(rows)
    text = stream.getvalue()
    if rng.random() < 0.1:
        text = change_lines(rng, text, 1)
    return encode_text(rng, text)


def jsonl(rng: Random, changes: int) -> Tree:
    """A JSONL list."""
    tree, names = draw_images(rng)
    classes = draw_classes(rng)
    rows: list[Any] = []
    for name in names:
        tags = [item for item in classes if rng.random() < 0.5]
        row: dict[str, Any] = {"file_name": name, "tags": rng.choice((tags, _split_tags(rng, tags)))}
        if rng.random() < 0.2:
            row["unknown_tags"] = rng.choice((None, rng.sample(classes, 1), ""))
        if rng.random() < 0.2:
            row["split"] = rng.choice(("train", "val", None))
        rows.append(row)
    rows = change_json(rng, rows, changes)
    lines = rows if isinstance(rows, list) else [rows]
    text = "\n".join(json.dumps(row, ensure_ascii=rng.random() < 0.5) for row in lines) + "\n"
    if rng.random() < 0.1:
        text = change_lines(rng, text, 1)
    tree[rng.choice(("metadata.jsonl", "metadata.jsonl", "tags.jsonl"))] = encode_text(rng, text)
    return tree


def class_folders(rng: Random, changes: int) -> Tree:
    """One folder for each class, sometimes in folders for splits."""
    tree: Tree = {}
    for split in rng.choice((("",), ("",), ("train/", "val/"))):
        for item in draw_classes(rng):
            tree |= draw_images(rng, f"{split}{item}/", count=rng.randrange(1, 4))[0]
    if changes and rng.random() < 0.5:
        tree |= draw_images(rng, rng.choice(("test/", "images/", "masks/", "", "cat/inner/")), count=2)[0]
    return tree


# --- next to images ----------------------------------------------------------------------------------------


def keywords(rng: Random, changes: int) -> Tree:
    """Images with keywords in XMP sidecars or in their own metadata."""
    tree, _ = draw_images(rng, rng.choice(("", "", "train/", "2024/")))
    classes = draw_classes(rng)
    changed = _share_out(rng, changes, len(tree))
    for path, count in zip(sorted(tree), changed, strict=True):
        paths = [rng.choice(("{}", "Animals/{}", "a/b/{}")).format(item) for item in rng.sample(classes, 1)]
        write = rng.choice(
            (digikam, apple_photos, lambda *paths: lightroom(*(p.replace("/", "|") for p in paths)))
        )
        packet = encode_text(rng, change_xml(rng, write(*paths).decode(), count))
        if path.lower().endswith((".jpg", ".jpeg")) and rng.random() < 0.4:
            tree[path] = _with_metadata(rng, tree[path], packet, classes)
        else:
            tree[rng.choice((path, path.rpartition(".")[0])) + rng.choice((".xmp", ".XMP"))] = packet
    return tree


def _with_metadata(rng: Random, jpeg: bytes, packet: bytes, classes: list[str]) -> bytes:
    """Insert an XMP packet, an extended one or an IPTC block into a JPEG."""
    if rng.random() < 0.3:
        return _with_extended_xmp(rng, jpeg, packet)
    if rng.random() < 0.6:
        body = b"\xff\xe1", b"http://ns.adobe.com/xap/1.0/\0" + packet[:60_000]
    else:
        values = [item.encode(rng.choice(("utf-8", "latin-1"))) for item in rng.sample(classes, 2)]
        block = b"".join(b"\x1c\x02\x19" + len(value).to_bytes(2) + value for value in values)
        if rng.random() < 0.4:
            place = rng.randrange(len(block))
            block = block[:place] + bytes([rng.randrange(256)]) + block[place + rng.randrange(2) :]
        charset = rng.choice((b"", b"\x1c\x01\x5a\0\3\x1b%G"))
        size = (len(charset + block)).to_bytes(4)
        body = b"\xff\xed", b"Photoshop 3.0\x008BIM\4\4\0\0" + size + charset + block
    return jpeg[:2] + body[0] + (len(body[1]) + 2).to_bytes(2) + body[1] + jpeg[2:]


def _with_extended_xmp(rng: Random, jpeg: bytes, packet: bytes) -> bytes:
    guid = "9D85F4ABF04DB9395A04FD897B6A8667"
    note = f'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{guid}"'
    head = b"http://ns.adobe.com/xmp/extension/\0" + guid.encode() + len(packet).to_bytes(4)
    size = rng.choice((100, 400, 60_000))
    starts = [start for start in range(0, len(packet), size) if rng.random() < 0.97]
    parts = [head + start.to_bytes(4) + packet[start : start + size] for start in starts]
    bodies = (b"http://ns.adobe.com/xap/1.0/\0" + xmp_packet("", note), *parts)
    segments = b"".join(b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body for body in bodies)
    return jpeg[:2] + segments + jpeg[2:]


def text_files(rng: Random, changes: int) -> Tree:
    """Images with a text file of tags next to each."""
    tree, _ = draw_images(rng, rng.choice(("", "", "train/")))
    classes = draw_classes(rng)
    for path in sorted(tree):
        if rng.random() < 0.9:
            text = rng.choice((", ", ",", "\n")).join(rng.sample(classes, rng.randrange(len(classes))))
            text = change_lines(rng, text, rng.randrange(changes + 1)) if changes else text
            tree[rng.choice((path, path.rpartition(".")[0])) + ".txt"] = encode_text(rng, text)
    return tree


SEEDS: dict[str, Callable[[Random, int], Tree]] = {
    "voc": voc,
    "coco": coco,
    "tag csv": tag_csv,
    "column csv": column_csv,
    "jsonl": jsonl,
    "folders": class_folders,
    "keywords": keywords,
    "text files": text_files,
}
"""Functions that make a dataset, given the number of changes of its content."""
