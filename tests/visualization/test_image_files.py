"""Image files: the suffix determines the format, and exceeding a limit is an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.errors import OutputError
from freeloc.images.decode import load_image
from freeloc.visualization import save_image


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".png", "PNG"), (".JPG", "JPEG"), (".jpeg", "JPEG"), (".webp", "WEBP")]
)
def test_the_ending_gives_the_format(tmp_path: Path, suffix: str, kind: str) -> None:
    rows, cols = np.mgrid[:40, :60]
    picture = Image.fromarray(np.stack([rows * 6, cols * 4, rows + cols], axis=-1).astype(np.uint8))
    path = tmp_path / "new" / f"out{suffix}"
    save_image(picture, path)
    with Image.open(path) as read:
        assert read.format == kind
    assert np.abs(load_image(path).astype(int) - np.asarray(picture).astype(int)).mean() < 3
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_picture_with_alpha_can_be_a_jpeg(tmp_path: Path) -> None:
    save_image(Image.new("RGBA", (4, 4), (255, 0, 0, 255)), tmp_path / "a.jpg")
    assert load_image(tmp_path / "a.jpg")[0, 0, 0] > 200


def test_formats_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.png, \.jpg or \.webp"):
        save_image(Image.new("RGB", (4, 4)), tmp_path / "out.xyz")
    with pytest.raises(OutputError, match=r"ends in \.png"):
        save_image(Image.new("RGB", (20_000, 1)), tmp_path / "out.webp")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        save_image(Image.new("RGB", (4, 4)), tmp_path / "folder.png")
    assert [each.name for each in tmp_path.iterdir()] == ["folder.png"]
