from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from freeloc.geometry.size import Size
from freeloc.images.header import UnreadableImageError, exists, find_name, is_dead_link, read_size


def jpeg(width: int = 24, height: int = 16, exif: bytes = b"") -> bytes:
    picture = Image.radial_gradient("L").resize((width, height)).convert("RGB")
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif)
    return out.getvalue()


JPEG = jpeg()
THUMBNAIL = b"Exif\0\0" + jpeg(8, 8)


def check(data: bytes, name: str = "a.jpg") -> Size | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return read_size(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_size_of_every_usual_kind(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    Image.new("RGB", (31, 17)).save(path, kind)
    assert read_size(path) == Size(31, 17)


def test_a_jpeg_with_something_behind_its_end_is_good() -> None:
    assert check(JPEG + b"\0" * 5000) == Size(24, 16)
    assert check(JPEG + JPEG[:200]) == Size(24, 16)


def test_a_cut_off_jpeg_is_told() -> None:
    with pytest.raises(UnreadableImageError, match="is cut off: the end of the JPEG is missing"):
        check(JPEG[:-20])


def test_the_end_of_a_thumbnail_does_not_count() -> None:
    whole = jpeg(exif=THUMBNAIL)
    assert check(whole) == Size(24, 16)
    with pytest.raises(UnreadableImageError, match="cut off"):
        check(whole[:-20])


@pytest.mark.parametrize("data", [b"", b"hello", JPEG[:10]])
def test_other_files_are_no_images(data: bytes) -> None:
    with pytest.raises(UnreadableImageError, match=r"is not an image|header|cannot be read"):
        check(data)


def test_a_file_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="cannot be read: No such file"):
        read_size(tmp_path / "a.jpg")


@pytest.mark.parametrize(("limit", "size"), [(300, Size(24, 16)), (100, None)])
@pytest.mark.filterwarnings("error")
def test_a_huge_picture_is_left_to_the_decoder(
    limit: int, size: Size | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert check(JPEG) == size


@settings(deadline=None)
@given(st.integers(0, len(JPEG)) | st.just(len(JPEG)), st.binary(max_size=40))
def test_what_decodes_is_never_refused(cut: int, tail: bytes) -> None:
    # Cut off, or whole with something behind it. With bytes put in the place of the end a decoder may well go on.
    data = JPEG[:cut] if cut < len(JPEG) else JPEG + tail
    try:
        Image.open(io.BytesIO(data)).load()
    except (OSError, SyntaxError):
        return
    assert check(data) == Size(24, 16)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "nothing"])
def test_names_no_system_allows_are_no_files(name: str, tmp_path: Path) -> None:
    assert not exists(tmp_path / name)
    assert not is_dead_link(tmp_path / name)


def test_a_dead_link_is_known(tmp_path: Path) -> None:
    link = tmp_path / "link.jpg"
    link.symlink_to(tmp_path / "gone.jpg")
    assert is_dead_link(link)
    (tmp_path / "gone.jpg").touch()
    assert not is_dead_link(link)


def test_a_backslash_is_a_slash_only_where_that_finds_a_file(tmp_path: Path) -> None:
    name = "dog\\1.jpg"
    assert find_name(tmp_path, name) == name
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "1.jpg").touch()
    assert find_name(tmp_path, name) == "dog/1.jpg"
    (tmp_path / name).touch()
    assert find_name(tmp_path, name) == name
