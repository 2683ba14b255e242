"""The gallery: which images it shows, their order, and their text."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size
from freeloc.inference.decision import DecisionRule
from freeloc.inference.result import Localization
from freeloc.inference.score_map import sigmoid
from freeloc.models.calibration import Calibration
from freeloc.visualization.gallery import Gallery, GalleryOptions
from tests.hostile_names import HOSTILE
from tests.visualization.test_evaluation_gallery import BROWSER
from tests.visualization.test_html_report import Page

SIZE = Size(80, 60)
IMAGE = Image.new("RGB", (80, 60), (40, 90, 60))


def predicted(scores: list[float], classes: tuple[str, ...] = ("cat", "dog", "owl")) -> Localization:
    lattice = Lattice.with_spacing(SIZE, 8.0)
    count = len(classes)
    maps = np.linspace(0, 0.9, count * lattice.rows * lattice.cols, dtype=np.float32)
    return Localization(
        SIZE,
        classes,
        np.array(scores, np.float32),
        np.full((count, 2), 30.0),
        np.full(count, 0.9, np.float32),
        maps.reshape(count, lattice.rows, lattice.cols),
        lattice,
        "fused",
    )


def cards(page: str) -> list[dict[str, str]]:
    """Return name, found classes, doubt, groups and position by class of each card, in the order of the page."""
    pattern = (
        r'<li class="card(?P<groups>[^"]*)" style="--by-class: (?P<position>\d+)">.*?<p><b>(?P<name>.*?)</b></p>\s*'
        r'<p>(?P<found>.*?)</p>\s*<p class="doubt">(?P<doubt>.*?)</p>'
    )
    return [found.groupdict() for found in re.finditer(pattern, page, re.DOTALL)]


def gallery(results: dict[str, list[float]], options: GalleryOptions | None = None) -> str:
    made = Gallery(options)
    for name, scores in results.items():
        made.add(name, predicted(scores), IMAGE)
    return made.render("Gallery")


IMAGES = {
    "sure.jpg": [4.0, -4.0, -4.0],
    "half.jpg": [3.0, -0.1, -4.0],
    "none.jpg": [-3.0, -2.0, -1.0],
    "two.jpg": [0.5, 2.0, -4.0],
}


def test_images_are_in_the_order_of_their_doubt() -> None:
    shown = cards(gallery(IMAGES))
    assert [card["name"] for card in shown] == ["half.jpg", "two.jpg", "none.jpg", "sure.jpg"]
    assert [card["found"] for card in shown] == [
        "cat 0.95",
        "dog 0.88, cat 0.62",
        "nothing found",
        "cat 0.98",
    ]
    assert [card["doubt"] for card in shown[:3]] == [
        "in most doubt: dog 0.48, threshold 0.50",
        "in most doubt: cat 0.62, threshold 0.50",
        "in most doubt: owl 0.27, threshold 0.50",
    ]


def test_by_class_images_follow_their_heading_surest_first() -> None:
    page = gallery(IMAGES)
    headings = dict(re.findall(r'<li class="heading c\d+" style="--by-class: (\d+)">(.*?)</li>', page))
    in_order = sorted([(int(card["position"]), card["name"]) for card in cards(page)])
    merged = sorted([*in_order, *((int(position), name) for position, name in headings.items())])
    assert [name for _, name in merged] == [
        *("cat", "sure.jpg", "half.jpg"),
        *("dog", "two.jpg"),
        *("nothing found", "none.jpg"),
    ]


def test_each_class_can_be_shown_by_itself() -> None:
    page = gallery(IMAGES)
    parsed = Page(page)
    choices = {each["id"]: each for each in parsed.all("input")}
    labels = re.findall(r'<label for="(\w+)">(.*?) <span>(\d+)</span>', page)
    assert labels == [
        ("all", "all images", "4"),
        ("c0", "cat", "3"),
        ("c1", "dog", "1"),
        ("c3", "nothing found", "1"),
    ]
    assert set(choices) == {"by-doubt", "by-class", "all", "c0", "c1", "c3"}
    assert [name for name, each in choices.items() if "checked" in each] == ["by-doubt", "all"]
    groups = {card["name"]: card["groups"].split() for card in cards(page)}
    assert groups == {"sure.jpg": ["c0"], "half.jpg": ["c0"], "none.jpg": ["c3"], "two.jpg": ["c1", "c0"]}
    assert "#c0:checked ~ .cards > li:not(.c0) { display: none; }" in page


def test_the_page_is_one_file_without_scripts() -> None:
    page = gallery(IMAGES)
    parsed = Page(page)
    assert parsed.all("script") == parsed.all("a") == parsed.all("link") == []
    pictures = parsed.all("img")
    assert len(pictures) == 9
    for picture in pictures:
        head, data = str(picture["src"]).split(",")
        assert head == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            assert image.format == "JPEG"
            assert max(image.size) <= 640
        assert picture["alt"]
    assert parsed.within("figcaption") == [
        *("points", "map of cat"),
        *("points", "map of dog", "map of cat"),
        *("image", "map of owl"),
        *("points", "map of cat"),
    ]


def test_at_most_four_maps_are_drawn_per_image() -> None:
    made = Gallery()
    names = tuple("abcdef")
    made.add("a.jpg", predicted([6.0, 5.0, 4.0, 3.0, 2.0, 1.0], names), IMAGE)
    captions = Page(made.render("")).within("figcaption")
    assert captions == ["points", *(f"map of {name}" for name in "abcd")]


LIST = """<script>
const shown = (each) => getComputedStyle(each).display !== "none";
const captions = (card) => [...card.querySelectorAll("figure")].filter(shown).map((each) => each.textContent.trim());
const found = {};
for (const id of ["all", "c0", "c1", "c3"]) {
  document.getElementById(id).checked = true;
  const cards = [...document.querySelectorAll(".card")].filter(shown);
  found[id] = Object.fromEntries(cards.map((card) => [card.querySelector("p b").textContent, captions(card)]));
}
document.title = JSON.stringify(found);
</script>
"""
"""Lists which pictures of which images are displayed, for every choice; only the test adds it to the page."""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium to show the page")
def test_a_browser_shows_the_map_of_the_chosen_class(tmp_path: Path) -> None:
    text = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", gallery(IMAGES))
    (tmp_path / "a.html").write_text(text.replace("</body>", f"{LIST}</body>"), "utf-8")
    words = ("--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom")
    place = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [str(BROWSER), *words, place, (tmp_path / "a.html").as_uri()],
        capture_output=True,
        text=True,
        check=True,
    )
    (title,) = re.findall(r"<title>(.*?)</title>", done.stdout)
    cat, dog, none = ["points", "map of cat"], ["points", "map of dog"], ["image", "map of owl"]
    assert json.loads(html.unescape(title)) == {
        "all": {"half.jpg": cat, "two.jpg": dog, "none.jpg": none, "sure.jpg": cat},
        "c0": {"half.jpg": cat, "two.jpg": cat, "sure.jpg": cat},
        "c1": {"two.jpg": dog},
        "c3": {"none.jpg": none},
    }


@pytest.mark.parametrize("shown", [1, 2, 3])
def test_beyond_the_cap_the_surest_images_are_left_out(shown: int) -> None:
    page = gallery(IMAGES, GalleryOptions(max_images=shown))
    assert [card["name"] for card in cards(page)] == ["half.jpg", "two.jpg", "none.jpg"][:shown]
    assert f"The {shown} images in most doubt are shown; the other {4 - shown} are left out." in page
    assert "4 images, 3 of them with at least one class" in page
    assert "left out" not in gallery(IMAGES, GalleryOptions(max_images=4))


def test_thumbnails_are_drawn_for_no_more_images_than_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Gallery(GalleryOptions(max_images=2))
    drawn: list[object] = []
    original = Gallery._draw

    def draw(self: Gallery, *args: Any) -> Any:
        drawn.append(args)
        return original(self, *args)

    monkeypatch.setattr(Gallery, "_draw", draw)
    for index in range(50):
        made.add(f"{index}.jpg", predicted([1.0 + index, -5.0, -5.0]), IMAGE)
    assert len(drawn) == 2
    assert len(made._kept) == 2


@pytest.mark.parametrize("stop", [0, 1, 3, 6])
def test_a_gallery_can_be_continued(stop: int) -> None:
    """The page is the same as if one process had made it."""
    rng = np.random.default_rng(1)
    scores = {f"{index}\udce9.jpg": list(rng.normal(0, 3, 3)) for index in range(6)}
    scores["4.jpg"] = [float("nan"), 2.0, 3.0]
    whole, first, second = (Gallery(GalleryOptions(max_images=3)) for _ in range(3))
    lines = [whole.add(name, predicted(each), IMAGE) for name, each in scores.items()]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    for index, (name, each) in enumerate(scores.items()):
        if index < stop:
            second.add_line(first.add(name, predicted(each), IMAGE))
        else:
            assert second.add(name, predicted(each), IMAGE) == lines[index]
    assert second.render("") == whole.render("")


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"null", b'{"margin": "x", "found": true}', b"\xff"])
def test_a_damaged_line_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        Gallery().add_line(line)


def test_the_threshold_is_that_of_each_class_or_the_given_one() -> None:
    calibration = Calibration(
        slopes=(1.0,) * 3, offsets=(0.0,) * 3, thresholds=(0.9, float(sigmoid(np.float32(-2.0))), 0.5)
    )
    result = dataclasses.replace(predicted([3.0, -1.9, -3.0]), decision=DecisionRule(calibration))
    own, given = Gallery(), Gallery(GalleryOptions(threshold=0.95))
    for each in (own, given):
        each.add("a.jpg", result, IMAGE)
    (first,), (second,) = cards(own.render("")), cards(given.render(""))
    assert (first["found"], first["doubt"]) == (
        "cat 0.95, dog 0.13",
        "in most doubt: dog 0.13, threshold 0.12",
    )
    assert (second["found"], second["doubt"]) == ("cat 0.95", "in most doubt: cat 0.95, threshold 0.95")


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_thresholds_that_no_probability_is_near(threshold: float) -> None:
    page = gallery(IMAGES, GalleryOptions(threshold=threshold))
    assert [card["name"] for card in cards(page)] == list(IMAGES)


def test_numbers_that_are_none() -> None:
    made = Gallery(GalleryOptions(peaks=2, boxes=2))
    broken = predicted([np.nan, 1.0, 2.0])
    made.add("sure.jpg", predicted([4.0, -4.0, -4.0]), IMAGE)
    made.add(
        "broken.jpg",
        dataclasses.replace(
            broken, maps=np.full_like(broken.maps, np.nan), points=np.full_like(broken.points, np.nan)
        ),
        IMAGE,
    )
    assert [card["name"] for card in cards(made.render(""))] == ["broken.jpg", "sure.jpg"]


@pytest.mark.parametrize(
    "name",
    [*HOSTILE.values(), "<script>alert(1)</script>", 'a" onload="x', "https://a.org/?a&b", "nothing found"],
)
def test_names_are_text(name: str) -> None:
    made = Gallery()
    made.add(name, predicted([1.0, -1.0, 2.0], (name, "dog", "owl")), IMAGE)
    made.add("b.jpg", predicted([-1.0, -1.0, -2.0], (name, "dog", "owl")), IMAGE)
    page = Page(made.render(name))
    assert page.all("a") == page.all("script") == []
    assert {attribute for _, attributes in page.tags for attribute in attributes} <= {
        *("lang", "charset", "name", "content", "http-equiv", "aria-label"),
        *("class", "style", "type", "id", "checked", "for", "src", "alt", "decoding"),
    }
    assert len(page.all("li")) == 4


def test_no_image_at_all() -> None:
    assert cards(Gallery().render("Gallery")) == []
