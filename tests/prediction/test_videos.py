"""Prediction of videos: records, names, interruption and continuation, and videos that cannot be read."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeloc.errors import ConfigurationError, ImageError, MissingDependencyError, OutputError
from freeloc.inference.localizer import Localizer
from freeloc.prediction.convert import convert
from freeloc.prediction.image_to_predict import frame_name, list_images
from freeloc.prediction.manifest import MANIFEST_NAME, Manifest
from freeloc.prediction.predict_files import PredictionOptions, predict_files
from freeloc.writers import WRITERS, localization_record
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.record_writer import RecordWriter
from tests.fuzz.networks import make_model, registered_patches
from tests.images.sample_images import stored
from tests.runtime.networks import Patches
from tests.video_files import av, presentation_times, turn_video, write_video

TIMES = [Fraction(time, 1000) for time in (0, 40, 100, 110, 333, 334, 700, 1033, 2001, 4004)]
OPTIONS = PredictionOptions(formats=("jsonl", "npz"), map_size="lattice", every=3)


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in a folder, including hidden ones."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text("utf-8").splitlines()]


def noise(count: int, seed: int = 0, size: tuple[int, int] = (80, 60)) -> Any:
    """Frames of random patches, which the network tells apart."""
    rng = np.random.default_rng(seed)
    width, height = size
    return rng.integers(0, 256, (count, height // 20, width // 20, 3), np.uint8).repeat(20, 1).repeat(20, 2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    make_model(Patches(), ("cat", "dog"), hidden=4).save(path)
    with registered_patches():
        yield path


@pytest.fixture(scope="module")
def localizer(model: Path) -> Localizer:
    return Localizer.load(model, runtime="torch", precision="float32")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """An image, a video of ten frames, another image, and a short video, in a folder."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name, seed in (("a.png", 7), ("c.png", 8)):
        Image.fromarray(noise(1, seed)[0]).save(folder / name)
    write_video(folder / "b.mp4", noise(10), TIMES)
    write_video(folder / "d.mkv", noise(2, 9))
    return sorted(folder.iterdir())


class Stopping(Localizer):
    """A localizer that counts its results, during whose work the user may press Ctrl-C."""

    stop_after: int | None
    count: int

    def predict_stream(self, images: Any, **words: Any) -> Generator[Any, None, None]:
        for outcome in super().predict_stream(images, **words):
            if self.count == self.stop_after:
                raise KeyboardInterrupt
            self.count += 1
            yield outcome


@pytest.fixture
def predict(localizer: Localizer, files: list[Path], tmp_path: Path) -> Callable[..., int]:
    """Predict the files into ``out``, and return the number of results; ``stop_after`` interrupts it."""

    def run(options: PredictionOptions = OPTIONS, **words: Any) -> int:
        counting = Stopping.__new__(Stopping)
        base = words.pop("localizer", localizer)
        counting.__dict__ = {**base.__dict__, "stop_after": words.pop("stop_after", None), "count": 0}
        paths, out = words.pop("paths", files), words.pop("out", tmp_path / "out")
        predict_files(counting, paths, out, options, quiet=words.pop("quiet", True), **words)
        return counting.count

    return run


# --- records ---------------------------------------------------------------------------------------------------


def test_a_record_per_frame_like_that_of_an_image(
    predict: Callable[..., int], localizer: Localizer, files: list[Path], tmp_path: Path
) -> None:
    """The frames are decoded by PyAV itself, and predicted as images."""
    assert predict(PredictionOptions(every=3)) == 1 + 4 + 1 + 1
    found = records(tmp_path / "out")
    assert [record["image"] for record in found] == [str(files[index]) for index in (0, 1, 1, 1, 1, 2, 3)]
    assert [record.get("frame") for record in found] == [None, 0, 3, 6, 9, None, 0]
    assert [record.get("time") for record in found] == [None, 0.0, 0.11, 0.7, 4.004, None, 0.0]
    with av.open(str(files[1])) as video:
        images = [frame.to_image() for frame in video.decode(video=0)]
    for record in found[1:5]:
        expected = localization_record(localizer.predict(images[record["frame"]]), image_name=str(files[1]))
        assert {**expected, "frame": record["frame"], "time": record["time"]} == record


