"""The writer of galleries; what they show is checked in ``tests/visualization``."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from freeloc.errors import ConfigurationError, OutputError
from freeloc.inference.result import Localization
from freeloc.writers import WriterOptions
from freeloc.writers.gallery import GalleryWriter

IMAGE = Image.new("RGB", (90, 60), (40, 90, 60))


@pytest.mark.parametrize("named", [True, False])
def test_one_page_shows_all_images(tmp_path: Path, tiny_result: Localization, named: bool) -> None:
    folder, file = (None, tmp_path / "a" / "all.htm") if named else (tmp_path, tmp_path / "gallery.html")
    with GalleryWriter(folder, WriterOptions(gallery=file if named else None)) as writer:
        for index in range(3):
            writer.write(tiny_result, IMAGE, Path(f"album/{index}.jpg"), f"{index}")
        assert not file.exists()
    assert writer.files == [file]
    page = file.read_text("utf-8")
    assert page.count('<li class="card') == 3
    assert all(f"<b>album/{index}.jpg</b>" in page for index in range(3))


def test_options_reach_the_pictures(tmp_path: Path, tiny_result: Localization) -> None:
    pages = []
    for options in (
        WriterOptions(),
        WriterOptions(boxes=2),
        WriterOptions(peaks=5),
        WriterOptions(threshold=1.0),
    ):
        with GalleryWriter(tmp_path, options) as writer:
            writer.write(tiny_result, IMAGE, Path("a.jpg"), "a")
        pages.append((tmp_path / "gallery.html").read_text("utf-8"))
    assert len(set(pages)) == 4


def test_after_an_error_an_earlier_page_remains(tmp_path: Path, tiny_result: Localization) -> None:
    file = tmp_path / "gallery.html"
    file.write_text("earlier")
    writer = GalleryWriter(tmp_path, WriterOptions())
    with pytest.raises(KeyboardInterrupt), writer:
        writer.write(tiny_result, IMAGE, Path("a.jpg"), "a")
        raise KeyboardInterrupt
    assert file.read_text() == "earlier"
    assert writer.files == []
    assert [path.name for path in tmp_path.iterdir()] == ["gallery.html"]


def test_what_cannot_be_written(tmp_path: Path, tiny_result: Localization) -> None:
    with pytest.raises(OutputError, match="there is no output folder"):
        GalleryWriter(None, WriterOptions())
    with pytest.raises(ConfigurationError, match="must be the path of an HTML file"):
        GalleryWriter(None, WriterOptions(gallery=tmp_path / "cat.jpg"))
    (tmp_path / "gallery.html").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        GalleryWriter(tmp_path, WriterOptions())
    with (
        GalleryWriter(None, WriterOptions(gallery=tmp_path / "a.html")) as writer,
        pytest.raises(ValueError, match="needs the decoded image"),
    ):
        writer.write(tiny_result, None, Path("a.jpg"), "a")
