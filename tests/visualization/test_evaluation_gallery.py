"""The page of an evaluation gallery: its data, its safety, and its script in a real browser."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import Any

import pytest
from PIL import Image

from freeloc.geometry.size import Size
from freeloc.visualization.evaluation_gallery import GalleryImage, GalleryPoint, render_evaluation_gallery
from tests.hostile_names import HOSTILE, is_safe
from tests.visualization.test_html_report import Page

SIZE = Size(400, 300)
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def images(count: int = 150) -> list[GalleryImage]:
    """Images of which every second has a cat, found right, and every third a dog, missed; no image has an owl."""
    made = []
    for index in range(count):
        points = [GalleryPoint(2, "absent", 10, 20, 0.5)] if index == 7 else []
        if index % 2 == 0:
            points.append(GalleryPoint(0, "right", 100, 75.4, index / count))
        if index % 3 == 0:
            points.append(GalleryPoint(1, "missed", math.nan, math.nan, 0.25))
        made.append(GalleryImage(f"image {index}.jpg", f"{index:020x}", SIZE, points))
    return made


def page(
    made: list[GalleryImage], classes: tuple[str, ...] = ("cat", "dog", "owl"), folder: bytes = b"a_files"
) -> str:
    return render_evaluation_gallery("Title", ["Lead."], classes, made, folder)


def data_of(text: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert len(found) == 1
    values: dict[str, Any] = json.loads(found[0])
    return values


def test_the_data_are_those_of_the_images() -> None:
    values = data_of(page(images(8)))
    assert values["classes"] == ["cat", "dog", "owl"]
    assert values["folder"] == "./a_files"
    assert values["images"][6] == [
        "image 6.jpg",
        f"{6:020x}",
        400,
        300,
        [[0, 0, 100, 75, 0.75], [1, 1, None, None, 0.25]],
    ]
    assert values["images"][7][4] == [[2, 2, 10, 20, 0.5]]
    assert page(images()) == page(images())


def test_no_image_is_in_the_page_itself() -> None:
    parsed = Page(page(images(5000)))
    assert parsed.all("img") == parsed.all("a") == parsed.all("link") == []
    assert len(parsed.all("li")) == 0


def test_only_the_script_of_the_package_may_run() -> None:
    text = page(images(3))
    (policy,) = [each["content"] for each in Page(text).all("meta") if "http-equiv" in each]
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file:; script-src 'sha256-{digest}'"
    )
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|fetch|XMLHttp|https?:", script
    )


@pytest.mark.parametrize(
    "name",
    [*HOSTILE.values(), "</script><script>alert(1)</script>", "<!--<script>", 'a" onload="x', "]]>&amp;"],
)
def test_names_are_text(name: str) -> None:
    text = page(
        [GalleryImage(name, "0" * 20, SIZE, [])], (name, "dog", "owl"), name.encode("utf-8", "replace")
    )
    assert is_safe(text)
    parsed = Page(text)
    assert [each.get("type") for each in parsed.all("script")] == ["application/json", None]
    assert not [
        attribute for _, attributes in parsed.tags for attribute in attributes if attribute.startswith("on")
    ]
    values = data_of(text)
    assert is_safe(values["images"][0][0])
    assert re.fullmatch(r"\./[\w.~%-]+", values["folder"])


def test_numbers_that_are_none() -> None:
    points = [GalleryPoint(0, "right", math.inf, 3, math.nan), GalleryPoint(1, "absent", 3, 4, math.inf)]
    values = data_of(page([GalleryImage("a", "0" * 20, SIZE, points)]))
    assert values["images"][0][4] == [[0, 0, None, None, None], [1, 2, 3, 4, None]]


# --- in a browser ------------------------------------------------------------------------------------------


class _Shown(HTMLParser):
    """The names and pictures of the cards, the options, and the text of the counter."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inside = ""
        self.files: list[str] = []
        self.sources: list[str] = []
        self.points: list[tuple[str, str]] = []
        self.texts: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.inside = values.get("id") or values.get("class") or ""
        if tag == "img":
            self.sources.append(values["src"] or "")
        if self.inside.startswith("point "):
            self.points.append((self.inside, values["style"] or ""))

    def handle_data(self, data: str) -> None:
        if self.inside == "file" and data.strip():
            self.files.append(data)
        self.texts.setdefault(self.inside, data)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if BROWSER is None:
        pytest.skip("there is no Chromium to show the page")
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "a.html").write_text(page(images()))
    for image in images():
        file = folder / "a_files" / image.file[:2] / f"{image.file}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(file)

    def show(selection: str) -> _Shown:
        words = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=2000",
            "--dump-dom",
        )
        place = f"--user-data-dir={folder / 'profile'}"
        address = f"{(folder / 'a.html').as_uri()}#{selection}"
        done = subprocess.run(
            [str(BROWSER), *words, place, address], capture_output=True, text=True, check=True
        )
        return _Shown(done.stdout)

    return show


@pytest.mark.slow
def test_a_browser_shows_one_page_of_the_images(shown: Any) -> None:
    first = shown("page=2")
    assert first.files == [f"image {index}.jpg" for index in range(60, 120)]
    assert first.sources == [f"./a_files/00/{index:020x}.jpg" for index in range(60, 120)]
    assert first.texts["count"] == "150 images, showing 61 to 120"
    assert first.texts["pages"] == "3"
    assert len(first.points) == 30  # a point without coordinates has no cross
    assert first.points[0] == ("point right", "left: 25%; top: 25%;")


@pytest.mark.slow
def test_a_browser_filters_by_class_and_outcome(shown: Any) -> None:
    cats = shown("class=0&show=right&page=9")  # past the last page: the last one is shown
    assert cats.texts["count"] == "75 images, showing 61 to 75"
    assert cats.files == [f"image {index}.jpg" for index in range(28, -1, -2)]  # lowest score last
    wrong = shown("show=wrong&name=IMAGE%207")
    assert wrong.files == ["image 7.jpg", "image 72.jpg", "image 75.jpg", "image 78.jpg"]
