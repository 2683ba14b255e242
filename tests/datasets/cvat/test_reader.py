"""Files in CVAT's format "CVAT for images 1.1"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import Dataset, open_dataset
from tests.datasets.datumaro_export import LABELS, export
from tests.datasets.tool_files import boxes_of, format_of, labels_of, problems_of, write_image

BOX = (
    '<box label="dog" source="manual" occluded="0" xtl="4.0" ytl="6.00" xbr="16.00" ybr="18.00" z_order="0">'
)


def labels_xml(*names: str) -> str:
    return "".join(f"<label><name>{name}</name><attributes></attributes></label>" for name in names)


def image_xml(name: str, *inner: str, sides: str = 'width="40" height="30"', more: str = "") -> str:
    return (
        f'  <image id="0" name="{name}" {sides}{more}>\n'
        + "".join(f"{each}\n" for each in inner)
        + "  </image>\n"
    )


def tag(name: str) -> str:
    return f'<tag label="{name}" source="manual"><attribute name="label">hidden</attribute></tag>'


class Task:
    """A task in the layout of CVAT's export: annotations.xml next to the folder images."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "annotations.xml"
        self.images: list[str] = []
        self.labels = labels_xml("dog", "cat")
        self.head = "<version>1.1</version>"

    def image(self, name: str, *inner: str, orientation: int = 1, **options: Any) -> Path:
        self.images.append(image_xml(name, *inner, **options))
        return write_image(self.root / "images" / name, orientation=orientation)

    def write(self) -> Path:
        start = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n{self.head}\n'
        meta = f"<meta><task><name>t</name><labels>{self.labels}</labels></task></meta>\n"
        self.file.write_text(start + meta + "".join(self.images) + "</annotations>\n")
        return self.file

    def open(self, **options: Any) -> Dataset:
        self.write()
        return open_dataset(self.root, **options)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(tmp_path / "task")


def test_tags_and_shapes_are_labels(task: Task) -> None:
    task.image("a.jpg", tag("cat"))
    task.image("sub/b.jpg", f"{BOX}</box>", tag("gnu"))
    task.image("c.jpg")
    data = task.open()
    assert (data.name, data.classes) == ("task", ("dog", "cat", "gnu"))
    assert data.labels.tolist() == [[-1, 1, -1], [1, -1, 1], [-1, -1, -1]]
    assert [sample.boxes for sample in data] == [None] * 3
    assert labels_of(open_dataset(task.file)) == labels_of(data)
    assert format_of(task.file) == format_of(task.root) == "CvatFormat"


def test_boxes_are_the_outermost_points_of_shapes(task: Task) -> None:
    task.image(
        "a.jpg",
        f"{BOX}</box>",
        '<polygon label="cat" points="1.00,2.00;11.00,2.50;11.00,12.00"></polygon>',
        '<ellipse label="dog" cx="20.00" cy="10.00" rx="5.00" ry="4.00"></ellipse>',
        '<mask label="cat" rle="3, 2" left="5" top="6" width="7" height="8"></mask>',
        '<points label="dog" points="1,1"></points>',
        '<skeleton label="cat"><points label="tail" points="1,1"></points></skeleton>',
    )
    task.image("b.jpg")
    data = task.open(boxes=True)
    assert boxes_of(data)["a.jpg"] == [
        ("dog", 4, 6, 16, 18),
        ("cat", 1, 2, 11, 12),
        ("dog", 15, 6, 25, 14),
        ("cat", 5, 6, 12, 14),
    ]
    assert boxes_of(data)["b.jpg"] == []
    assert data.classes == ("dog", "cat")


