"""Folders of files in memory, and changes of whole files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from random import Random

from PIL import Image

from tests.fuzz.mutations import ODD_TEXTS, change_bytes
from tests.images.sample_images import exif_of, scene

__all__ = ["IMAGE_SUFFIXES", "Tree", "change_tree", "encode_text", "picture", "write_tree"]

Tree = dict[str, bytes]
"""The files of a folder by relative path."""

IMAGE_SUFFIXES = (".jpg", ".png", ".webp", ".gif", ".JPG", ".jpeg", ".bmp")

_PICTURES: dict[tuple[str, int], bytes] = {}


def picture(suffix: str, orientation: int = 1) -> bytes:
    """Return a small image in the format of a suffix, 40×30 pixels as stored."""
    key = suffix.lower(), orientation
    if key not in _PICTURES:
        stream = BytesIO()
        kind = {".jpg": "JPEG", ".jpeg": "JPEG"}.get(key[0], key[0][1:].upper())
        options = {} if orientation == 1 else {"exif": exif_of(orientation)}
        Image.fromarray(scene(40, 30)).save(stream, kind, **options)
        _PICTURES[key] = stream.getvalue()
    return _PICTURES[key]


def encode_text(rng: Random, text: str) -> bytes:
    """Encode text, mostly as UTF-8."""
    if rng.random() < 0.9:
        return text.encode("utf-8", "surrogatepass")
    encoding = rng.choice(("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252"))
    text = text.replace("\n", rng.choice(("\n", "\r\n", "\r", "\n\n", "\0\n")))
    return text.encode(encoding, "replace")


def change_tree(rng: Random, tree: Tree, changes: int) -> None:
    """Delete, repeat, rename, swap, empty and damage whole files."""
    for _ in range(changes):
        if not tree:
            return
        name = rng.choice(sorted(tree))
        action = rng.choice(("delete", "copy", "rename", "swap", "empty", "damage", "damage", "add"))
        if action == "delete":
            del tree[name]
        elif action == "copy":
            tree[_other_name(rng, name)] = tree[name]
        elif action == "rename":
            tree[_other_name(rng, name)] = tree.pop(name)
        elif action == "swap":
            other = rng.choice(sorted(tree))
            tree[name], tree[other] = tree[other], tree[name]
        elif action == "empty":
            tree[name] = rng.choice(
                (b"", b"\0", b"\n", b"\xff\xfe", b"\xef\xbb\xbf", b" ", b"[]", b"{}", b"null")
            )
        elif action == "damage":
            tree[name] = change_bytes(rng, tree[name], 1 + rng.randrange(3))
        else:
            folder = name.rpartition("/")[0]
            new = rng.choice(
                ("metadata.csv", "tags.csv", "x.parquet", "Thumbs.db", "._a.jpg", "annotations.json")
            )
            tree[f"{folder}/{new}".lstrip("/")] = rng.choice((b"", b"x", picture(".jpg"), tree[name]))


def _other_name(rng: Random, name: str) -> str:
    folder, _, last = name.rpartition("/")
    stem, dot, suffix = last.partition(".")
    odd = rng.choice(ODD_TEXTS)
    last = rng.choice(
        (
            f"{odd}{dot}{suffix}",
            f"{stem}{odd}{dot}{suffix}",
            f"{stem}{dot}{odd}",
            f"{last.upper()}",
            f"{stem}{rng.choice(IMAGE_SUFFIXES)}",
            f".{last}",
            f"{rng.choice(('train', 'test', 'images', 'x'))}/{last}",
        )
    )
    return f"{folder}/{last}".lstrip("/")


def write_tree(rng: Random, tree: Tree, folder: Path) -> None:
    """Write the files, as far as the file system takes their names; some become links, pipes or folders."""
    for name, data in tree.items():
        parts = [part for part in name.split("/") if part not in {"", ".", ".."}][:20]
        path = folder.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if rng.random() < 0.01:
                _write_special(rng, path)
            else:
                path.write_bytes(data)
        except (OSError, ValueError):  # a name that is too long, contains \0 or a surrogate, or is taken
            continue


def _write_special(rng: Random, path: Path) -> None:
    kind = rng.choice(("pipe", "folder", "dangling", "circle", "device", "self"))
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        target = {"dangling": "missing", "circle": path.name, "device": "/dev/zero", "self": "."}[kind]
        path.symlink_to(target)


def names_of(tree: Iterable[str]) -> list[str]:
    """Return the last parts of paths."""
    return [name.rpartition("/")[2] for name in tree]