@pytest.mark.parametrize("orientation", range(1, 9))
def test_positions_are_those_in_the_upright_frame(
    localizer: Localizer, tmp_path: Path, orientation: int
) -> None:
    """A video that is stored turned has the same results as one that is stored upright."""
    upright = noise(3, seed=4)
    plain = write_video(tmp_path / "plain.mp4", upright)
    turned = write_video(tmp_path / "turned.mp4", [stored(frame, orientation) for frame in upright])
    turn_video(turned, orientation)
    for expected, found in zip(localizer.predict_video(plain), localizer.predict_video(turned), strict=True):
        assert (found.image_size.width, found.image_size.height) == (80, 60)
        assert (found.frame, found.time) == (expected.frame, expected.time)
        assert np.array_equal(found.points, expected.points)
        assert np.array_equal(found.scores, expected.scores)


def test_names_of_frames(tmp_path: Path) -> None:
    for name in ("clip.mp4", "other.mp4", "Clip/000000.png", "x.mp4", "x.mkv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    images = list_images([tmp_path / name for name in ("clip.mp4", "other.mp4", "x.mp4", "x.mkv")])
    assert [frame_name(image.name, 120) for image in images] == [
        "clip/000120",
        "other/000120",
        "x.mp4/000120",
        "x.mkv/000120",
    ]
    mixed = list_images([tmp_path / "clip.mp4", tmp_path / "Clip" / "000000.png"])
    assert frame_name(mixed[0].name, 0) == "clip.mp4/000000"
    assert frame_name(mixed[1].name, None) == "Clip/000000"


def test_other_files_of_frames(predict: Callable[..., int], tmp_path: Path) -> None:
    predict(dataclasses.replace(OPTIONS, formats=("jsonl", "overlays", "npz", "gallery")))
    out = tmp_path / "out"
    names = ["a", "b/000000", "b/000003", "b/000006", "b/000009", "c", "d/000000"]
    for record, name in zip(records(out), names, strict=True):
        assert record["files"] == [f"overlays/{name}.jpg", f"maps/{name}.npz"]
        assert all((out / file).is_file() for file in record["files"])
    page = (out / "gallery.html").read_text("utf-8")
    assert "b.mp4, frame 3 at 0.110 s" in page
    manifest = Manifest.read(out)
    assert manifest is not None
    assert [done.frames for done in manifest.images] == [None, 4, None, 1]


def test_a_table_of_frames_and_its_conversion(
    predict: Callable[..., int], files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WRITERS._registered, "frameless", Frameless)
    out = tmp_path / "out"
    predict(PredictionOptions(formats=("jsonl", "csv"), every=3))
    with (out / "predictions.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    found = [(row["image"], row["frame"], row["time"]) for row in rows if row["class"] == "cat"]
    assert found[:3] == [(str(files[0]), "", ""), (str(files[1]), "0", "0.0"), (str(files[1]), "3", "0.11")]
    assert len(found) == 7
    assert convert(out, tmp_path / "converted", ["csv"], quiet=True) == 7
    assert (tmp_path / "converted" / "predictions.csv").read_bytes() == (out / "predictions.csv").read_bytes()
    with pytest.raises(ConfigurationError, match="'frameless' lists image files"):
        convert(out, tmp_path / "other", ["frameless"], quiet=True)


class Frameless(RecordWriter):
    """A writer of another format, as most are."""

    name = "frameless"

    def write_record(self, record: ImageRecord, name: str) -> None:
        raise NotImplementedError


# --- interruption ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "stops"), [(1, (1, 2, 4, 5, 6)), (3, (3, 5))])
def test_the_same_call_does_the_rest_of_a_video(
    predict: Callable[..., int], model: Path, tmp_path: Path, batch: int, stops: tuple[int, ...]
) -> None:
    """Wherever it is interrupted, and although the number of frames is unknown."""
    batched = Localizer.load(model, runtime="torch", precision="float32", batch=batch)
    total = predict(localizer=batched, out=tmp_path / "whole")
    expected = tree(tmp_path / "whole")
    for stop in stops:
        out = tmp_path / f"stopped-{stop}"
        with pytest.raises(KeyboardInterrupt):
            predict(localizer=batched, out=out, stop_after=stop)
        assert len(records(out)) == stop
        assert predict(localizer=batched, out=out) == total - stop
        assert tree(out) == expected
    assert predict(localizer=batched, out=tmp_path / "whole") == 0, "it is finished"


def test_what_is_done_is_told(
    predict: Callable[..., int], files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt) as stopped:
        predict(stop_after=3)
    begin = f"1 of 4 images and 2 frames of {files[1]}"
    assert str(stopped.value) == f"{begin} are done: start again with the same arguments to do the rest"
    assert predict(quiet=False) == 4
    printed = capsys.readouterr().err.splitlines()
    assert printed[0] == f"continuing after {begin}"
    assert printed[-1].startswith("wrote 7 predictions to ")


def test_what_a_killed_process_left_of_a_video_is_written_again(
    predict: Callable[..., int], tmp_path: Path
) -> None:
    """A process that is killed leaves a manifest that ends anywhere."""
    predict(out=tmp_path / "whole")
    expected = tree(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        predict(stop_after=4)
    manifest = tmp_path / "out" / MANIFEST_NAME
    data = manifest.read_bytes()
    left = tree(tmp_path / "out")
    ends = [index + 1 for index, byte in enumerate(data) if byte == 10]
    first = data.index(b'{"image"')
    for number, length in enumerate([end - cut for end in ends if end > first for cut in (0, 5)]):
        out = tmp_path / f"killed-{number}"
        remaining = data[:length]
        for name, content in left.items():
            if f'{{"file": "{name}"}}\n'.encode() in remaining:  # a file is listed before it exists
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                (out / name).write_bytes(content)
        (out / MANIFEST_NAME).write_bytes(remaining)
        predict(out=out)
        assert tree(out) == expected


def test_another_step_or_another_video_is_refused(
    predict: Callable[..., int], files: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        predict(stop_after=3)
    before = tree(tmp_path / "out")
    with pytest.raises(OutputError, match="predictions with every 3 instead of 2: use the same settings"):
        predict(dataclasses.replace(OPTIONS, every=2))
    write_video(files[1], noise(10, seed=5), TIMES)
    with pytest.raises(OutputError, match=r"of .*b\.mp4 before it was changed"):
        predict()
    assert tree(tmp_path / "out") == before


# --- annotated videos ------------------------------------------------------------------------------------------


def test_an_annotated_video_begins_anew(
    predict: Callable[..., int], files: list[Path], tmp_path: Path
) -> None:
    """The images and videos before it are kept, and no part of a video is ever found under its name."""
    options = dataclasses.replace(OPTIONS, formats=("jsonl", "video", "npz"))
    total = predict(options, out=tmp_path / "whole")
    expected = tree(tmp_path / "whole")
    assert [name for name in expected if name.startswith("videos/")] == ["videos/b.mp4", "videos/d.mp4"]
    assert presentation_times(tmp_path / "whole" / "videos" / "b.mp4") == TIMES
    for stop, kept in ((3, 1), (6, 6)):
        out = tmp_path / f"stopped-{stop}"
        with pytest.raises(KeyboardInterrupt):
            predict(options, out=out, stop_after=stop)
        assert (out / "videos" / "b.mp4").exists() == (kept > 1)
        assert not list(out.rglob("*.part"))
        assert predict(options, out=out) == total - kept
        found = tree(out)
        assert found.keys() == expected.keys()
        for name, content in found.items():
            if name.endswith(".mp4"):  # an encoder may choose differently
                assert presentation_times(out / name) == presentation_times(tmp_path / "whole" / name)
            else:
                assert content == expected[name]
    alone = tmp_path / "alone"
    with pytest.raises(KeyboardInterrupt, match="0 of 1 video is done"):
        predict(options, out=alone, paths=[files[1]], stop_after=2)
    assert not alone.exists() or tree(alone) == {}


def test_annotated_videos_of_images_are_refused(
    predict: Callable[..., int], files: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="formats contains 'video', but there is no video") as caught:
        predict(PredictionOptions(formats=("video",)), paths=files[:1])
    assert caught.value.parameter == "formats"
    with pytest.raises(OutputError, match="there is no output folder"):
        predict(PredictionOptions(formats=("video",)), paths=files[1:2], out=None)
    with pytest.raises(ConfigurationError, match=r"'voc-cls' lists image files, and .*b\.mp4 is a video"):
        predict(PredictionOptions(formats=("voc-cls",)), paths=files[1:2])
    assert not (tmp_path / "out").exists()


# --- videos that cannot be read --------------------------------------------------------------------------------


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


@pytest.mark.parametrize("formats", [("jsonl",), ("jsonl", "video")])
def test_a_damaged_video_stops_or_is_skipped(
    predict: Callable[..., int],
    files: list[Path],
    tmp_path: Path,
    formats: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its frames before the damage are predicted; of an annotated video, nothing is left."""
    write_video(files[1], noise(30, size=(160, 120)), movflags="+faststart")
    cut(files[1])
    options = PredictionOptions(formats=formats)
    out = tmp_path / "out"
    with pytest.raises(ImageError, match=r"cannot read video .*b\.mp4: decoding failed after") as caught:
        predict(options)
    assert (caught.value.parameter, caught.value.path) == ("skip_bad", files[1])
    skipping = dataclasses.replace(options, skip_bad=True)
    predict(skipping, quiet=False)
    printed = capsys.readouterr().err.splitlines()
    found = records(out)
    frames = [record["frame"] for record in found if record["image"] == str(files[1])]
    assert frames == list(range(len(frames)))
    assert 5 < len(frames) < 29
    assert [record["image"] for record in found if record["image"] != str(files[1])] == [
        str(files[index]) for index in (0, 2, 3, 3)
    ]
    assert printed[-2].startswith(f"wrote {len(found)} predictions to ")
    assert printed[-2].endswith("; skipped 1 bad image")
    assert printed[-1].startswith(f"skipped: cannot read video {files[1]}: decoding failed after ")
    videos = sorted(path.name for path in out.rglob("videos/*"))
    assert videos == (["d.mp4"] if "video" in formats else [])
    before = tree(out)
    assert predict(skipping) == 0
    predict(skipping, out=tmp_path / "again")
    assert tree(tmp_path / "again") == before


@pytest.mark.parametrize("start", [0, 11])
def test_damaged_frames_are_left_out(
    predict: Callable[..., int],
    files: list[Path],
    tmp_path: Path,
    start: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The others have their numbers and times in the records and in the annotated video; one warning counts."""
    write_video(files[1], noise(40, size=(160, 120)), options={"g": "8", "crf": "10"}, movflags="+faststart")
    with av.open(str(files[1])) as video:
        sizes = [(packet.pos, packet.size) for packet in video.demux(video=0) if packet.pos]
    data = bytearray(files[1].read_bytes())
    for position, size in sorted(sizes)[start : start + 3]:
        data[position + 4 : position + size] = b"\xff" * (size - 4)
    files[1].write_bytes(data)
    out = tmp_path / "out"
    predict(PredictionOptions(formats=("jsonl", "video"), every=2), paths=files[1:2])
    numbers = [record["frame"] for record in records(out)]
    assert numbers[-1] == 38
    missing = set(range(0, 40, 2)) - set(numbers)
    assert missing
    assert max(missing) <= 16
    assert [record["time"] for record in records(out)] == [number / 25 for number in numbers]
    shown = presentation_times(out / "videos" / "b.mp4")
    assert shown[-1] == Fraction(39, 25)
    (record,) = caplog.records
    assert record.message == (
        f"{files[1]}: left out {40 - len(shown)} damaged frames, counting those up to the next keyframe"
    )


def test_nothing_but_a_bad_video(predict: Callable[..., int], files: list[Path], tmp_path: Path) -> None:
    files[1].write_bytes(b"")
    with pytest.raises(ImageError, match=r"no image can be read \(1 tried\).*it is empty"):
        predict(PredictionOptions(skip_bad=True), paths=files[1:2])
    assert not (tmp_path / "out" / "predictions.jsonl").exists()


def test_pyav_is_missing(
    predict: Callable[..., int], files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is said before any work, and does not matter for images."""
    monkeypatch.setattr("freeloc.images.video.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'freeloc\[video\]'"):
        predict()
    assert not (tmp_path / "out").exists()
    assert predict(paths=[files[0], files[2]]) == 2
