"""The results of the frames of a video."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from freeloc.errors import ConfigurationError, ImageError
from freeloc.images.video import read_frames
from freeloc.inference.localizer import Localizer
from freeloc.inference.origin import image_title
from tests.fuzz.networks import make_model, registered_patches
from tests.inference.sample_inputs import assert_same
from tests.runtime.networks import Patches
from tests.video_files import gray_frames, write_video


@pytest.fixture(scope="module")
def localizer() -> Iterator[Localizer]:
    from freeloc.inference.options import LocalizerOptions

    backbone = Patches()
    options = LocalizerOptions(runtime="torch", precision="float32")
    with registered_patches():
        yield Localizer.from_model(make_model(backbone, ("cat", "dog"), hidden=4), backbone, options)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    times = [Fraction(index * index, 100) for index in range(8)]
    return write_video(tmp_path / "clip.mp4", gray_frames(8), times)


def test_results_state_their_frame(localizer: Localizer, clip: Path) -> None:
    results = list(localizer.predict_video(str(clip), every=3))
    assert [(result.frame, result.time) for result in results] == [(0, 0.0), (3, 0.09), (6, 0.36)]
    for result, frame in zip(results, read_frames(clip, every=3), strict=True):
        assert result.path == clip
        assert result.image is not None
        assert np.array_equal(np.asarray(result.image), np.asarray(frame.convert()))
        assert_same(localizer(frame.convert()), result)
    record = results[1].to_dict()
    assert (record["image"], record["frame"], record["time"]) == (clip.as_posix(), 3, 0.09)
    assert "frame 3 of" in repr(results[1])
    assert list(record)[1:4] == ["image", "frame", "time"]
    image = results[1].image
    assert image is not None
    assert "frame" not in localizer(image).to_dict()


def test_a_frame_is_predicted_like_an_image(localizer: Localizer, clip: Path) -> None:
    (*_, last) = read_frames(clip)
    result = localizer(last)
    assert (result.path, result.frame, result.time) == (clip, 7, 0.49)
    assert result.image is not None
    assert [found.frame for found in localizer(read_frames(clip, every=4))] == [0, 4]


def test_overlays_and_files(localizer: Localizer, clip: Path, tmp_path: Path) -> None:
    """The overlay needs neither the video nor PyAV."""
    (result, *_) = localizer.predict_video(clip)
    clip.unlink()
    copy = pickle.loads(pickle.dumps(result))
    assert (copy.frame, copy.time) == (0, 0.0)
    for suffix in ("jpg", "json", "npz"):
        copy.save(tmp_path / f"a.{suffix}")
    assert result.overlay().size == copy.overlay().size


def test_errors(localizer: Localizer, clip: Path, tmp_path: Path) -> None:
    for every in (0, -1, 1.5, "2"):
        with pytest.raises(ConfigurationError, match="every is"):
            localizer.predict_video(clip, every=every)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="cannot read video .*gone.mp4: the file does not exist"):
        list(localizer.predict_video(tmp_path / "gone.mp4"))
    noise = np.random.default_rng(0).integers(0, 256, (12, 64, 96, 3), np.uint8)
    torn = write_video(tmp_path / "torn.mkv", noise)
    torn.write_bytes(torn.read_bytes()[:-60000])
    results = localizer.predict_video(torn)
    numbers = []
    with pytest.raises(ImageError, match="the file ends too early, after"):
        for result in results:
            numbers.append(result.frame)
    assert numbers == list(range(len(numbers)))
    assert 3 < len(numbers) < 12


def test_titles() -> None:
    assert image_title("a.jpg", None, None) == "a.jpg"
    assert image_title("a.mp4", 0, 0.0) == "a.mp4, frame 0 at 0.000 s"
