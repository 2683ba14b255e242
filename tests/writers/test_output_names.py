"""Names for the output files of images."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePosixPath
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from freeloc.inference.result import Localization
from freeloc.writers import output_names, write_maps


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ([], []),
        (["/p/x.jpg"], ["x"]),
        (["/p/x.jpg", "/p/y.jpg"], ["x", "y"]),
        (["/p/a/x.jpg", "/p/b/x.jpg"], ["a/x", "b/x"]),
        (["/p/x.jpg", "/p/b/x.jpg"], ["x", "b/x"]),
        (["/p/b/x.jpg", "/q/x.jpg"], ["p/b/x", "q/x"]),
        (["/p/x.jpg", "/p/x.png", "/p/y.png"], ["x.jpg", "x.png", "y"]),
        (["/p/x.jpg", "/p/x.png", "/p/x.jpg.tif"], ["x.jpg", "x.png", "x.jpg.tif"]),
        (["/p/x.jpg", "/p/x"], ["x.jpg", "x"]),
        (["/p/x.jpg", "/p/X.png"], ["x.jpg", "X.png"]),
        (["/p/x.jpg", "/p/X.jpg"], ["x.jpg~2", "X.jpg"]),
        (["/p/X.jpg", "/p/x.jpg", "/p/x.jpg~2"], ["X.jpg", "x.jpg~2", "x.jpg~2~2"]),
        (["/p/x.jpg", "/p/a/../x.jpg", "/p/x.jpg"], ["x", "x", "x"]),
        (["/p/.x.jpg", "/p/archive.tar.gz"], [".x", "archive.tar"]),
    ],
)
def test_names(paths: list[str], names: list[str]) -> None:
    assert output_names([Path(path) for path in paths]) == names


def test_relative_paths_are_taken_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert output_names([Path("a/x.jpg"), tmp_path / "b" / "x.jpg", Path("../other/x.jpg")]) == [
        f"{tmp_path.name}/a/x", f"{tmp_path.name}/b/x", "other/x"
    ]  # fmt: skip


parts = st.sampled_from(
    ["a", "A", "b", "é", "e\u0301", "x.jpg", "x.JPG", "x.png", "x.jpg.png", "x", "x~2", ".."]
)


def _file(words: list[str]) -> Path:
    return Path("/r", *words, *(["f.jpg"] if words[-1] == ".." else []))


images = st.lists(st.lists(parts, min_size=1, max_size=4).map(_file), max_size=12)


@given(images, st.randoms())
def test_no_two_images_share_a_name(paths: list[Path], random: Random) -> None:
    names = dict(zip(paths, output_names(paths), strict=True))
    different = {os.path.abspath(path) for path in paths}  # noqa: PTH100
    assert len({unicodedata.normalize("NFC", name).casefold() for name in names.values()}) == len(different)
    for path, name in names.items():
        assert not PurePosixPath(name).is_absolute()
        assert ".." not in PurePosixPath(name).parts
        assert PurePosixPath(name).name.startswith(path.stem.split(".")[0])
    shuffled = paths.copy()
    random.shuffle(shuffled)
    assert dict(zip(shuffled, output_names(shuffled), strict=True)) == names


def test_files_of_images_of_one_name_stand_side_by_side(tmp_path: Path, tiny_result: Localization) -> None:
    paths = [tmp_path / "in" / folder / "same.png" for folder in ("a", "b", "b/c")]
    for path in paths:
        path.parent.mkdir(parents=True)
        Image.new("RGB", (90, 60)).save(path)
    for name in output_names(paths):
        write_maps(tmp_path / "out" / f"{name}.npz", tiny_result)
    assert len(list((tmp_path / "out").rglob("*.npz"))) == 3
