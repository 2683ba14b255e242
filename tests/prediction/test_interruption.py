"""Predictions that are interrupted at any moment, and continued, leave the same files as an undisturbed one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import freeloc
from tests.prediction import interrupted

SOURCE = Path(freeloc.__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (SOURCE, SOURCE.parent)))}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in a folder, including hidden ones."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Let processes be interrupted, although a job in the background ignores Ctrl-C and its children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty small images."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(40):
        pixels = rng.integers(0, 256, (24, 32 + number, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def images_and_video(images: Path, tmp_path: Path) -> Path:
    """The same images, and a video of twelve frames among them."""
    from tests.video_files import write_video  # which skips the test if PyAV is not installed

    folder = shutil.copytree(images, tmp_path / "images")
    pixels = np.random.default_rng(1).integers(0, 256, (12, 24, 40, 3), dtype=np.uint8)
    write_video(folder / "19-clip.mkv", pixels)
    return folder


def test_twenty_interruptions_at_random_moments(images_and_video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [interrupted.__file__, images_and_video, out, 20, 7]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *map(str, words)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sent = json.loads(done.stdout)
    assert sum(sent.values()) == 20
    assert sent.keys() == {"SIGINT", "SIGKILL"}
    undisturbed = tree(out / "0")
    assert len(undisturbed) == 2 + 40 + 12
    outputs = sorted(out.iterdir())
    assert len(outputs) > 1
    for folder in outputs:
        assert tree(folder) == undisturbed


def test_ctrl_c_ends_in_one_line_that_says_how_to_go_on(tiny_run: Path, images: Path, tmp_path: Path) -> None:
    """The program itself, interrupted as from a terminal."""
    out = tmp_path / "out"
    words = [
        "predict",
        tiny_run,
        images,
        "--out",
        out,
        "--runtime",
        "openvino",
        "--precision",
        "float32",
        "--scales",
        "2",
        "--quiet",
    ]
    command = [sys.executable, "-m", "freeloc", *map(str, words)]
    list_of_records = out / "predictions.jsonl"
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        # An image is done once the manifest says so, which is certain when the record of the next one is written.
        while process.poll() is None and _lines(list_of_records) < 2:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate()
    assert process.returncode == 130, printed
    stored = len(list_of_records.read_bytes().splitlines())
    assert printed.count("\n") == 1
    assert printed.startswith("freeloc: interrupted; ")
    assert printed.endswith(" of 40 images are done: start again with the same arguments to do the rest\n")
    told = int(printed.split()[2])
    assert stored - 1 <= told <= stored


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
