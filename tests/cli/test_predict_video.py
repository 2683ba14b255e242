"""``freeloc predict`` with videos, as files and on standard input."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from freeloc.io.standard_input import keep_input
from tests.fuzz.networks import make_model, registered_patches
from tests.runtime.networks import Patches
from tests.video_files import gray_frames, presentation_times, write_video

FAST = ("--runtime", "torch", "--precision", "float32")
TIMES = [Fraction(time, 1000) for time in (0, 40, 100, 110, 333, 334, 700, 1033, 2001, 4004)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    make_model(Patches(), ("cat", "dog"), hidden=4).save(path)
    with registered_patches():
        yield path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a video and an image."""
    write_video(tmp_path / "clip.mp4", gray_frames(10), TIMES)
    Image.fromarray(gray_frames(1)[0]).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    keep_input(None)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def frames(found: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    return [(record["image"], record.get("frame")) for record in found]


@pytest.mark.usefixtures("folder")
def test_every_fifth_frame_and_an_annotated_video(freeloc: Callable[..., Any], model: Path) -> None:
    printed = freeloc("predict", model, "clip.mp4", "--every", "5", *FAST)
    assert (printed.code, printed.err) == (0, "")
    assert frames(lines(printed.out)) == [("clip.mp4", 0), ("clip.mp4", 5)]
    words = ("clip.mp4", "a.png", "--every", 5, "--out", "found", "--format", "jsonl", "--format", "video")
    answer = freeloc("predict", model, *words, *FAST)
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.endswith("wrote 3 predictions to found/predictions.jsonl\n")
    written = lines(Path("found/predictions.jsonl").read_text())
    assert frames(written) == [("clip.mp4", 0), ("clip.mp4", 5), ("a.png", None)]
    assert presentation_times(Path("found/videos/clip.mp4")) == TIMES


def test_on_a_terminal(
    freeloc: Callable[..., Any], model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _self: True, raising=False)
    answer = freeloc("predict", model, "clip.mp4", "--every", 9, "--pictures", "no", *FAST)
    assert "clip.mp4, frame 0 at 0.000 s (96×64)" in answer.out
    assert "clip.mp4, frame 9 at 4.004 s (96×64)" in answer.out


@pytest.mark.parametrize("separator", ["\n", "\0"])
def test_standard_input(
    freeloc: Callable[..., Any], model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, separator: str
) -> None:
    """A list that contains a video, and a video itself."""
    for data, expected in (
        (
            f"a.png{separator}clip.mp4{separator}".encode(),
            [("a.png", None), ("clip.mp4", 0), ("clip.mp4", 6)],
        ),
        ((folder / "clip.mp4").read_bytes(), [("-", 0), ("-", 6)]),
        ((folder / "a.png").read_bytes(), [("-", None)]),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        answer = freeloc("predict", model, "-", "--every", "6", *FAST)
        assert (answer.code, answer.err) == (0, "")
        assert frames(lines(answer.out)) == expected


@pytest.mark.usefixtures("folder")
def test_videos_in_folders_are_named(freeloc: Callable[..., Any], model: Path) -> None:
    answer = freeloc("predict", model, ".", *FAST)
    assert frames(lines(answer.out)) == [("a.png", None)]
    assert answer.err == "skipped 1 video in folders: specify videos by name\n"
    assert freeloc("predict", model, ".", *FAST, "--quiet").err == ""
    answer = freeloc("predict", model, "*.mp4", "--every", 9, *FAST)
    assert (frames(lines(answer.out)), answer.err) == ([("clip.mp4", 0), ("clip.mp4", 9)], "")
    Path("a.png").unlink()
    answer = freeloc("predict", model, ".", *FAST)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "freeloc: . contains no images, only videos: specify the videos by name\n"


def test_videos_that_cannot_be_read(freeloc: Callable[..., Any], model: Path, folder: Path) -> None:
    (folder / "empty.mp4").touch()
    for words, message in (
        (("empty.mp4",), "cannot read video empty.mp4: it is empty (0 bytes); replace it, or leave it out ("),
        (("clip.mp4", "--every", "0"), "--every"),
        (("a.png", "--format", "video", "--out", "found"), "there is no video to write it for"),
    ):
        answer = freeloc("predict", model, *words, *FAST)
        assert (answer.code, answer.out) == (2, "")
        assert message in answer.err
        assert answer.err.splitlines()[-1].startswith("freeloc: ") or "Usage" in answer.err
    answer = freeloc("predict", model, "empty.mp4", "a.png", "--skip-bad", *FAST)
    assert (answer.code, frames(lines(answer.out))) == (0, [("a.png", None)])
    assert answer.err == (
        "skipped: cannot read video empty.mp4: it is empty (0 bytes); replace it, or leave it out\n"
    )


@pytest.mark.parametrize("fastest", [False, True])
@pytest.mark.usefixtures("folder")
def test_a_video_is_reason_to_tell_of_int8(
    freeloc: Callable[..., Any], model: Path, fastest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeloc.inference.options.int8_is_fastest", lambda: fastest)
    words = ("--runtime", "openvino", "--every", "9", "--out")
    video = freeloc("predict", model, "clip.mp4", *words, "found")
    assert video.code == 0
    assert video.err.count("both require pip install 'freeloc[int8]'") == fastest
    assert "int8" not in freeloc("predict", model, "a.png", *words, "other").err
