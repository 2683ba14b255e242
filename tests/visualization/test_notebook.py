"""Results in notebooks, which ask objects for HTML; the pictures in it are decoded again."""

from __future__ import annotations

import base64
import dataclasses
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import freeloc
from freeloc.errors import ConfigurationError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.fusion import localize
from freeloc.inference.result import Localization
from freeloc.inference.score_map import ScoreMap
from freeloc.visualization.notebook import result_html
from tests.writers.image_records import SIZE, write_turned_image


class Page(HTMLParser):
    """The text, the cells of tables and the pictures of a fragment of HTML, all of whose elements are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.text = ""
        self.sources: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.sources.append(dict(attrs)["src"] or "")
            return
        self._open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open and self._open[-1] == "td":
            self.cells[-1] += data

    def pictures(self) -> list[Image.Image]:
        assert all(source.startswith("data:image/jpeg;base64,") for source in self.sources)
        data = [base64.b64decode(source.partition(",")[2]) for source in self.sources]
        return [Image.open(io.BytesIO(each)) for each in data]


def result_of(path: Path | None, names: tuple[str, ...] = ("mug", "<b>lamp</b>")) -> Localization:
    """A result in which all classes but the last one are present."""
    (grid,) = Pyramid((1.0,)).grids(Size(*SIZE), CellLayout(stride=32, offset=16.0))
    values = np.full((len(names), grid.valid_rows, grid.valid_cols), 2.0, np.float32)
    values[-1] = -2
    return localize([ScoreMap.of(values, grid)], names, path=path)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_turned_image(tmp_path_factory.mktemp("album") / "a<b>.jpg")


def test_a_result_shows_its_overlay_and_present_classes(image: Path) -> None:
    result = result_of(image)
    page = Page(result._repr_html_())
    location = result["mug"]
    assert page.cells == ["mug", "0.88", f"{location.x:.0f}", f"{location.y:.0f}"]
    assert f"{image}, 80 × 120" in page.text
    (picture,) = page.pictures()
    expected = result.overlay()
    assert picture.size == expected.size
    difference = np.subtract(np.asarray(picture, np.int16), np.asarray(expected, np.int16))
    assert np.abs(difference).mean() < 5  # JPEG


def test_names_are_escaped(image: Path) -> None:
    html = result_of(image, ("<script>alert(1)</script>", "a\x1b[31m", "last"))._repr_html_()
    assert "<script>" not in html
    assert Page(html).cells[::4] == ["<script>alert(1)</script>", r"a\x1b[31m"]


def test_without_its_image_a_result_shows_a_table(tmp_path: Path) -> None:
    for path in (None, tmp_path / "gone.jpg"):
        page = Page(result_of(path)._repr_html_())
        assert page.sources == []
        assert page.cells[0] == "mug"
    assert "image in memory" in Page(result_html(result_of(None))).text


def test_many_and_no_classes(image: Path) -> None:
    names = tuple(f"class {number}" for number in range(8))
    page = Page(result_of(image, names)._repr_html_())
    assert page.cells[::4] == [f"class {number}" for number in range(5)]
    assert "and 2 more" in page.text
    nothing = Page(result_of(image, ("mug",))._repr_html_())
    assert nothing.cells == []
    assert "none of 1 classes" in nothing.text
    assert len(nothing.pictures()) == 1


def test_several_results_are_shown_up_to_a_limit(image: Path) -> None:
    result = result_of(image)
    shown = freeloc.show(result)
    assert (shown.results, shown.are_all) == ((result,), True)
    assert repr(shown) == repr(result)
    assert shown._repr_html_() == result._repr_html_()
    taken: list[int] = []

    def endless() -> object:
        for number in range(100):
            taken.append(number)
            yield dataclasses.replace(result, path=image.with_name(f"{number}.jpg"))

    shown = freeloc.show(endless(), limit=3)  # type: ignore[arg-type]
    assert len(taken) == 4
    assert len(shown.results) == 3
    page = Page(shown._repr_html_())
    assert page.text.count("80 × 120") == 3
    assert "Only the first 3 results are shown" in page.text
    assert repr(shown).splitlines()[3:] == ["…"]


def test_arguments_are_checked(image: Path) -> None:
    with pytest.raises(ConfigurationError, match="limit is 0"):
        freeloc.show([], limit=0)
    with pytest.raises(
        ConfigurationError, match="results contains a value 'a': pass what a localizer returns"
    ):
        freeloc.show("a.jpg")  # type: ignore[arg-type]