def test_parts_of_skeletons_are_no_classes(task: Task) -> None:
    part = "<label><name>tail</name><type>points</type><parent>cat</parent></label>"
    task.labels = labels_xml("cat") + part
    task.image("a.jpg", tag("cat"))
    assert task.open().classes == ("cat",)


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("stored", [False, True])
def test_boxes_of_turned_images_are_upright(task: Task, orientation: int, stored: bool) -> None:
    """CVAT shows images upright; before it read the orientation, it showed them as stored."""
    swapped = stored and orientation == 6
    edges, sides = ((0, 20, 30, 40), (30, 40)) if swapped else ((0, 0, 20, 30), (40, 30))
    corners = " ".join(
        f'{key}="{edge}"' for key, edge in zip(("xtl", "ytl", "xbr", "ybr"), edges, strict=True)
    )
    task.image(
        "a.jpg",
        f'<box label="dog" {corners}></box>',
        orientation=orientation,
        sides=f'width="{sides[0]}" height="{sides[1]}"',
    )
    assert boxes_of(task.open(boxes=True)) == {"a.jpg": [("dog", 0, 0, 20, 30)]}


def test_subsets_and_files_are_splits(tmp_path: Path) -> None:
    task = Task(tmp_path / "project")
    for subset in ("train", "val"):
        write_image(task.root / "images" / subset / f"{subset}.jpg")
        task.images.append(image_xml(f"{subset}.jpg", tag("dog"), more=f' subset="{subset}" task_id="1"'))
    assert list(labels_of(task.open(split="val"))) == ["val.jpg"]
    assert [sample.split for sample in task.open()] == ["train", "val"]
    two = Task(tmp_path / "two")
    for name in ("train", "val"):
        two.file, two.images = two.root / f"{name}.xml", []
        two.image(f"{name}.jpg", tag("dog" if name == "val" else "cat"))
        two.write()
    data = open_dataset(two.root, split="train")
    assert (data.classes, list(labels_of(data))) == (("dog", "cat"), ["train.jpg"])


def test_images_can_be_in_another_folder(task: Task, tmp_path: Path) -> None:
    task.image("far/a.jpg", tag("dog")).unlink()
    task.write()
    (missing,) = problems_of(task.file)
    assert (missing.kind, missing.line) == ("missing_image", 5)
    write_image(tmp_path / "other" / "a.jpg")
    assert open_dataset(task.file, images=tmp_path / "other").samples[0].path == tmp_path / "other" / "a.jpg"


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (
            "<version>1.0</version>",
            "the version is '1.0', not '1.1'; export the task from CVAT again as 'CVAT for im",
        ),
        ("", "it has no version; export"),
        (
            '<version>1.1</version><track id="0" label="dog"></track>',
            "tracks of a video instead of images: export",
        ),
    ],
)
def test_other_versions_are_refused(task: Task, head: str, message: str) -> None:
    task.head = head
    task.image("a.jpg", tag("dog"))
    (problem,) = problems_of(task.write())
    assert (problem.kind, problem.file) == ("malformed_file", task.file)
    assert message in problem.message


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ("<tag></tag>", "a tag has no label"),
        ('<box label=" " xtl="1"></box>', "a box has no label"),
        (
            '<box label="dog" xtl="1" ytl="2" xbr="x" ybr="4"></box>',
            "the box of 'dog' has no valid position: draw",
        ),
        ('<box label="dog" xtl="1" ytl="2" xbr="3"></box>', "the box of 'dog' has no valid position"),
        ('<box label="dog" xtl="9" ytl="2" xbr="3" ybr="4"></box>', "the box of 'dog' has no valid position"),
        (
            '<box label="dog" xtl="1" ytl="2" xbr="3" ybr="4e99"></box>',
            "the box of 'dog' is larger than any image",
        ),
        ('<polygon label="dog" points="1,2;3"></polygon>', "the polygon of 'dog' has no valid position"),
        ('<polygon label="dog"></polygon>', "the polygon of 'dog' has no valid position"),
        ('<mask label="dog" left="1"></mask>', "the mask of 'dog' has no valid position"),
        (
            '<ellipse label="dog" cx="1" cy="2" rx="-3" ry="1"></ellipse>',
            "the ellipse of 'dog' has no valid position",
        ),
        (
            BOX.replace("occluded", 'rotation="30.00" occluded') + "</box>",
            "rotated by 30.00°: draw it again without",
        ),
    ],
)
def test_bad_elements_are_reported(task: Task, inner: str, message: str) -> None:
    task.image("a.jpg", inner)
    task.image("b.jpg", f"{BOX}</box>")
    (problem,) = problems_of(task.write(), boxes=True)
    assert (problem.kind, problem.line) == ("bad_value", 6)
    assert message in problem.message
    if "label" in inner and 'label=" "' not in inner:  # only its position is wrong
        assert labels_of(task.open())["a.jpg"]["dog"] == 1


