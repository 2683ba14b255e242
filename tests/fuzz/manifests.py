"""Fuzz manifests of output folders, whose files freeloc continues or removes."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from random import Random

from freeloc.prediction.manifest import MANIFEST_NAME, DoneImage, Manifest
from tests.fuzz.mutations import change_bytes, change_json, count_changes
from tests.fuzz.target import Target, require

__all__ = ["Manifests"]

_OF_USER = ("notes.txt", "overlays/mine.jpg", "../precious.txt")
"""Files that freeloc has not written, relative to the output folder."""


class Manifests(Target):
    """Manifests of interrupted and of finished predictions."""

    def make(self, rng: Random, folder: Path) -> None:
        """Write an output folder, and damage its manifest."""
        out = folder / "out"
        manifest = Manifest(out, {"preset": "best", "scales": [0.5, 1.0], "model": {"name": "dög"}})
        manifest.open()
        manifest.list_file(out / "predictions.jsonl")
        _write(out, "predictions.jsonl")
        for number in range(rng.randrange(4)):
            name = f"overlays/{number}.jpg"
            manifest.list_file(out / name)
            _write(out, name)
            manifest.add_image(DoneImage(f"{number}.png", f"{number}", 7, 8, (name,), {"jsonl": 9 * number}))
        ended = _add_video(rng, manifest)
        if ended and rng.random() < 0.5:
            manifest.finish()
        manifest.close()
        for name in _OF_USER:
            _write(out, name)
        data = manifest.path.read_bytes()
        for _ in range(count_changes(rng, 3)):
            if rng.random() < 0.3:
                data = change_bytes(rng, data, 1)
                continue
            lines = data.splitlines(keepends=True)
            if lines:
                place = rng.randrange(len(lines))
                lines[place] = _change_line(rng, lines[place])
            data = b"".join(lines)
        manifest.path.write_bytes(data)

    def use(self, rng: Random, folder: Path) -> None:
        """Continue or remove the output; files of the user must stay."""
        with tempfile.TemporaryDirectory() as parent:
            copy = Path(parent) / "copy"
            shutil.copytree(folder, copy)
            out = copy / "out"
            manifest = Manifest.read(out)
            if manifest is None:
                return
            own = manifest.files
            if rng.random() < 0.5:
                manifest.remove_output()
                require(not manifest.path.exists(), "the manifest is still there")
            elif manifest.finished:
                manifest.complete_finish()
            else:
                manifest.open()
                manifest.add_image(DoneImage("9.png", "9"))
                manifest.finish()
                read = Manifest.read(out)
                require(read is not None and read.finished, f"{MANIFEST_NAME} is not finished")
            for name in _OF_USER:
                require(name in own or (out / name).read_text() == name, f"{name} has changed")


def _add_video(rng: Random, manifest: Manifest) -> bool:
    """Add a video or the beginning of one, and return whether it is complete."""
    count = rng.randrange(4)
    for number in range(1, count + 1):
        name = f"overlays/clip/{number - 1:06}.jpg"
        manifest.list_file(manifest.folder / name)
        _write(manifest.folder, name)
        entry = DoneImage("clip.mp4", "clip", 7, 8, (name,), {"jsonl": 99 + number}, None, number, False)
        manifest.add_image(entry)
    if count and rng.random() < 0.3:
        return False
    if count:
        error = rng.choice((None, "damaged"))
        manifest.add_image(DoneImage("clip.mp4", "clip", 7, 8, (), {}, error, count))
    return True


def _write(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(name)


def _change_line(rng: Random, line: bytes) -> bytes:
    try:
        values = json.loads(line)
        return json.dumps(change_json(rng, values, 1)).encode() + b"\n"
    except (ValueError, RecursionError):
        return change_bytes(rng, line, 1)
