"""A result in a folder: what it contains, what it replaces, and what an error leaves."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeloc.errors import ConfigurationError, MissingDependencyError, OutputError
from freeloc.inference.result import Localization

IMAGE = Image.new("RGB", (90, 60), (40, 90, 60))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_contains_everything(tiny_result: Localization, tmp_path: Path) -> None:
    folder = tmp_path / "album" / "street"
    tiny_result.save(folder, IMAGE, peaks=2, boxes=3, masks=True, threshold=0.4)
    files = contents(folder)
    assert set(files) == {"manifest.json", "result.json", "maps.npz", "overlay.jpg"}
    expected = tiny_result.to_dict(peaks=2, boxes=3, masks=True, threshold=0.4)
    assert json.loads(files["result.json"]) == expected
    assert {each["name"] for each in expected["classes"] if "mask" in each} == {
        each.name for each in tiny_result.present(0.4)
    }
    with np.load(folder / "maps.npz") as arrays:
        assert list(arrays["classes"]) == [each.name for each in tiny_result.present(0.4)]
        assert arrays["maps"].shape[1:] == (60, 90)
    with Image.open(folder / "overlay.jpg") as overlay:
        assert overlay.size == tiny_result.overlay(IMAGE, peaks=2, boxes=3, threshold=0.4).size
    manifest = json.loads(files["manifest.json"])
    assert manifest["manifest"] == 1
    assert manifest["image"] == "album/street.jpg"
    assert manifest["options"] == {
        "classes": None, "threshold": 0.4, "peaks": 2, "boxes": 3, "masks": True
    }  # fmt: skip
    assert manifest["files"] == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "manifest.json"
    }


def test_an_earlier_result_is_replaced_and_other_files_remain(
    tiny_result: Localization, tmp_path: Path
) -> None:
    folder = tmp_path / "street.v2"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    tiny_result.save(folder, IMAGE)
    before = contents(folder)
    tiny_result.save(str(folder), IMAGE, boxes=2)
    after = contents(folder)
    assert before["notes.txt"] == after["notes.txt"] == b"mine"
    assert before["manifest.json"] != after["manifest.json"]
    assert json.loads(after["result.json"])["classes"][0]["boxes"]
    tiny_result.save(folder, IMAGE)
    assert contents(folder) == before  # nothing depends on the time


@pytest.mark.parametrize("manifest", [None, "{", "[]", '{"manifest": 1, "files": {"model.safetensors": ""}}'])
def test_the_file_of_another_program_is_not_replaced(
    manifest: str | None, tiny_result: Localization, tmp_path: Path
) -> None:
    name = "maps.npz" if manifest is None else "manifest.json"
    (tmp_path / name).write_text(manifest or "mine")
    with pytest.raises(
        OutputError, match=rf"already contains {name}, and no manifest says .* choose another"
    ):
        tiny_result.save(tmp_path, IMAGE)
    assert contents(tmp_path) == {name: (manifest or "mine").encode()}


@pytest.mark.parametrize("earlier", [False, True])
def test_an_error_leaves_nothing(
    earlier: bool, tiny_result: Localization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freeloc.writers import result_folder

    if earlier:
        tiny_result.save(tmp_path / "street", IMAGE)

    def fail(*_: Any) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(result_folder, "save_image", fail)
    with pytest.raises(OutputError, match="the disk is full"):
        tiny_result.save(tmp_path / "street", IMAGE)
    assert [path.name for path in tmp_path.rglob("*")] == (["street"] if earlier else [])


def test_what_a_killed_process_has_left_is_replaced(tiny_result: Localization, tmp_path: Path) -> None:
    tiny_result.save(tmp_path / "street", IMAGE)
    whole = contents(tmp_path / "street")
    manifest = json.loads(whole["manifest.json"])
    manifest["files"] = dict.fromkeys(manifest["files"])
    (tmp_path / "street" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "street" / "overlay.jpg").unlink()
    tiny_result.save(tmp_path / "street", IMAGE)
    assert contents(tmp_path / "street") == whole


def test_nothing_is_written_without_the_image_or_with_wrong_options(
    tiny_result: Localization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: dict[str, Any] = {"mask": True}
    with pytest.raises(ConfigurationError, match="a saved result has no option called 'mask': did you mean"):
        tiny_result.save(tmp_path / "street", IMAGE, **wrong)
    with pytest.raises(FileNotFoundError, match=r"album/street\.jpg"):
        tiny_result.save(tmp_path / "street")
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'freeloc\[masks\]'"):
        tiny_result.save(tmp_path / "street", IMAGE, masks=True)
    with pytest.raises(MissingDependencyError, match=r"pip install 'freeloc\[masks\]'"):
        tiny_result.to_dict(masks=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is not a folder"):
        tiny_result.save(tmp_path / "file", IMAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
