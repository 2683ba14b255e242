"""Folders of images with keywords: classes, levels, splits, problems and what the log says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from freeloc.datasets import DatasetChecks, open_dataset
from freeloc.datasets.formats import detect_format
from freeloc.datasets.keywords import reader
from freeloc.datasets.keywords.image_keywords import ImageKeywords, read_keywords
from freeloc.datasets.problems import Problem
from freeloc.errors import DatasetError, FreelocError
from tests.datasets.keywords.xmp_files import (
    apple_photos,
    digikam,
    lightroom,
    listed,
    opened,
    packet,
    tags,
)
from tests.datasets.tags.tag_lists import images, problems_of

ANCESTORS = DatasetChecks(ancestors=True)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Images tagged by several programs, in the image or in a sidecar, and one without keywords."""
    root = tmp_path / "album"
    images(root, "digikam.jpg", "sub/lightroom.JPG", "apple.png", "untagged.jpg")
    Image.new("RGB", (8, 6), (1, 2, 3)).save(root / "embedded.jpg", xmp=digikam("Animals/Cat"))
    (root / "digikam.jpg.xmp").write_bytes(digikam("Animals/Dog", "Places/France/Paris"))
    (root / "sub" / "lightroom.XMP").write_bytes(lightroom("Animals|Dog"))
    (root / "apple.xmp").write_bytes(apple_photos("Cat", "sea"))
    return root


def test_the_last_level_of_a_keyword_is_its_class(album: Path) -> None:
    data = opened(album)
    assert (data.name, data.classes) == ("album", ("Cat", "Dog", "Paris", "sea"))
    assert tags(data) == {
        "apple.png": {"Cat", "sea"},
        "digikam.jpg": {"Dog", "Paris"},
        "embedded.jpg": {"Cat"},
        "lightroom.JPG": {"Dog"},
        "untagged.jpg": set(),
    }
    assert (data.labels != 0).all()


def test_with_ancestors_every_level_is_a_tag(album: Path) -> None:
    data = opened(album, checks=ANCESTORS)
    assert data.classes == ("Animals", "Cat", "Dog", "France", "Paris", "Places", "sea")
    assert tags(data) == {
        "apple.png": {"Cat", "sea"},
        "digikam.jpg": {"Animals", "Dog", "Places", "France", "Paris"},
        "embedded.jpg": {"Animals", "Cat"},
        "lightroom.JPG": {"Animals", "Dog"},
        "untagged.jpg": set(),
    }
    assert (data.labels != 0).all()


def test_keywords_become_the_classes_of_which_they_are_aliases(album: Path) -> None:
    images(album, "other.jpg")
    (album / "other.xmp").write_bytes(apple_photos("animals"))
    data = opened(
        album, aliases={"animal": ["Animals"]}, fold_case=True, classes=["animal", "DOG"], untagged="unknown"
    )
    labels = {sample.path.name: tuple(sample.labels) for sample in data}
    assert labels == {
        "apple.png": (-1, -1),
        "digikam.jpg": (-1, 1),
        "embedded.jpg": (-1, -1),
        "lightroom.JPG": (-1, 1),
        "other.jpg": (1, -1),
        "untagged.jpg": (0, 0),
    }
    (album / "other.xmp").write_bytes(apple_photos("Animals"))
    data = opened(album, aliases={"animal": ["Animals"]}, classes=["animal"])
    assert [(sample.path.name, int(sample.labels[0])) for sample in data] == [
        ("apple.png", -1),
        ("digikam.jpg", 0),
        ("embedded.jpg", 0),
        ("other.jpg", 1),
        ("lightroom.JPG", 0),
        ("untagged.jpg", -1),
    ]


def test_a_level_that_other_images_have_as_their_keyword_is_unknown(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "a.xmp").write_bytes(digikam("Animals"))
    (tmp_path / "b.xmp").write_bytes(digikam("Animals/Dog"))
    (tmp_path / "c.xmp").write_bytes(digikam("Toys/Animals"))
    data = opened(tmp_path)
    assert data.classes == ("Animals", "Dog")
    assert data.labels.tolist() == [[1, -1], [0, 1], [1, -1]]
    assert opened(tmp_path, checks=ANCESTORS, classes=["Animals"]).labels.tolist() == [[1], [1], [1]]


def test_keywords_with_the_same_last_level_are_one_class_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    for name, keyword in (("a", "Animals/Jaguar"), ("b", "Cars/Jaguar"), ("c", "Jaguar"), ("d", "Cars/Audi")):
        (tmp_path / f"{name}.xmp").write_bytes(digikam(keyword))
    data = opened(tmp_path)
    assert data.classes == ("Audi", "Jaguar")
    assert data.labels[:, 1].tolist() == [1, 1, 1, -1]
    (message,) = caplog.messages
    assert message.splitlines() == [
        f"{tmp_path}: keywords with the same last level are one class",
        "'Jaguar': 'Animals/Jaguar' and 'Cars/Jaguar'",
    ]


