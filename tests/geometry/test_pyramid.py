"""The scales of an image."""

from __future__ import annotations

from typing import Any

import pytest

from freeloc.errors import ConfigurationError
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from tests.geometry.strategies import PADDED


def test_grids_come_in_the_order_of_the_scales() -> None:
    pyramid = Pyramid((1.4, 0.5, 1.0))
    grids = pyramid.grids(Size(640, 480), PADDED)
    assert [grid.scale for grid in grids] == [1.4, 0.5, 1.0]
    assert [grid.content.width for grid in grids] == [700, 250, 500]


def test_default_is_the_papers_six_scales() -> None:
    assert Pyramid().scales == (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
    assert (Pyramid().padding, Pyramid().resize) == ("stride", "once")


def test_other_scales_keep_how_canvases_are_made() -> None:
    assert Pyramid((0.5,), "paper", "paper").with_scales((1.0, 2.0)) == Pyramid((1.0, 2.0), "paper", "paper")


def test_only_canvases_made_directly_need_the_resolution_of_their_scale() -> None:
    assert Pyramid((0.5, 2.8)).decode_scale == 2.8
    assert (
        Pyramid((0.5, 2.8), resize="paper").decode_scale == Pyramid((0.5,), resize="paper").decode_scale == 1
    )


@pytest.mark.parametrize("field", ["padding", "resize"])
def test_unknown_ways_of_making_canvases_are_refused(field: str) -> None:
    changes: dict[str, Any] = {field: "x"}
    with pytest.raises(ConfigurationError, match=f"{field} is 'x'") as caught:
        Pyramid(**changes)
    assert caught.value.parameter == field


@pytest.mark.parametrize("bad", [0.0, -1.0, 0.019, 20.5, float("nan"), float("inf")])
def test_scales_out_of_range_are_refused(bad: float) -> None:
    with pytest.raises(ConfigurationError, match="scales contains") as caught:
        Pyramid((1.0, bad))
    assert caught.value.parameter == "scales"


def test_no_scale_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="scales is empty") as caught:
        Pyramid(())
    assert caught.value.parameter == "scales"
