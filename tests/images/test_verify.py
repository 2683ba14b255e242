from __future__ import annotations

import logging
import random
import re
from pathlib import Path

import pytest
from PIL import Image

from freeloc.datasets import DataProblems, DatasetChecks, open_dataset
from freeloc.datasets.problems import Problem
from freeloc.geometry.size import Size
from freeloc.images import verify as decoding
from freeloc.images.header import read_size
from freeloc.images.verify import decoding_problems


def picture(path: Path) -> Path:
    noise = random.Random(0).randbytes(90 * 60 * 3)
    Image.frombytes("RGB", (90, 60), noise).save(path)
    return path


def halved(path: Path) -> Path:
    data = picture(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def scratched(path: Path) -> Path:
    """An image whose header and end are whole."""
    data = bytearray(picture(path).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = b"\xff" * 200
    path.write_bytes(data)
    return path


TRUNCATED = r"cannot be decoded \(image file is truncated.*\): it is damaged, .* save it anew as JPEG or PNG$"


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif"])
def test_half_a_image_passes_the_header_and_fails_to_decode(tmp_path: Path, suffix: str) -> None:
    whole, half = picture(tmp_path / f"whole.{suffix}"), halved(tmp_path / f"half.{suffix}")
    assert read_size(half) == Size(90, 60)
    first, second = decoding_problems([whole, half])
    assert first == ""
    assert second.startswith(f"{half} ")
    assert re.search(TRUNCATED, second)


def test_the_whole_of_a_jpeg_is_read_though_few_of_its_pixels_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    opened = decoding.open_reduced

    def spy(path: Path, longest: int | None) -> tuple[Image.Image, object]:
        image, size = opened(path, longest)
        asked.append(max(image.size))
        return image, size

    monkeypatch.setattr(decoding, "open_reduced", spy)
    good, bad = picture(tmp_path / "a.jpg"), scratched(tmp_path / "b.jpg")
    assert read_size(bad) == Size(90, 60)
    first, second = decoding_problems([good, bad])
    assert (first, asked) == ("", [12])
    assert second.startswith(f"{bad} cannot be decoded (broken data stream")


def test_what_pillow_opens_but_freeloc_does_not_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (8, 6)).save(path, "PCX")
    assert read_size(path) == Size(8, 6)
    assert list(decoding_problems([path])) == [
        f"{path} is no picture that freeloc can read: convert it to JPEG or PNG"
    ]


def test_damage_is_reported_with_the_row_and_all_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    half, bad = halved(tmp_path / "half.png"), scratched(tmp_path / "bad.jpg")
    picture(tmp_path / "a.jpg")
    file = tmp_path / "tags.csv"
    file.write_text("file_name,tags\nhalf.png,dog\na.jpg,dog\ngone.jpg,dog\nbad.jpg,cat\nbad.jpg,cat\n")
    with pytest.raises(DataProblems) as caught:
        open_dataset(file)
    kinds = ["unreadable_image", "missing_image", "unreadable_image", "duplicate_row"]
    assert [(problem.kind, problem.line) for problem in caught.value.problems] == [*zip(kinds, (2, 4, 5, 6))]
    first = caught.value.problems[0]
    assert (first.file, first.message.count(str(half))) == (file, 1)
    assert first.message.startswith(f"image {half} cannot be decoded (image file is truncated")
    assert first.message.endswith("save it anew as JPEG or PNG")
    assert str(bad) in caught.value.problems[2].message
    with caplog.at_level(logging.WARNING):
        data = open_dataset(file, skip_bad=True)
    assert ([sample.path.name for sample in data], data.skipped) == (["a.jpg"], 4)
    assert "2 unreadable images" in caplog.text
    assert len(open_dataset(file, skip_bad=True, checks=DatasetChecks(decode=False))) == 3


def test_where_folders_are_the_list_the_path_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "dog").mkdir()
    half = halved(tmp_path / "dog" / "half.png")
    with pytest.raises(DataProblems) as caught:
        open_dataset(tmp_path)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{half}: this image cannot be decoded (")


def test_a_image_that_decodes_badly_is_gone_for_training(tmp_path: Path) -> None:
    halved(tmp_path / "half.png")
    for name in "ab":
        picture(tmp_path / f"{name}.jpg")
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
    monkeypatch.setattr(decoding, "_MANY", many)
    for name in "ab":
        picture(tmp_path / f"{name}.jpg")
    file = tmp_path / "tags.csv"
    file.write_text("file_name,tags\na.jpg,dog\nb.jpg,dog\n")
    assert len(open_dataset(file, checks=DatasetChecks(quiet=quiet))) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert ("checking images: 2 done" in err) == shown


def test_a_message_of_the_system_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from freeloc.datasets import builder as draft

    path = picture(tmp_path / "a.jpg")
    file = tmp_path / "tags.csv"
    file.write_text("file_name,tags\na.jpg,dog\n")
    told = f"cannot read {path}: Input/output error; check its name and permissions"
    monkeypatch.setattr(draft, "decoding_problems", lambda paths, quiet: iter([told]))
    with pytest.raises(DataProblems) as caught:
        open_dataset(file)
    assert caught.value.problems == (Problem("unreadable_image", file, 2, told),)
