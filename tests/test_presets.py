"""Presets."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.cli.options import Preset as Words
from freeloc.errors import FreelocError
from freeloc.geometry import TEST_SCALES
from freeloc.localizer import Localizer
from freeloc.presets import PRESETS, chosen_scales


def pixels(scales: tuple[float, ...]) -> float:
    return sum(scale**2 for scale in scales)


def test_each_looks_at_more_than_the_one_before() -> None:
    costs = [pixels(scales or TEST_SCALES) for scales in PRESETS.values()]
    assert costs == sorted(costs)
    assert costs[0] < 0.2 * costs[-1]
    assert costs[1] < 0.4 * costs[-1]
    for scales in PRESETS.values():
        assert set(scales or ()) <= set(TEST_SCALES)


def test_the_command_line_knows_the_same_words() -> None:
    assert [word.value for word in Words] == list(PRESETS)


def test_what_is_asked_for_is_taken() -> None:
    own = (1.0, 1.5)
    assert chosen_scales(own, None, None) == own
    assert chosen_scales(own, None, "best") == own
    assert chosen_scales(own, None, "fast") == PRESETS["fast"]
    assert chosen_scales(own, (3.0,), None) == (3.0,)


def test_what_cannot_be_is_refused(tiny_run: Path) -> None:
    with pytest.raises(FreelocError, match=r"--preset slow is unknown: choose one of fast, balanced, best"):
        chosen_scales((1.0,), None, "slow")  # type: ignore[arg-type]
    with pytest.raises(FreelocError, match=r"--preset and --scales both"):
        Localizer.load(tiny_run, scales=(1.0,), preset="best")
    for scales in ("0.5,1", 1.0):
        with pytest.raises(FreelocError, match=r"scales are .*: give a tuple of numbers"):
            Localizer.load(tiny_run, scales=scales)  # type: ignore[arg-type]
    with pytest.raises(FreelocError, match=r"--scales has 1, 2, 1: give every scale once"):
        Localizer.load(tiny_run, scales=(1.0, 2.0, 1.0))


@pytest.mark.parametrize("preset", [None, "fast", "balanced", "best"])
def test_a_localizer_looks_at_the_presets_scales(tiny_run: Path, preset: str | None) -> None:
    wanted = (0.7, 1.0) if preset in {None, "best"} else PRESETS[preset]  # type: ignore[index]
    for runtime in ("torch", "openvino"):
        localizer = Localizer.load(tiny_run, preset=preset, runtime=runtime)  # type: ignore[arg-type]
        assert localizer.pyramid.scales == wanted
