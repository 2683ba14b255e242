"""Fixtures shared by the tests of the commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """A tag list of four small images."""
    rows = ["file_name,tags"]
    for index in range(4):
        Image.new("RGB", (32, 24), (60 * index, 80, 120)).save(tmp_path / f"{index}.png")
        rows.append(f"{index}.png,{('dog', 'cat')[index % 2]}")
    (tmp_path / "tags.csv").write_text("\n".join(rows))
    return tmp_path / "tags.csv"
