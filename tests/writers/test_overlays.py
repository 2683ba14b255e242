"""The writer of overlays; what they show is checked in ``tests/visualization``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.errors import OutputError
from freeloc.inference.result import Localization
from freeloc.visualization import draw_overlay
from freeloc.writers import WriterOptions
from freeloc.writers.overlays import OverlaysWriter


def test_the_overlay_is_that_of_draw_overlay(tmp_path: Path, tiny_result: Localization) -> None:
    image = Image.new("RGB", (90, 60), (40, 90, 60))
    for threshold in (0.0, 1.0):
        with OverlaysWriter(tmp_path, WriterOptions(threshold=threshold)) as writer:
            writer.write(tiny_result, image, Path("x.png"), "a/x")
        assert writer.files == [tmp_path / "overlays" / "a" / "x.jpg"]
        expected = draw_overlay(image, tiny_result, threshold=threshold)
        with Image.open(writer.files[0]) as written:
            assert written.size == expected.size
            assert np.abs(np.asarray(written).astype(int) - np.asarray(expected).astype(int)).mean() < 3


def test_boxes_and_peaks_are_drawn(tmp_path: Path, tiny_result: Localization) -> None:
    image = Image.new("RGB", (90, 60), (40, 90, 60))
    with OverlaysWriter(tmp_path, WriterOptions(threshold=0.0, peaks=4, boxes=3)) as writer:
        writer.write(tiny_result, image, Path("x.png"), "x")
    expected = draw_overlay(image, tiny_result, threshold=0.0, boxes=3, peaks=4)
    with Image.open(tmp_path / "overlays" / "x.jpg") as written:
        assert np.abs(np.asarray(written).astype(int) - np.asarray(expected).astype(int)).mean() < 3


def test_an_image_is_needed(tmp_path: Path, tiny_result: Localization) -> None:
    with OverlaysWriter(tmp_path, WriterOptions()) as writer:
        with pytest.raises(ValueError, match="needs the decoded image"):
            writer.write(tiny_result, None, Path("x.png"), "x")
        (tmp_path / "overlays").write_text("")
        with pytest.raises(OutputError, match="cannot write"):
            writer.write(tiny_result, Image.new("RGB", (90, 60)), Path("x.png"), "x")
    assert writer.files == []
