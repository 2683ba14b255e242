from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from freeloc.datasets import open_dataset
from freeloc.errors import FreelocError


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make_voc(root: Path) -> Path:
    image(root / "JPEGImages" / "a.jpg")
    write(root / "Annotations" / "a.xml", "<annotation><object><name>dog</name></object></annotation>")
    write(root / "ImageSets" / "Main" / "train.txt", "a\n")
    return root


def make_coco(root: Path) -> Path:
    image(root / "train2017" / "a.jpg")
    contents = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 1}],
        "categories": [{"id": 1, "name": "dog"}],
    }
    write(root / "annotations" / "instances_train2017.json", json.dumps(contents))
    return root


def make_tags(root: Path) -> Path:
    image(root / "a.jpg")
    write(root / "metadata.csv", "file_name,tags\na.jpg,dog\n")
    return root


def make_folders(root: Path) -> Path:
    image(root / "dog" / "a.jpg")
    return root


@pytest.mark.parametrize(
    ("make", "file", "format_"),
    [
        (make_voc, "", "voc"),
        (make_coco, "", "coco"),
        (make_coco, "annotations/instances_train2017.json", "coco"),
        (make_tags, "", "tags"),
        (make_tags, "metadata.csv", "tags"),
        (make_folders, "", "tags"),
    ],
)
@pytest.mark.parametrize("kind", [str, Path])
def test_every_format_is_detected(tmp_path: Path, make: Any, file: str, format_: Any, kind: Any) -> None:
    path = make(tmp_path / "data") / file
    detected, chosen = open_dataset(kind(path)), open_dataset(path, format=format_)
    assert detected.labels[:, detected.classes.index("dog")].tolist() == [1]
    assert detected.fingerprint == chosen.fingerprint
    assert detected.name == chosen.name


def test_the_format_of_a_folder_with_two_formats_must_be_chosen(tmp_path: Path) -> None:
    make_voc(tmp_path)
    make_tags(tmp_path)
    with pytest.raises(FreelocError, match="could be in the format voc or tags: choose one"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, format="tags").classes == ("dog",)


@pytest.mark.parametrize("name", ["", "notes.txt"])
def test_what_was_looked_for_is_listed(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FreelocError) as caught:
        open_dataset(tmp_path / name)
    message = str(caught.value)
    for words in (
        f"{tmp_path / name} is not a dataset in a known format",
        "VOC: folder JPEGImages",
        "annotations/instances_*.json",
        "metadata.jsonl",
        "one subfolder of images per class",
    ):
        assert words in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "yolo"}, "no dataset format called 'yolo': choose one of voc, coco, tags"),
        ({"images": "nowhere"}, "images is nowhere, which is not a folder"),
        ({"classes": []}, "classes is empty"),
        ({"classes": ["dog", " "]}, "classes contains an empty name"),
        ({"classes": ["dog", "dog "]}, "classes contains 'dog' more than once"),
        ({"classes": ["d\ud800g"]}, r"classes contains 'd\\ud800g', which UTF-8 cannot encode"),
        ({"classes": "dog"}, "classes is 'dog': it must be a list of strings or None"),
    ],
)
def test_invalid_options_are_reported(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(FreelocError, match=message) as caught:
        open_dataset(make_tags(tmp_path), **options)
    assert [caught.value.parameter] == list(options)


def test_a_path_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match=r"no such file or folder: .*nowhere"):
        open_dataset(tmp_path / "nowhere")


def test_a_tilde_means_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    make_tags(tmp_path / "data")
    assert open_dataset("~/data", images="~/data").samples[0].path == tmp_path / "data" / "a.jpg"


def test_opening_data_needs_no_network_library() -> None:
    code = (
        "import sys, freeloc.datasets; print(sorted({'torch', 'openvino', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["export.zip", "pets.v1i.multiclass.TAR.GZ"])
def test_an_archive_is_to_be_extracted(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(
        FreelocError, match=f"{name} is an archive: extract it, and open the extracted folder"
    ):
        open_dataset(tmp_path / name)
