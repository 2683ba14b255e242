"""Lists of image paths in files and on standard input."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.errors import ImageError
from freeloc.images.decode import load_image
from freeloc.images.find import find_images
from freeloc.images.formats import is_image_start
from freeloc.images.path_lists import expand_path_lists
from freeloc.io.regular_file import open_regular, special_kind
from freeloc.io.standard_input import DASH, keep_input
from tests.images.sample_images import scene


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with three images."""
    for name in ("a.png", "b c.png", "sub/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(scene()).save(path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    keep_input(None)


def send(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


# --- lists -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"a.png\nb c.png\nsub/d.png\n",
        b"\xef\xbb\xbfa.png\r\n\r\n  b c.png \r\nsub/d.png",
        b"a.png\0b c.png\0sub/d.png\0",
        "a.png\r\nb c.png\r\nsub/d.png\r\n".encode("utf-16"),
        "\ufeffa.png\nb c.png\nsub/d.png".encode("utf-16-be"),
    ],
)
def test_lists_in_files_and_on_standard_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    expected = [Path("a.png"), Path("b c.png"), Path("sub/d.png")]
    (folder / "list.txt").write_bytes(data)
    send(monkeypatch, data)
    assert expand_path_lists(["@list.txt"]) == expected
    assert expand_path_lists(["-"]) == expected
    assert expand_path_lists(["x.jpg"]) == ["x.jpg"]


def test_lines_are_files_folders_and_patterns(folder: Path) -> None:
    (folder / "list.txt").write_text("sub\n*.png\n")
    assert find_images(expand_path_lists(["@list.txt"])).paths == (
        Path("sub/d.png"), Path("a.png"), Path("b c.png")
    )  # fmt: skip


def test_paths_are_relative_to_the_current_folder_or_to_the_list(folder: Path) -> None:
    (folder / "sub" / "list.txt").write_text("a.png\nd.png\n")
    assert expand_path_lists(["@sub/list.txt"]) == [Path("a.png"), Path("sub/d.png")]


def test_a_file_with_the_name_of_a_list_is_that_file(folder: Path) -> None:
    for name in ("-", "@list.txt"):
        Image.fromarray(scene()).save(folder / name, "PNG")
        assert expand_path_lists([name]) == [name]
        assert np.array_equal(load_image(name), scene())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"a.png\n\ngone.png\n",
            r"list\.txt:3: cannot find gone\.png: no such file or folder; check the path",
        ),
        (b"*.gif\n", r"list\.txt:1: cannot find \*\.gif"),
        (b"\n  \n", r"list\.txt contains no paths: write one path per line"),
        (b"", r"list\.txt contains no paths"),
        (b"PK\x03\x04 archive", r"list\.txt is neither an image nor a list of paths"),
        (None, r"cannot read the list of images list\.txt: No such file or directory"),
    ],
)
def test_wrong_lists(folder: Path, data: bytes | None, message: str) -> None:
    if data is not None:
        (folder / "list.txt").write_bytes(data)
    with pytest.raises(ImageError, match=message):
        expand_path_lists(["a.png", "@list.txt"])


def test_a_list_that_is_a_broken_link_is_named(folder: Path) -> None:
    (folder / "list.txt").symlink_to("gone.txt")
    with pytest.raises(ImageError, match=r"list\.txt: it is a link to gone\.txt, which does not exist"):
        expand_path_lists(["@list.txt"])
    (folder / "names").write_text("list.txt\n")
    with pytest.raises(ImageError, match=r"list\.txt: it is a link to gone\.txt, which does not exist"):
        find_images(expand_path_lists(["@names"]))


def test_standard_input_without_content(monkeypatch: pytest.MonkeyPatch) -> None:
    send(monkeypatch, b"")
    with pytest.raises(ImageError, match="standard input contains no paths"):
        expand_path_lists(["-"])
    sys.stdin.close()
    with pytest.raises(ImageError, match="cannot read standard input: I/O operation on closed file"):
        expand_path_lists(["-"])


# --- an image on standard input ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP"])
def test_an_image_on_standard_input(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, name)
    assert special_kind(DASH) == "a pipe (standard input)"
    send(monkeypatch, buffer.getvalue())
    assert expand_path_lists(["a.png", "-", "-"]) == ["a.png", DASH]
    assert find_images(["-"]).paths == (DASH,)
    assert special_kind(DASH) is None
    for _ in range(2):  # it can be read again
        assert np.array_equal(load_image("-"), load_image(buffer.getvalue()))
    with open_regular(DASH) as file:
        assert file.read() == buffer.getvalue()
    keep_input(None)
    with pytest.raises(ImageError, match=r"a pipe \(standard input\)"):
        find_images(["-"])


@pytest.mark.parametrize("name", ["BMW.jpg", "BM", "P5.png\nx", "GIF.gif", "#1.jpg", "ÿ.jpg", "日本.png"])
def test_names_are_no_images(name: str) -> None:
    assert not is_image_start(name.encode())
    assert not is_image_start(f"{name}\0{name}\0".encode())
