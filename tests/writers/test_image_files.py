"""Image files beside annotations."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from freeloc.errors import OutputError
from freeloc.writers.image_files import image_file_name, place_image
from freeloc.writers.output_names import output_names


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "album" / "street.jpg"
    path.parent.mkdir()
    path.write_bytes(b"pixels")
    return path


def test_a_link_leads_to_the_image(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "new" / "images" / "a.jpg"
    assert place_image(Path("album/street.jpg"), target, "link")
    assert target.is_symlink()
    assert target.samefile(image)


def test_a_copy_is_independent(image: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.jpg"
    assert place_image(image, target, "copy")
    image.write_bytes(b"others")
    assert target.read_bytes() == b"pixels"
    assert not target.is_symlink()


def test_nothing_is_written_on_request(image: Path, tmp_path: Path) -> None:
    assert not place_image(image, tmp_path / "none.jpg", "none")
    assert not place_image(tmp_path / "missing.jpg", tmp_path / "none.jpg", "none")
    assert {path.name for path in tmp_path.iterdir()} == {"album"}


@pytest.mark.parametrize("first", ["link", "copy"])
@pytest.mark.parametrize("second", ["link", "copy"])
def test_placing_an_image_again_leaves_the_original_alone(
    first: str, second: str, image: Path, tmp_path: Path
) -> None:
    """A continued prediction writes the files of its last image again."""
    target = tmp_path / "placed.jpg"
    place_image(image, target, first)  # type: ignore[arg-type]
    before = image.stat()
    place_image(image, target, second)  # type: ignore[arg-type]
    assert (image.stat().st_ino, image.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not image.is_symlink()
    assert target.read_bytes() == b"pixels"
    assert target.is_symlink() == (second == "link")
    assert {path.name for path in tmp_path.iterdir()} == {"album", "placed.jpg"}


@pytest.mark.parametrize("how", ["link", "copy"])
def test_an_image_never_replaces_itself(how: str, image: Path) -> None:
    with pytest.raises(OutputError, match="this is the image itself"):
        place_image(image, image, how)  # type: ignore[arg-type]
    assert image.read_bytes() == b"pixels"


def test_a_broken_link_is_replaced(image: Path, tmp_path: Path) -> None:
    target = tmp_path / "placed.jpg"
    target.symlink_to(tmp_path / "gone.jpg")
    place_image(image, target, "link")
    assert target.read_bytes() == b"pixels"
    assert not (tmp_path / "gone.jpg").exists()


def test_where_links_are_not_allowed_the_image_is_copied(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: str) -> None:
        raise OSError(1314, "A required privilege is not held by the client")  # as on Windows

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert place_image(image, tmp_path / "placed.jpg", "link")
    assert not (tmp_path / "placed.jpg").is_symlink()
    assert (tmp_path / "placed.jpg").read_bytes() == b"pixels"


@pytest.mark.parametrize(
    ("name", "format_", "placed"),
    [
        ("a", "JPEG", "x.jpg"),
        ("a.data", "PNG", "x.png"),
        ("a.JPE", "JPEG", "x.jpg"),
        ("a.jfif", "JPEG", "x.jpg"),
        ("a.JPG", "JPEG", "x.JPG"),
        ("a.png", "JPEG", "x.png"),
        ("a.gif", "GIF", "x.gif"),
        ("a.tar", "TIFF", "x.tif"),
    ],
)
def test_programs_find_images_by_their_suffix(name: str, format_: str, placed: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / name, format_)
    for how in ("link", "copy"):
        assert image_file_name(tmp_path / name, "x", how) == placed
    assert image_file_name(tmp_path / name, "x", "none") == name
    assert image_file_name(tmp_path / "gone", "x", "link") == "x"
    (tmp_path / "text").write_text("not an image")
    assert image_file_name(tmp_path / "text", "x", "link") == "x"


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"the image .*gone.jpg does not exist") as caught:
        place_image(tmp_path / "gone.jpg", tmp_path / "placed.jpg", "link")
    assert caught.value.parameter == "image_files"


def test_names_are_unique_even_without_their_suffixes() -> None:
    paths = [Path(f"album/{name}") for name in ("a/x.jpg", "a/x.png", "b/x.jpg", "b/X.jpg", "b/y.tar.jpg")]
    names = output_names(paths)
    placed = [image_file_name(path, name, "link") for path, name in zip(paths, names, strict=True)]
    assert placed == ["a/x.jpg.jpg", "a/x.png.png", "b/x.jpg~2.jpg", "b/X.jpg.jpg", "b/y.tar.jpg"]
    assert len({Path(name).with_suffix("") for name in placed}) == 5
    # Without links or copies, the names are those of the existing files.
    there = [image_file_name(path, name, "none") for path, name in zip(paths, names, strict=True)]
    assert [f"album/{name}" for name in there] == [path.as_posix() for path in paths]
