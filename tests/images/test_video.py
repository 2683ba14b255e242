"""Videos: numbers, times, orientation and colors of frames, and files that cannot be read."""

from __future__ import annotations

import os
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.errors import ImageError, MissingDependencyError, MissingImageError
from freeloc.images.decode import load_image
from freeloc.images.exif_orientation import apply_orientation
from freeloc.images.video import frame_sources, read_frames, read_properties
from tests.video_files import av, gray_frames, gray_number, turn_video, write_sound, write_video

VARIABLE = [Fraction(time, 1000) for time in (0, 40, 100, 110, 333, 334, 700, 1033, 2001, 4004)]
"""Times of frames at a variable frame rate, in seconds."""


@pytest.mark.parametrize(
    ("name", "codec", "time_base"),
    [
        ("a.mp4", "libx264", Fraction(1, 1000)),
        ("a.mov", "mpeg4", Fraction(1, 30000)),
        ("a.mkv", "libx264", Fraction(1, 1000)),
        ("a.webm", "libvpx-vp9", Fraction(1, 1000)),
        ("a.ts", "libx264", Fraction(1, 90000)),
        ("a.flv", "libx264", Fraction(1, 1000)),
    ],
)
def test_numbers_and_times_at_a_variable_rate(
    tmp_path: Path, name: str, codec: str, time_base: Fraction
) -> None:
    """The times are those that were written, although some formats store them from another start on."""
    pixels = "yuv420p" if codec != "libx264" else "yuv444p"
    path = write_video(
        tmp_path / name, gray_frames(10), VARIABLE, time_base=time_base, codec=codec, pixels=pixels
    )
    frames = list(read_frames(path))
    assert [frame.number for frame in frames] == list(range(10))
    assert [frame.time for frame in frames] == pytest.approx([float(time) for time in VARIABLE], abs=2e-5)
    assert [gray_number(frame.convert()) for frame in frames] == list(range(10))
    assert {frame.path for frame in frames} == {path}


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_format_without_timestamps_counts_frames(tmp_path: Path, codec: str) -> None:
    """AVI stores no presentation times, and the frames of H.264 in another order."""
    options = {"bf": "2"} if codec == "libx264" else {}
    path = tmp_path / "a.avi"
    write_video(
        path, gray_frames(12), time_base=Fraction(1, 25), codec=codec, pixels="yuv420p", options=options
    )
    frames = list(read_frames(path))
    assert [frame.time for frame in frames] == [round(index / 25, 6) for index in range(12)]
    assert [gray_number(frame.convert()) for frame in frames] == list(range(12))


def test_times_begin_where_the_file_does(tmp_path: Path) -> None:
    later = [time + Fraction(1, 2) for time in VARIABLE]
    path = write_video(tmp_path / "a.mp4", gray_frames(10), later)
    assert [frame.time for frame in read_frames(path)] == [float(time) for time in VARIABLE]


