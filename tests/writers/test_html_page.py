"""The page with all predicted images: its data, its pictures, its continuation, and its script in a real browser."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from freeloc.errors import OutputError
from freeloc.writers import WriterOptions
from freeloc.writers.html_page import HtmlWriter
from tests.hostile_names import HOSTILE, is_safe
from tests.visualization.test_evaluation_gallery import BROWSER, _Shown, data_of
from tests.visualization.test_gallery import IMAGE, IMAGES, predicted
from tests.visualization.test_html_report import Page

ORDER = ["half.jpg", "two.jpg", "none.jpg", "sure.jpg"]
"""The images in the order of their doubt."""


def write(folder: Path, scores: dict[str, list[float]], options: WriterOptions | None = None) -> str:
    with HtmlWriter(folder, options or WriterOptions()) as writer:
        for name, each in scores.items():
            writer.write(predicted(each), IMAGE, Path(name), name.removesuffix(".jpg"))
    assert writer.files[-1] == folder / "html" / "index.html"
    assert sorted(writer.files) == sorted(path for path in folder.rglob("*") if path.is_file())
    return writer.files[-1].read_text("utf-8")


def test_all_images_are_in_the_order_of_their_doubt(tmp_path: Path) -> None:
    page = write(tmp_path, IMAGES)
    data = data_of(page)
    assert data["classes"] == ["cat", "dog", "owl"]
    assert [image[0] for image in data["images"]] == ORDER
    half, two, none, _ = data["images"]
    assert half[4] == [[0, 0, None, None, 0.95]]
    assert half[6] == "in most doubt: dog 0.48, threshold 0.50"
    assert two[4] == [[1, 0, None, None, 0.88], [0, 0, None, None, 0.62]]
    assert (half[5], two[5]) == ([0], [1, 0])
    assert (none[4], none[5]) == ([], [2])  # the map of the class in most doubt
    assert "4 images, 3 of them with at least one class" in page
    for _, file, width, height, _, maps, _ in data["images"]:
        for suffix in ("", *(f"-{number}" for number in range(len(maps)))):
            picture = tmp_path / "html" / "pictures" / file[:2] / f"{file}{suffix}.jpg"
            with Image.open(picture) as opened:
                assert opened.size == (width, height)
    parsed = Page(page)
    assert parsed.all("img") == parsed.all("a") == parsed.all("link") == []


def test_options_reach_the_pictures(tmp_path: Path) -> None:
    write(tmp_path / "1", {"a.jpg": [3.0, 2.0, -1.0]})
    page = write(tmp_path / "2", {"a.jpg": [3.0, 2.0, -1.0]}, WriterOptions(threshold=0.9, boxes=2))
    (image,) = data_of(page)["images"]
    assert [point[0] for point in image[4]] == [0]
    assert image[6] == "in most doubt: dog 0.88, threshold 0.90"
    pictures = [
        (tmp_path / folder / "html" / "pictures" / image[1][:2] / f"{image[1]}.jpg") for folder in "12"
    ]
    assert pictures[0].read_bytes() != pictures[1].read_bytes()


@pytest.mark.parametrize("stop", [0, 1, 3])
def test_a_page_can_be_continued(stop: int, tmp_path: Path) -> None:
    """The files are the same as if one process had made them."""

    def listed(*_: Any) -> None:
        """Another process continues the output, so the unfinished file remains."""

    whole = write(tmp_path / "whole", IMAGES)
    folder = tmp_path / "parts"
    images = list(IMAGES.items())
    first = HtmlWriter(folder, WriterOptions())
    first.on_new_file = listed
    with pytest.raises(KeyboardInterrupt), first:
        for name, scores in images[:stop]:
            first.write(predicted(scores), IMAGE, Path(name), name.removesuffix(".jpg"))
        position = first.position()
        first.write(predicted([0.0, 0.0, 0.0]), IMAGE, Path("lost.jpg"), "lost")
        raise KeyboardInterrupt
    assert not (folder / "html" / "index.html").exists()
    second = HtmlWriter(folder, WriterOptions())
    second.on_new_file = listed
    second.resume(position)
    with second:
        for name, scores in images[stop:]:
            second.write(predicted(scores), IMAGE, Path(name), name.removesuffix(".jpg"))
    assert (folder / "html" / "index.html").read_text("utf-8") == whole


def test_no_image_makes_an_empty_page(tmp_path: Path) -> None:
    assert data_of(write(tmp_path, {}))["images"] == []


def test_a_damaged_unfinished_file_is_named(tmp_path: Path) -> None:
    writer = HtmlWriter(tmp_path, WriterOptions())
    with pytest.raises(OutputError, match=r"html\.unfinished\.jsonl: it is damaged"), writer:
        writer.write(predicted([1.0, 2.0, 3.0]), IMAGE, Path("a.jpg"), "a")
        (tmp_path / "html.unfinished.jsonl").write_bytes(b'{"classes": []}\n{"margin"')
    assert not (tmp_path / "html" / "index.html").exists()


@pytest.mark.parametrize("name", [*HOSTILE.values(), "</script><script>alert(1)</script>", 'a" onload="x'])
def test_names_are_text(name: str, tmp_path: Path) -> None:
    with HtmlWriter(tmp_path, WriterOptions()) as writer:
        writer.write(predicted([1.0, 0.0, 0.0], (name, "b", "c")), IMAGE, Path(f"{name}.jpg"), name)
    page = (tmp_path / "html" / "index.html").read_text("utf-8")
    assert is_safe(page)
    assert [each.get("type") for each in Page(page).all("script")] == ["application/json", None]
    (image,) = data_of(page)["images"]
    assert re.fullmatch(r"[0-9a-f]{20}", image[1])


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium to show the page")
def test_a_browser_shows_images_and_maps(tmp_path: Path) -> None:
    data = data_of(write(tmp_path, IMAGES))
    files = {image[0]: f"./pictures/{image[1][:2]}/{image[1]}" for image in data["images"]}

    def show(selection: str) -> _Shown:
        words = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=2000",
            "--dump-dom",
        )
        place = f"--user-data-dir={tmp_path / 'profile'}"
        address = f"{(tmp_path / 'html' / 'index.html').as_uri()}#{selection}"
        done = subprocess.run(
            [str(BROWSER), *words, place, address], capture_output=True, text=True, check=True
        )
        return _Shown(done.stdout)

    everything = show("")
    assert everything.files == ORDER
    assert everything.sources == [f"{files[name]}{end}.jpg" for name in ORDER for end in ("", "-0")]
    cats = show("class=0")
    assert cats.files == ["sure.jpg", "half.jpg", "two.jpg"]  # the most probable first
    # In the last one, the cat is the second class, and so is its map.
    assert cats.sources[-2:] == [f"{files['two.jpg']}.jpg", f"{files['two.jpg']}-1.jpg"]
    nothing = show("show=nothing")
    assert nothing.files == ["none.jpg"]
    assert nothing.texts["count"] == "1 image, showing 1 to 1"
    assert show("show=found&name=TWO").files == ["two.jpg"]


def test_the_data_are_written_as_json(tmp_path: Path) -> None:
    page = write(tmp_path, {"a\u2028<b>&.jpg": [1.0, 2.0, 3.0]})
    (text,) = re.findall(r'id="data">(.*?)</script>', page)
    assert "<" not in text
    assert "&" not in text
    assert json.loads(text)["folder"] == "./pictures"
