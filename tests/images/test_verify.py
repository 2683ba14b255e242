"""Checks of image files before long work starts."""

from __future__ import annotations

import io
import logging
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from PIL import Image
from PIL.ImageFile import ImageFile

from freeloc.datasets import DataProblems, DatasetChecks, open_dataset
from freeloc.errors import ImageError, ResourceError
from freeloc.geometry.size import Size
from freeloc.images import decode_errors, hashed_image, identify, verify
from freeloc.images.decode import decode_reduced, load_image
from freeloc.images.image_info import ImageInfo, read_image_info
from freeloc.images.verify import check_header, verify_images
from freeloc.io.regular_file import open_regular
from tests.images.sample_images import exif_of
from tests.limits import no_more_files


def saved_image(path: Path) -> Path:
    noise = random.Random(0).randbytes(90 * 60 * 3)
    Image.frombytes("RGB", (90, 60), noise).save(path)
    return path


def halved(path: Path) -> Path:
    data = saved_image(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def scratched(path: Path) -> Path:
    """An image whose header and end are intact."""
    data = bytearray(saved_image(path).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = b"\xff" * 200
    path.write_bytes(data)
    return path


def bytes_of(kind: str) -> bytes:
    out = io.BytesIO()
    Image.radial_gradient("L").resize((24, 16)).convert("RGB").save(out, kind)
    return out.getvalue()


class TestCheckHeader:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
    def test_returns_the_size(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "image"
        Image.new("RGB", (31, 17)).save(path, kind)
        assert check_header(path) == Size(31, 17)

    def test_the_size_is_upright(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        Image.new("RGB", (31, 17)).save(path, exif=exif_of(6))
        assert check_header(path) == Size(17, 31)

    def test_a_truncated_jpeg(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(bytes_of("JPEG")[:-20])
        with pytest.raises(
            ImageError, match=r"a\.jpg: the JPEG is truncated \(its end marker is missing\); "
        ):
            check_header(path)

    @pytest.mark.parametrize("data", [b"", b"hello", bytes_of("JPEG")[:10]])
    def test_other_files(self, data: bytes, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(data)
        with pytest.raises(ImageError, match=r"it is empty|not an image|decoding failed"):
            check_header(path)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="the file does not exist"):
            check_header(tmp_path / "a.jpg")

    @pytest.mark.filterwarnings("error")
    def test_freelocs_limit_on_pixels_applies_and_pillows_does_not(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(bytes_of("JPEG"))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        assert check_header(path) == Size(24, 16)
        monkeypatch.setattr(decode_errors, "MAX_PIXELS", 24 * 16 - 1)
        with pytest.raises(ImageError, match="megapixels"):
            check_header(path)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif"])
def test_half_an_image_passes_the_header_check_and_fails_to_decode(tmp_path: Path, suffix: str) -> None:
    whole, half = saved_image(tmp_path / f"whole.{suffix}"), halved(tmp_path / f"half.{suffix}")
    assert check_header(half) == Size(90, 60)
    first, second = verify_images([whole, half])
    assert [first] == [*read_image_info([whole])]
    assert isinstance(second, ImageError)
    assert second.path == half
    assert re.fullmatch(r"decoding failed \(image file is truncated.*\)", second.reason)
    assert str(second).startswith(f"cannot read image {half}: {second.reason}; ")


def test_all_data_of_a_jpeg_is_read_though_few_of_its_pixels_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def spy(file: ImageFile, name: Path | str, longest: int | None) -> tuple[Image.Image, Size]:
        image, size = decode_reduced(file, name, longest)
        decoded.append(max(image.size))
        return image, size

    monkeypatch.setattr(verify, "decode_reduced", spy)
    good, bad = saved_image(tmp_path / "a.jpg"), scratched(tmp_path / "b.jpg")
    assert check_header(bad) == Size(90, 60)
    first, second = verify_images([good, bad])
    assert ([first], decoded) == ([*read_image_info([good])], [12])
    assert isinstance(second, ImageError)
    assert second.reason.startswith("decoding failed (broken data stream")


def test_a_truncated_jpeg_and_a_missing_file(tmp_path: Path) -> None:
    truncated = halved(tmp_path / "a.jpg")
    outcomes = verify_images([truncated, tmp_path / "gone.jpg", tmp_path])
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, ImageError)] == [
        "the JPEG is truncated (its end marker is missing)",
        "the file does not exist",
        "it is a folder",
    ]


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_size_and_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int, suffix: str, in_memory: bool
) -> None:
    if not in_memory:
        monkeypatch.setattr(hashed_image, "_MAX_BYTES_IN_MEMORY", 0)
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (91, 60)).save(path, exif=exif_of(orientation))
    height, width, _ = load_image(path).shape
    (outcome,) = verify_images([path])
    assert outcome == ImageInfo(Size(width, height), read_image_info([path])[0].content_hash, orientation)
    assert outcome == read_image_info([path])[0]
    assert outcome.size == (Size(60, 91) if orientation == 6 else Size(91, 60))


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("make", [halved, scratched])
def test_damage_is_found_in_files_of_every_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool, make: Callable[[Path], Path]
) -> None:
    if not in_memory:
        monkeypatch.setattr(hashed_image, "_MAX_BYTES_IN_MEMORY", 0)
    for suffix in ("jpg", "png"):
        (outcome,) = verify_images([make(tmp_path / f"a.{suffix}")])
        assert isinstance(outcome, ImageError)


def test_each_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    def spy(path: Path) -> IO[bytes]:
        opened.append(path)
        return open_regular(path)

    paths = [saved_image(tmp_path / "a.jpg"), saved_image(tmp_path / "b.png")]
    monkeypatch.setattr(identify, "open_regular", spy)
    assert len(list(verify_images(paths))) == 2
    assert sorted(opened) == paths


def test_a_read_error_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved_image(tmp_path / "a.jpg")

    def fail(file: object) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(hashed_image, "_MAX_BYTES_IN_MEMORY", 0)
    monkeypatch.setattr(hashed_image, "hash_file", fail)
    (outcome,) = verify_images([path])
    assert isinstance(outcome, ImageError)
    assert (outcome.path, outcome.reason) == (path, "Input/output error")


def test_formats_that_pillow_reads_but_freeloc_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (8, 6)).save(path, "PCX")
    (outcome,) = verify_images([path])
    assert str(outcome) == (
        f"cannot read image {path}: it is a PCX file, not an image in a supported format; "
        "convert it to JPEG or PNG, or leave it out"
    )