def test_every_third_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", gray_frames(10), VARIABLE)
    frames = list(read_frames(path, every=3))
    assert [frame.number for frame in frames] == [0, 3, 6, 9]
    assert [frame.time for frame in frames] == [float(VARIABLE[number]) for number in (0, 3, 6, 9)]
    assert [gray_number(frame.convert()) for frame in frames] == [0, 3, 6, 9]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_frames_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    """A video with a display matrix is shown as an image with the corresponding EXIF orientation is."""
    rng = np.random.default_rng(orientation)
    stored = rng.integers(0, 256, (3, 4, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    path = write_video(tmp_path / "a.mp4", [stored])
    (plain,) = read_frames(path)
    turn_video(path, orientation)
    (frame,) = read_frames(path)
    expected = apply_orientation(plain.convert(), orientation)
    assert frame.convert().size == ((64, 48) if orientation < 5 else (48, 64))
    assert frame.convert().tobytes() == expected.tobytes()


def test_pixels_that_are_not_square_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        frame = av.VideoFrame.from_ndarray(gray_frames(1)[0], format="rgb24")
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    (frame,) = read_frames(path)
    assert (frame.convert().size, frame.pixel_aspect_ratio) == ((96, 64), Fraction(16, 11))
    turn_video(path, 6)
    (frame,) = read_frames(path)
    assert (frame.convert().size, frame.pixel_aspect_ratio) == ((64, 96), Fraction(11, 16))


@pytest.mark.parametrize("size", [(31, 23), (1, 1), (7, 300)])
def test_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "a.mkv", gray_frames(2, size), codec="ffv1", pixels="bgr0")
    assert [frame.convert().size for frame in read_frames(path)] == [size, size]


def test_colors_follow_the_color_space_of_the_video(tmp_path: Path) -> None:
    """Videos in high definition use other weights of the colors than older ones, and say so."""
    color = np.full((48, 64, 3), (200, 60, 30), np.uint8)
    for space, number in (("bt709", 1), ("smpte170m", 5)):
        path = tmp_path / f"{space}.mp4"
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=25, options={"crf": "1"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.colorspace = {"bt709": 1, "smpte170m": 6}[space]
            stream.codec_context.color_range = 1
            frame = av.VideoFrame.from_ndarray(color, format="rgb24")
            file.mux(
                stream.encode(frame.reformat(format="yuv420p", dst_colorspace=number, dst_color_range=1))
            )
            file.mux(stream.encode(None))
        (found,) = read_frames(path)
        assert np.abs(np.asarray(found.convert(), int) - color).max() <= 3


def test_a_frame_is_an_image(tmp_path: Path) -> None:
    (frame,) = read_frames(write_video(tmp_path / "a.mp4", gray_frames(1)))
    assert load_image(frame).shape == (64, 96, 3)


def test_properties(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", gray_frames(50))
    properties = read_properties(path)
    assert properties.rate == Fraction(25)
    assert properties.frame_count == 50
    assert properties.time_base.numerator == 1
    stream = write_video(tmp_path / "a.mkv", gray_frames(50))
    assert read_properties(stream).frame_count == pytest.approx(50, abs=1)  # from its duration


def test_a_video_whose_name_looks_like_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", gray_frames(2)).rename("http:localhost.mp4")
    assert len(list(read_frames(Path("http:localhost.mp4")))) == 2


def test_a_playlist_is_no_video(tmp_path: Path) -> None:
    """FFmpeg would read the files and network addresses in it."""
    video = write_video(tmp_path / "a.ts", gray_frames(2), time_base=Fraction(1, 90000))
    path = tmp_path / "list.mp4"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{video}\n#EXT-X-ENDLIST\n")
    with pytest.raises(ImageError, match="not a video in a supported format"):
        list(read_frames(path))


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    """Each frame would take 110 kB as an image."""
    path = write_video(tmp_path / "a.mp4", gray_frames(600, (192, 192)), pixels="yuv420p")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell how much memory a process uses")
    sizes = []
    for frame in read_frames(path):
        frame.convert()
        sizes.append(resident())
    assert len(sizes) == 600
    assert max(sizes[300:]) - max(sizes[:300]) < 10_000_000


# --- files that cannot be read -----------------------------------------------------------------------------


def count_before_error(path: Path) -> tuple[int, str]:
    """Return how many frames are read before the error, and its message."""
    frames = read_frames(path)
    count = 0
    with pytest.raises(ImageError) as caught:
        for _ in frames:
            count += 1
    assert caught.value.path == path
    message = str(caught.value)
    assert message.startswith(f"cannot read video {path}: ")
    assert "\n" not in message
    return count, message


def test_what_is_no_video(tmp_path: Path) -> None:
    empty, text, sound = tmp_path / "empty.mp4", tmp_path / "text.mp4", write_sound(tmp_path / "sound.mp4")
    empty.touch()
    text.write_text("no video")
    assert count_before_error(empty) == (
        0,
        f"cannot read video {empty}: it is empty (0 bytes); replace it, or leave it out",
    )
    assert "it is not a video in a supported format; convert it to MP4" in count_before_error(text)[1]
    assert "it contains sound, but no video" in count_before_error(sound)[1]
    with pytest.raises(MissingImageError, match="cannot read video .*gone.mp4: the file does not exist"):
        list(read_frames(tmp_path / "gone.mp4"))
    with pytest.raises(ImageError, match="it is a folder; specify a video file"):
        list(read_frames(tmp_path))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_the_end_is_missing(tmp_path: Path, suffix: str, fast: bool) -> None:
    """The frames before are read, unless the index was at the end."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), np.uint8)
    options = {"movflags": "+faststart"} if fast and suffix == "mp4" else {}
    codec = {"codec": "mpeg4", "pixels": "yuv420p"} if suffix == "avi" else {}
    base = Fraction(1, 25) if suffix == "avi" else Fraction(1, 1000)
    path = write_video(tmp_path / f"a.{suffix}", noise, time_base=base, **codec, **options)  # type: ignore[arg-type]
    assert len(list(read_frames(path))) == 30
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    count, message = count_before_error(path)
    assert "may be damaged or incomplete" in message or "the file ends too early" in message
    assert f"after {count} " in message or count == 0
    assert (count == 0) == (suffix == "mp4" and not fast)
    assert count < 25


def test_a_recording_that_begins_within_a_group_of_frames(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), np.uint8)
    options = {"preset": "ultrafast", "g": "10"}
    path = write_video(
        tmp_path / "a.ts", noise, time_base=Fraction(1, 90000), pixels="yuv420p", options=options
    )
    whole = [np.asarray(frame.convert()) for frame in read_frames(path)]
    data = path.read_bytes()
    path.write_bytes(data[len(data) // 6 // 188 * 188 :])
    found = [np.asarray(frame.convert()) for frame in read_frames(path)]
    assert 10 <= len(found) < 30
    assert all(map(np.array_equal, found[::-1], whole[::-1]))


def damage(path: Path, start: float, length: int) -> None:
    """Overwrite bytes of a file from a fraction of its length on."""
    data = bytearray(path.read_bytes())
    first = int(len(data) * start)
    data[first : first + length] = np.random.default_rng(1).integers(0, 256, length, np.uint8).tobytes()
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("suffix", "codec", "length"),
    [
        ("mp4", "libx264", 3000),
        ("mkv", "mpeg4", 3000),
        ("ts", "libx264", 150),
        ("mov", "mpeg4", 3000),
        ("flv", "flv", 3000),
    ],
)
def test_damaged_frames_are_left_out(
    tmp_path: Path, suffix: str, codec: str, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The video goes on with the next keyframe, and a warning counts them."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
    base = Fraction(1, 90000) if suffix == "ts" else Fraction(1, 1000)
    options = {"crf": "20", "preset": "ultrafast"} if codec == "libx264" else {"qscale": "1"}
    path = tmp_path / f"a.{suffix}"
    write_video(path, noise, time_base=base, codec=codec, pixels="yuv420p", options={"g": "8", **options})
    whole = {frame.time: frame for frame in read_frames(path)}
    assert len(whole) == 40
    assert caplog.text == ""
    damage(path, 0.4, length)
    found = list(read_frames(path))
    assert 28 <= len(found) < 40
    assert found[-1].time == max(whole)
    for frame in found:
        # FFmpeg's decoder of H.264 changes a few pixels of the keyframe after the damage.
        difference = np.asarray(frame.convert(), float) - np.asarray(whole[frame.time].convert())
        assert np.abs(difference).mean() < 0.1
    numbers = [frame.number for frame in found]
    if suffix in ("mkv", "flv"):  # some frames are lost without a trace
        assert numbers == sorted(set(numbers))
    else:
        assert numbers == [whole[frame.time].number for frame in found]
    missing = numbers[-1] + 1 - len(found)
    plural = "" if missing == 1 else "s"
    assert [record.message for record in caplog.records] == [
        f"{path}: left out {missing} damaged frame{plural}, counting those up to the next keyframe"
    ]


def test_the_rest_of_a_video_is_damaged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """There is no keyframe after the damage."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), np.uint8)
    path = write_video(tmp_path / "a.mp4", noise)
    whole = [np.asarray(frame.convert()) for frame in read_frames(path)]
    damage(path, 0.5, 3000)
    found = []
    with pytest.raises(ImageError, match=r"decoding failed after \d+ frames"):
        for frame in read_frames(path):
            found.append(np.asarray(frame.convert()))
    assert 5 < len(found) < 20
    assert all(map(np.array_equal, found, whole))
    assert caplog.text == ""


def test_an_encrypted_video(tmp_path: Path) -> None:
    key = "0123456789abcdef" * 2
    path = write_video(
        tmp_path / "a.mp4",
        gray_frames(5),
        encryption_scheme="cenc-aes-ctr",
        encryption_key=key,
        encryption_kid=key,
    )
    assert count_before_error(path) == (
        0,
        f"cannot read video {path}: it is encrypted; save it without copy protection",
    )


def test_an_unknown_codec(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", gray_frames(5))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    assert "its codec is not supported" in count_before_error(path)[1]


def test_a_video_in_place_of_an_image(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", gray_frames(1)).rename(tmp_path / "a.jpg")
    with pytest.raises(
        ImageError, match=r"cannot read image .*a\.jpg: it is a video, not an image; use predict_video"
    ):
        load_image(path)
    assert len(list(read_frames(path))) == 1


def test_an_error_among_sources_comes_last(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    (frame,) = frame_sources(path)
    with pytest.raises(ImageError, match="not a video"):
        frame.convert()


def test_without_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", gray_frames(1))
    monkeypatch.setattr("freeloc.images.video.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"run pip install 'freeloc\[video\]'") as caught:
        list(read_frames(path))
    assert caught.value.extra == "video"


def test_frames_are_converted_in_any_thread(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", gray_frames(8))
    frames = list(read_frames(path))
    images: dict[int, Image.Image] = {}
    threads = [
        threading.Thread(target=lambda frame=frame: images.__setitem__(frame.number, frame.convert()))
        for frame in frames
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [gray_number(images[number]) for number in range(8)] == list(range(8))
