"""Warnings of other libraries stay off the terminal, unless the user asks for them."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.io.library_warnings import silence_warnings
from tests.images.tiff_files import RGB, tiff_bytes

CODE = """
import logging, sys, warnings
from freeloc.io.library_warnings import silence_warnings
{before}
with silence_warnings():
    warnings.warn("inside")
    logging.getLogger("PIL.TiffImagePlugin").error("logged")
    with silence_warnings():
        warnings.warn("nested")
    warnings.warn("after nested", RuntimeWarning)
warnings.warn("outside")
"""


def printed(*options: str, before: str = "") -> list[str]:
    command = [sys.executable, *options, "-c", CODE.format(before=before)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    texts = ("inside", "nested", "after nested", "outside", "logged")
    return [
        text for text in texts if f"Warning: {text}\n" in done.stderr or f"\n{text}" in f"\n{done.stderr}"
    ]


def test_only_warnings_inside_are_silenced() -> None:
    assert printed() == ["outside"]


def test_warnings_that_the_user_asks_for_are_printed() -> None:
    everything = ["inside", "nested", "after nested", "outside"]
    assert printed("-W", "default") == everything
    assert printed(before="warnings.simplefilter('always')") == everything
    assert printed(before="warnings.filterwarnings('always', 'nested')") == ["nested", "outside"]
    assert printed(before="logging.basicConfig(format='%(message)s')") == ["outside", "logged"]


def test_other_threads_are_not_silenced() -> None:
    inside, warned = threading.Event(), threading.Event()

    def silent() -> None:
        with silence_warnings():
            inside.set()
            warned.wait()
            warnings.warn("silent", stacklevel=1)

    with warnings.catch_warnings(record=True) as caught:
        thread = threading.Thread(target=silent)
        thread.start()
        inside.wait()
        warnings.warn("loud", stacklevel=1)
        warned.set()
        thread.join()
    assert [str(warning.message) for warning in caught] == ["loud"]


# --- in freeloc -------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images in classes, whose metadata and animations make Pillow warn."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    image = Image.new("RGB", (40, 30), (200, 100, 50))
    image.save(tmp_path / "a" / "exif.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0")
    directory = tiff_bytes(np.zeros((8, 9, 3), np.uint8), 8, RGB, tags={305: (7, [1]), 34665: (4, [3])})
    (tmp_path / "b" / "exif.tif").write_bytes(directory)
    samples = tiff_bytes(np.zeros((8, 9), np.uint8), 8, 1, tags={277: (3, [9])})
    (tmp_path / "b" / "samples.tif").write_bytes(samples)
    return tmp_path


def run(folder: Path, *options: str, command: str = "check") -> str:
    program = {
        "check": f"import sys; sys.argv = ['freeloc', 'check', {str(folder)!r}, '--skip-bad']; from freeloc.cli import main; main()",
        "python": f"from freeloc import open_dataset; print(len(open_dataset({str(folder)!r}, skip_bad=True)))",
    }[command]
    done = subprocess.run(
        [sys.executable, *options, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("command", ["check", "python"])
def test_pillows_warnings_are_not_printed(folder: Path, command: str) -> None:
    printed = run(folder, command=command)
    assert "samples.tif" in printed  # what freeloc says
    assert "Warning" not in printed
    assert "More samples per pixel" not in printed
    assert "Corrupt EXIF data" in run(folder, "-W", "default", command=command)


def test_glyphs_that_no_font_has_are_not_printed() -> None:
    code = """
import matplotlib.pyplot as plt
from freeloc.visualization.plots import figure_bytes
figure = plt.figure()
figure.text(0.5, 0.5, "\\U0001f99c \\u72d7")
assert figure_bytes(figure, "png").startswith(b"\\x89PNG")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