def test_damage_is_reported_with_the_row_and_all_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    half, bad = halved(tmp_path / "half.png"), scratched(tmp_path / "bad.jpg")
    saved_image(tmp_path / "a.jpg")
    file = tmp_path / "tags.csv"
    file.write_text("file_name,tags\nhalf.png,dog\na.jpg,dog\ngone.jpg,dog\nbad.jpg,cat\nbad.jpg,cat\n")
    with pytest.raises(DataProblems) as caught:
        open_dataset(file)
    # The repeated row has the same tags, so it is merged with the first.
    kinds = ["unreadable_image", "missing_image", "unreadable_image"]
    assert [(problem.kind, problem.line) for problem in caught.value.problems] == [*zip(kinds, (2, 4, 5))]
    first = caught.value.problems[0]
    assert (first.file, first.message.count(str(half))) == (file, 1)
    assert first.message.startswith(f"image {half} cannot be read: decoding failed (image file is truncated")
    assert str(bad) in caught.value.problems[2].message
    with caplog.at_level(logging.WARNING):
        data = open_dataset(file, skip_bad=True)
    assert ([sample.path.name for sample in data], data.skipped) == (["a.jpg"], 3)
    assert "2 unreadable images" in caplog.text
    assert len(open_dataset(file, skip_bad=True, checks=DatasetChecks(decode=False))) == 3


def test_where_folders_are_the_list_the_path_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "dog").mkdir()
    half = halved(tmp_path / "dog" / "half.png")
    with pytest.raises(DataProblems) as caught:
        open_dataset(tmp_path)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{half}: this image cannot be read: decoding failed (")


def test_a_image_that_decodes_badly_is_gone_for_training(tmp_path: Path) -> None:
    halved(tmp_path / "half.png")
    for name in "ab":
        saved_image(tmp_path / f"{name}.jpg")
    file = tmp_path / "tags.csv"
    file.write_text("file_name,tags\nhalf.png,dog\na.jpg,cat\nb.jpg,\n")
    for skip_bad, kinds in (
        (False, {"unreadable_image"}),
        (True, {"unreadable_image", "empty_class"}),
    ):
        with pytest.raises(DataProblems) as caught:
            open_dataset(file, checks=DatasetChecks(for_training=True), skip_bad=skip_bad)
        assert {problem.kind for problem in caught.value.problems} == kinds


@pytest.mark.parametrize(("many", "quiet", "shown"), [(2, False, True), (2, True, False), (3, False, False)])
def test_progress_is_shown_where_images_are_many(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    many: int,
    quiet: bool,
    shown: bool,
) -> None:
    monkeypatch.setattr(verify, "_PROGRESS_FROM", many)
    for name in "ab":
        saved_image(tmp_path / f"{name}.jpg")
    file = tmp_path / "tags.csv"
    file.write_text("file_name,tags\na.jpg,dog\nb.jpg,dog\n")
    assert len(open_dataset(file, checks=DatasetChecks(quiet=quiet))) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert ("checking images: 2 done" in err) == shown


def test_too_many_open_files_are_no_bad_image(tmp_path: Path) -> None:
    """Otherwise, skipping bad images would leave out sound ones."""
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    with no_more_files():
        for read in (load_image, check_header, lambda path: list(verify_images([path], quiet=True))):
            with pytest.raises(ResourceError, match="^too many files are open: "):
                read(tmp_path / "a.png")