def test_images_need_a_name_and_a_size_in_whole_pixels(task: Task) -> None:
    task.image("a.jpg", f"{BOX}</box>", sides='width="wide" height="30"')
    task.images.append(image_xml("", tag("dog")))
    (nameless,) = problems_of(task.write())
    assert (nameless.message, nameless.line) == ("the image has no name", 8)
    size, _ = problems_of(task.file, boxes=True)
    assert size.message == "width and height of the image are 'wide' and '30', not whole pixels"


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_reported_once(task: Task, keep: float) -> None:
    task.image("a.jpg", tag("dog"))
    text = task.write().read_text()
    task.file.write_text(text[: int(len(text) * keep)])
    (problem,) = problems_of(task.file)
    assert problem.message.startswith("malformed XML: ")


def test_entities_are_refused(task: Task) -> None:
    task.image("a.jpg", tag("dog"))
    text = task.write().read_text()
    task.file.write_text(text.replace("<annotations>", '<!DOCTYPE a [<!ENTITY b "c">]><annotations>', 1))
    (problem,) = problems_of(task.file, format="cvat")
    assert problem.message == "the XML defines entities, which are not supported"


def test_frames_of_a_video_are_found_by_their_names_without_suffix(tmp_path: Path) -> None:
    """CVAT writes frame_000000 into the file, and saves the frame as frame_000000.PNG."""
    for number in range(2):
        write_image(tmp_path / "images" / f"frame_00000{number}.PNG")
    frames = "".join(
        f'<image id="{number}" name="frame_00000{number}" width="40" height="30">{tag("dog") if number else ""}</image>'
        for number in range(3)
    )
    file = tmp_path / "annotations.xml"
    file.write_text(f"<annotations><version>1.1</version>{frames}</annotations>")
    (problem,) = problems_of(tmp_path)
    assert problem.message == f"image {tmp_path / 'images' / 'frame_000002.jpg'} is missing"
    data = open_dataset(tmp_path, skip_bad=True)
    assert labels_of(data) == {"frame_000000.PNG": {"dog": -1}, "frame_000001.PNG": {"dog": 1}}


@pytest.mark.parametrize("content", ["", "<?xml version", "\0" * 50])
def test_an_export_whose_beginning_is_damaged_is_named(tmp_path: Path, content: str) -> None:
    write_image(tmp_path / "images" / "a.jpg")
    (tmp_path / "annotations.xml").write_text(content)
    (problem,) = problems_of(tmp_path)
    assert (problem.kind, problem.file) == ("malformed_file", tmp_path / "annotations.xml")


def test_a_name_that_differs_only_in_case_is_named(task: Task) -> None:
    task.image("a.JPG", tag("dog")).unlink()
    (task.root / "images").rmdir()
    write_image(task.root / "A.jpg")
    task.write()
    (problem,) = problems_of(task.file)
    assert problem.message.endswith("a.JPG is missing, but A.jpg exists: correct the name")


def test_another_xml_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text("<annotation></annotation>")
    (problem,) = problems_of(file, format="cvat")
    assert (
        problem.message == "this is not a file of CVAT: it starts with <annotation> instead of <annotations>"
    )


def test_datumaro_writes_what_is_read(tmp_path: Path) -> None:
    out = export(tmp_path / "exported", "cvat")
    assert labels_of(open_dataset(out)) == LABELS
    boxes = boxes_of(open_dataset(out, split="train", boxes=True))
    assert boxes == {"a.jpg": [("dog", 4, 6, 16, 18), ("cat", 1, 2, 11, 12)], "b.jpg": []}