def test_chosen_classes_above_the_keywords(album: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = opened(album, classes=["Animals", "Dog"])
    assert data.labels[:, 0].tolist() == [0] * 5
    assert f"{album}: 'Animals' occurs only above other keywords: set ancestors" in caplog.text
    assert (
        "left out, because they are not among the classes: 'Cat' (2), 'Paris' (1), 'sea' (1)" in caplog.text
    )


def test_the_split_is_the_top_folder(tmp_path: Path) -> None:
    images(tmp_path, "train/2024/a.jpg", "val/b.jpg")
    (tmp_path / "train/2024/a.xmp").write_bytes(digikam("dog"))
    (tmp_path / "val/b.xmp").write_bytes(digikam("cat"))
    assert [sample.split for sample in opened(tmp_path)] == ["train", "val"]
    assert tags(opened(tmp_path, split="val")) == {"b.jpg": {"cat"}}
    with pytest.raises(DatasetError, match="has no images in the split 'test'"):
        opened(tmp_path, split="test")


def test_all_problems_are_reported_with_their_file_and_line(album: Path) -> None:
    (album / "apple.xmp").write_bytes(b"<x>")
    (album / "digikam.jpg.xmp").unlink()
    (album / "digikam.jpg.xmp").mkdir()
    (album / "embedded.jpg").write_bytes(b"no image")
    (album / "gone.jpg").symlink_to("nowhere")
    mend = "let the program that wrote it write it again"
    found = problems_of(album, format="keywords")
    assert found == [
        Problem("malformed_file", album / "apple.xmp", 1, f"malformed XML (no element found): {mend}"),
        Problem(
            "malformed_file",
            album / "digikam.jpg.xmp",
            None,
            "the sidecar is a folder: remove or rename it",
        ),
        Problem(
            "unreadable_image",
            album / "embedded.jpg",
            None,
            "this image cannot be read: it is not an image in a supported format",
        ),
        Problem(
            "missing_image", album / "gone.jpg", None, "this image is a link to a file that does not exist"
        ),
    ]
    data = opened(album, skip_bad=True)
    assert (sorted(tags(data)), data.skipped) == (["lightroom.JPG", "untagged.jpg"], 4)


def test_images_of_other_types_are_left_out_and_counted(
    album: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.CR2", "b.nef", "c.nef"):
        (album / name).write_bytes(b"x")
    assert len(opened(album)) == 5
    assert caplog.messages == [
        f"{album}: left out 3 images in unsupported formats (.cr2, .nef): convert to JPEG"
    ]


def test_extended_xmp_that_is_missing_is_logged(album: Path, caplog: pytest.LogCaptureFixture) -> None:
    guid = f'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{"ab" * 16}"'
    Image.new("RGB", (8, 6), (3, 2, 1)).save(
        album / "cut.jpg", xmp=packet(listed("dc:subject", ["sea"]), guid)
    )
    assert tags(opened(album))["cut.jpg"] == {"sea"}
    (message,) = caplog.messages
    assert message.startswith(f"{album}: images without the extended XMP to which their metadata refer, and ")
    assert message.endswith(f": 1, such as {album / 'cut.jpg'}")


def test_what_is_no_folder_of_images_with_keywords_is_refused(tmp_path: Path, album: Path) -> None:
    with pytest.raises(DatasetError, match=r"apple.png is not a folder; expected keywords: a folder"):
        opened(album / "apple.png")
    with pytest.raises(FreelocError, match="omit images, which applies only to lists") as caught:
        opened(album, images=album)
    assert caught.value.parameter == "images"
    plain = tmp_path / "plain"
    plain.mkdir()
    with pytest.raises(DatasetError, match="contains no images: choose another folder"):
        opened(plain)
    images(plain, "a.jpg")
    with pytest.raises(DatasetError, match="has no keywords, neither in its 1 image nor in sidecars next to"):
        opened(plain)


def test_ancestors_apply_only_to_this_format(album: Path) -> None:
    (album / "metadata.csv").write_text("file_name,tags\napple.png,dog\n")
    with pytest.raises(FreelocError, match="ancestors applies only to keywords and exports") as caught:
        open_dataset(album, checks=ANCESTORS)
    assert caught.value.parameter == "ancestors"


# --- detection --------------------------------------------------------------------------------------------


def name_of(path: Path) -> str:
    return type(detect_format(path)).__name__


def test_folders_with_keywords_are_recognized(tmp_path: Path, album: Path) -> None:
    assert name_of(album / "sub") == "KeywordsFormat"
    assert tags(open_dataset(album / "sub")) == {"lightroom.JPG": {"Dog"}}
    flat = tmp_path / "flat"
    images(flat, "a.jpg")
    Image.new("RGB", (8, 6)).save(flat / "b.jpg", xmp=digikam("dog"))
    assert name_of(flat) == "KeywordsFormat"


def test_subfolders_could_also_be_classes(album: Path) -> None:
    with pytest.raises(FreelocError, match="could be in the format tags or keywords: choose one") as caught:
        open_dataset(album)
    assert caught.value.parameter == "format"
    images(album, "other/x.jpg")
    assert open_dataset(album, format="folders").classes == ("other", "sub")


def test_class_folders_and_lists_are_recognized_as_before(tmp_path: Path, album: Path) -> None:
    (album / "metadata.csv").write_text("file_name,tags\napple.png,dog\n")
    assert name_of(album) == "TagListFormat"
    folders = tmp_path / "folders"
    for name in ("dog", "cat"):
        (folders / name).mkdir(parents=True)
        Image.new("RGB", (8, 6)).save(folders / name / "a.jpg", xmp=digikam("stock image"))
        # Settings of a raw converter
        (folders / name / "a.xmp").write_bytes(packet(listed("xmp:Other", ["x"])))
    images(folders, "dog/b.jpg")
    assert name_of(folders) == "TagListFormat"


def test_only_the_first_images_are_opened_to_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path, *(f"{number:03}.jpg" for number in range(60)))
    read: list[Path] = []

    def count(image: Path, sidecars: Sequence[Path]) -> ImageKeywords:
        read.append(image)
        return read_keywords(image, sidecars)

    monkeypatch.setattr(reader, "read_keywords", count)
    assert not reader.KeywordsFormat().guess(tmp_path)
    assert len(read) == 20
