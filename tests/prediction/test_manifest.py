"""The manifest: what it lists, what remains of it after an interruption, and what it removes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from freeloc.errors import OutputError
from freeloc.io.temporary_files import temporary_name
from freeloc.prediction.manifest import MANIFEST_NAME, DoneImage, Manifest

SETTINGS: dict[str, Any] = {"preset": "best", "scales": [0.5, 1.0]}
IMAGES = [
    DoneImage("album/\udcff.jpg", "a", 10, 20, ("overlays/a.jpg",), {"jsonl": 7}),
    DoneImage("album/b.jpg", "b", 11, 21, ("overlays/b.jpg",), {"jsonl": 14}),
    DoneImage("album/c.jpg", "c", error="it is damaged"),
]


def write(folder: Path, files: list[str]) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def filled(folder: Path, *, finish: bool = False) -> Manifest:
    manifest = Manifest(folder, SETTINGS)
    manifest.open()
    manifest.list_file(folder / "predictions.jsonl")
    write(folder, ["predictions.jsonl"])
    for done in IMAGES:
        for name in done.files:
            manifest.list_file(folder / name)
            write(folder, [name])
        manifest.add_image(done)
    if finish:
        manifest.finish()
    manifest.close()
    return manifest


@pytest.mark.parametrize("finish", [False, True])
def test_what_was_written_is_read(tmp_path: Path, finish: bool) -> None:
    filled(tmp_path, finish=finish)
    manifest = Manifest.read(tmp_path)
    assert manifest is not None
    assert (manifest.settings, manifest.images, manifest.finished) == (SETTINGS, IMAGES, finish)
    assert manifest.files == {"predictions.jsonl", "overlays/a.jpg", "overlays/b.jpg"}
    assert manifest.has_predictions


def test_a_manifest_that_ends_anywhere_is_read_up_to_its_last_line(tmp_path: Path) -> None:
    path = filled(tmp_path).path
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    ends = [0]
    for line in lines:
        ends.append(ends[-1] + len(line))
    for end in sorted({*range(0, len(data), 11), *ends, *(end - 1 for end in ends[1:])}):
        path.write_bytes(data[:end])
        complete = [json.loads(line) for line, last in zip(lines, ends[1:]) if last <= end]
        manifest = Manifest.read(tmp_path)
        if not complete:
            assert manifest is None
            continue
        assert manifest is not None
        images = [values["image"] for values in complete if "image" in values]
        assert [done.image for done in manifest.images] == images
        assert {values["file"] for values in complete if "file" in values} <= manifest.files
    assert Manifest.read(tmp_path / "elsewhere") is None


def test_a_continued_manifest_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    expected = filled(tmp_path / "whole", finish=True).path.read_bytes()
    folder = tmp_path / "parts"
    path = filled(folder).path
    data = path.read_bytes()
    place = data.index(b'{"image": "album/b.jpg"')
    path.write_bytes(data[: place + 9])
    manifest = Manifest.read(folder)
    assert manifest is not None
    manifest.open()
    assert path.read_bytes() == data[:place]
    for name in ("predictions.jsonl", "overlays/b.jpg"):
        manifest.list_file(folder / name)  # listed before, so it may be written again
    for done in IMAGES[1:]:
        manifest.add_image(done)
    manifest.finish()
    assert path.read_bytes() == expected
    assert [json.loads(line) for line in expected.splitlines()][-1] == {"finished": True}


def test_a_file_of_someone_else_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "link.txt").symlink_to(tmp_path / "gone")
    manifest = Manifest(tmp_path, SETTINGS)
    manifest.open()
    for name in ("mine.txt", "link.txt"):
        with pytest.raises(OutputError, match="does not list it as written by freeloc"):
            manifest.list_file(tmp_path / name)
    manifest.remove_output()
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "link.txt"}


def test_only_listed_files_and_empty_folders_are_removed(tmp_path: Path) -> None:
    filled(tmp_path)
    write(tmp_path, ["notes.txt", "overlays/mine.jpg", "maps/mine.npz"])
    manifest = Manifest.read(tmp_path)
    assert manifest is not None
    manifest.remove_output()
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"notes.txt", "overlays/mine.jpg", "maps/mine.npz"}
    (tmp_path / "overlays" / "mine.jpg").unlink()
    filled(tmp_path).remove_output()
    assert not (tmp_path / "overlays").exists()


def test_the_temporary_file_of_an_interrupted_process_is_removed(tmp_path: Path) -> None:
    manifest = filled(tmp_path)
    with manifest.path.open("a") as file:
        file.write('{"file": "maps/deep/d.npz"}\n')
    folder = tmp_path / "maps" / "deep"
    folder.mkdir(parents=True)
    machine, _, rest = temporary_name().split("-")
    (folder / f"{machine}-{2**31 - 2}-{rest}").write_text("half")  # no process has this number
    (folder / f"{machine}-1-{rest}").write_text("of a running process")
    read = Manifest.read(tmp_path)
    assert read is not None
    read.open()
    assert [path.name.split("-")[1] for path in folder.iterdir()] == ["1"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", ""),
        ("[]", "not a JSON object"),
        ('{"file": "../../precious"}', "outside of the folder"),
        ('{"file": "/precious"}', "outside of the folder"),
        ('{"file": ""}', "missing"),
        ('{"file": 3}', "missing"),
        ("{}", "missing"),
        ('{"image": "a.jpg"}', "name"),
        ('{"image": "a.jpg", "name": "a", "files": ["../b"]}', "outside of the folder"),
        ('{"image": "a.jpg", "name": "a", "positions": {"jsonl": -1}}', "positions"),
        ('{"finished": true}\n{"file": "a"}', "follows the last one"),
        ("[" * 100_000, "nested"),
        ('{"file": "a", "more": NaN}', "number NaN is out of range"),
        ('{"file": "a", "more": [-1e999]}', "number -1e999 is out of range"),
    ],
)
def test_a_damaged_manifest_removes_nothing(tmp_path: Path, line: str, reason: str) -> None:
    path = filled(tmp_path).path
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(OutputError, match=f"predictions.manifest.jsonl is damaged .*{reason}") as caught:
        Manifest.read(tmp_path)
    assert caught.value.parameter == "out"


@pytest.mark.parametrize("first", ["{}", '{"manifest": 2, "settings": {}}', '{"manifest": 1, "settings": 3}'])
def test_a_manifest_of_another_kind_is_refused(tmp_path: Path, first: str) -> None:
    (tmp_path / MANIFEST_NAME).write_text(f"{first}\n")
    with pytest.raises(OutputError, match="not a manifest of this version"):
        Manifest.read(tmp_path)


def test_an_interrupted_end_is_completed(tmp_path: Path) -> None:
    """A temporary file is deleted after the output counts as finished, so that it is there as long as it is needed."""
    expected = filled(tmp_path / "whole", finish=True).path.read_bytes()
    folder = tmp_path / "out"
    filled(folder)
    manifest = Manifest.read(folder)
    assert manifest is not None
    manifest.open()
    manifest.list_file(folder / "gallery.unfinished", temporary=True)
    write(folder, ["gallery.unfinished"])
    manifest.close()
    with manifest.path.open("a") as file:
        file.write('{"finished": true}\n')
    machine, _, rest = temporary_name().split("-")
    (folder / f"{machine}-{2**31 - 2}-{rest}").write_text("half a manifest")
    read = Manifest.read(folder)
    assert read is not None
    assert read.finished
    assert "gallery.unfinished" in read.files
    for _ in range(2):
        read.complete_finish()
        assert read.path.read_bytes() == expected
        assert {path.name for path in folder.iterdir()} == {*("predictions.jsonl", "overlays", MANIFEST_NAME)}
