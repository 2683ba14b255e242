"""Exports of Label Studio, as the converter of label-studio-sdk 2.1.2 writes them for the same tasks."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import Dataset, DatasetChecks, open_dataset
from freeloc.errors import ConfigurationError
from tests.consumers import read_with
from tests.datasets.tool_files import boxes_of, format_of, labels_of, problems_of, write_image

CHOICES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")

EXPECTED = {
    "a.jpg": {"cat": 1, "dog": 1, "salt, pepper": -1},
    "b.jpg": {"cat": -1, "dog": 1, "salt, pepper": -1},
    "c.jpg": {"cat": -1, "dog": -1, "salt, pepper": -1},
    "d.jpg": {"cat": 1, "dog": -1, "salt, pepper": -1},
    "e.jpg": {"cat": -1, "dog": 1, "salt, pepper": 1},
}

CSV = """\
"annotation_id","annotator","box","created_at","id","image","lead_time","tags","updated_at"
1,"1","[{""x"":10,""y"":20,""width"":30,""height"":40,""rotation"":0,""rectanglelabels"":[""dog""],""original_width"":\
40,""original_height"":30}]","2026-01-01T10:00:00.000000Z",1,"/data/upload/1/abcd1234-a.jpg",4.2,"{""choices"":[""dog""\
,""cat""]}","2026-01-01T10:00:00.000000Z"
2,"1","","2026-01-02T10:00:00.000000Z",2,"/data/local-files/?d=photos/b.jpg",4.2,"dog","2026-01-02T10:00:00.000000Z"
3,"1","","2026-01-03T10:00:00.000000Z",3,"sub/c.jpg",4.2,"","2026-01-03T10:00:00.000000Z"
4,"1","","2026-01-04T10:00:00.000000Z",4,"d.jpg",4.2,"cat","2026-01-04T10:00:00.000000Z"
7,"1","","2026-01-07T10:00:00.000000Z",5,"e.jpg",4.2,"{""choices"":[""dog"",""salt, pepper""]}","2026-01-07T10:00:00.000000Z"
6,"1","","2026-01-06T10:00:00.000000Z",5,"e.jpg",4.2,"cat","2026-01-06T10:00:00.000000Z"
"""


def json_min() -> str:
    """The rows of `CSV` as JSON_MIN: data, id, controls that are not empty, annotator and so on."""
    region: dict[str, Any] = {
        "x": 10,
        "y": 20,
        "width": 30,
        "height": 40,
        "rotation": 0,
        "rectanglelabels": ["dog"],
    }
    region |= {"original_width": 40, "original_height": 30}
    tags = {"choices": ["dog", "cat"]}
    rows: list[tuple[str, int, dict[str, Any], int]] = [
        ("/data/upload/1/abcd1234-a.jpg", 1, {"tags": tags, "box": [region]}, 1),
        ("/data/local-files/?d=photos/b.jpg", 2, {"tags": "dog"}, 2),
        ("sub/c.jpg", 3, {}, 3),
        ("d.jpg", 4, {"tags": "cat"}, 4),
        ("e.jpg", 5, {"tags": {"choices": ["dog", "salt, pepper"]}}, 7),
        ("e.jpg", 5, {"tags": "cat"}, 6),
    ]
    records = [
        {"image": image, "id": number, **controls, "annotator": 1, "annotation_id": day}
        | {"updated_at": f"2026-01-0{day}T10:00:00.000000Z", "lead_time": 4.2}
        for image, number, controls, day in rows
    ]
    return json.dumps(records, indent=2)


def choices(*names: str) -> dict[str, Any]:
    return {
        "id": "c",
        "from_name": "tags",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [*names]},
    }


def region(name: str, x: Any, y: Any, width: Any, height: Any, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [name]}
    item = {"type": "rectanglelabels", "value": value, "image_rotation": 0}
    return {**item, "original_width": 40, "original_height": 30, **more}


def annotation(*result: Any, day: int = 1, by: Any = 1, **more: Any) -> dict[str, Any]:
    stamp = f"2026-01-0{day}T10:00:00.000000Z"
    return {"result": [*result], "was_cancelled": False, "completed_by": by, "updated_at": stamp, **more}


def task(image: str, *annotations: Any, **data: Any) -> dict[str, Any]:
    predicted = {"result": [choices("never")], "score": 0.5}
    return {"data": {"image": image, **data}, "annotations": [*annotations], "predictions": [predicted]}


TASKS = [
    task("/data/upload/1/abcd1234-a.jpg", annotation(choices("dog", "cat"), region("dog", 10, 20, 30, 40))),
    task("/data/local-files/?d=photos/b.jpg", annotation(choices("dog"))),
    task("sub/c.jpg", annotation()),
    task("d.jpg", annotation(choices("cat")), annotation(choices("dog"), day=2, was_cancelled=True)),
    task("e.jpg", annotation(choices("dog", "salt, pepper"), day=7), annotation(choices("cat"), day=6)),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "photos/b.jpg", "sub/c.jpg", "d.jpg", "e.jpg"):
        write_image(tmp_path / name)
    return tmp_path


def write(folder: Path, *tasks: Any) -> Path:
    file = folder / "export.json"
    file.write_text("[\n" + ",\n".join(map(json.dumps, tasks)) + "\n]\n")
    return file


def open_tasks(folder: Path, *tasks: Any, **options: Any) -> Dataset:
    return open_dataset(write(folder, *tasks), **options)


@pytest.mark.parametrize("kind", ["json", "json_min", "csv"])
def test_all_exports_say_the_same(folder: Path, kind: str) -> None:
    file = folder / f"result.{'csv' if kind == 'csv' else 'json'}"
    file.write_text({"json": json.dumps(TASKS), "json_min": json_min(), "csv": CSV}[kind])
    assert format_of(file) == "LabelStudioFormat"
    data = open_dataset(file)
    assert (data.name, labels_of(data)) == ("result", EXPECTED)
    chosen = open_dataset(file, classes=["dog"], skip_bad=True, boxes=True)
    assert boxes_of(chosen)["a.jpg"] == [("dog", 4.0, 6.0, 16.0, 18.0)]


def test_images_are_found_by_the_ends_of_their_addresses(tmp_path: Path) -> None:
    names = ["my_photo1.jpg", "deadbeef-x.jpg", "7/c.jpg", "far.jpg"]
    for name in ("my photo(1).jpg", *names[1:]):
        write_image(tmp_path / "images" / name)
    addresses = ["/data/upload/3/0a1b2c3d-my_photo1.jpg", "/data/upload/3/deadbeef-x.jpg"]
    addresses += ["/data/local-files/?d=disk%2F7/c.jpg", "https://example.org/x/far.jpg?size=1"]
    tasks = [task(address, annotation(choices("dog"))) for address in addresses]
    data = open_tasks(tmp_path, *tasks, images=tmp_path / "images")
    found = [sample.path.relative_to(tmp_path / "images").as_posix() for sample in data]
    assert found == ["my photo(1).jpg", "deadbeef-x.jpg", "7/c.jpg", "far.jpg"]
    url, upload = problems_of(write(tmp_path, tasks[3], tasks[0]))
    assert url.message.startswith(
        "the image is at https://example.org/x/far.jpg?size=1, from where freeloc does"
    )
    assert url.message.endswith("download the images, and set images to their folder")
    assert (upload.kind, upload.line) == ("missing_image", 3)
    assert upload.message.endswith(f"is not in {tmp_path}: set images to the folder that contains the images")


def test_annotators_vote_with_their_latest_annotations(folder: Path) -> None:
    changed = annotation(choices("gnu"), by={"id": 1, "email": "x"}), annotation(choices("dog"), day=2)
    tasks = [
        task("a.jpg", changed[0], annotation(choices("cat"), day=2, by={"id": 1})),
        task("d.jpg", annotation(choices("dog")), annotation(choices("dog", "cat"), by=2), annotation(by=3)),
        task("e.jpg", annotation(choices("dog", "cat")), annotation(choices("cat"), by=2)),
        task(
            "sub/c.jpg",
            annotation(choices("gnu"), ground_truth=True),
            annotation(choices("dog"), day=9, by=2),
        ),
    ]
    labels = labels_of(open_tasks(folder, *tasks))
    assert labels["a.jpg"] == {"cat": 1, "dog": -1, "gnu": -1}
    assert labels["d.jpg"] == {"cat": -1, "dog": 1, "gnu": -1}
    assert labels["e.jpg"] == {"cat": 1, "dog": 0, "gnu": -1}
    assert labels["c.jpg"] == {"cat": -1, "dog": -1, "gnu": 1}


def test_every_choice_is_a_class_even_if_it_is_outvoted(folder: Path) -> None:
    bad = annotation(region("yak", 1, "x", 3, 4), by=2)
    votes = [
        annotation(choices("cat")),
        annotation(choices("cat"), by=3),
        annotation(choices("cat"), day=2, by=2),
    ]
    data = open_tasks(folder, task("a.jpg", bad, *votes), boxes=True)
    assert labels_of(data) == {"a.jpg": {"cat": 1, "yak": -1}}


def test_labels_without_annotation_are_unknown(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    skipped = annotation(choices("dog"), was_cancelled=True)
    data = open_tasks(
        folder, task("a.jpg"), task("d.jpg", skipped), task("e.jpg", annotation(choices("cat")))
    )
    assert data.labels.tolist() == [[0], [0], [1]]
    assert "the labels of 2 images without annotation are unknown" in caplog.text


def test_regions_are_labels_and_on_request_boxes(folder: Path) -> None:
    polygon = {"points": [[10, 10], [50, 10], [50, 100]], "polygonlabels": ["cat"]}
    ellipse = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 10, "rotation": 0, "ellipselabels": ["gnu"]}
    attribute = {"type": "choices", "value": {"x": 1, "y": 1, "width": 1, "height": 1, "choices": ["hidden"]}}
    of_mask = {"type": "choices", "value": {"format": "rle", "rle": [0, 1], "choices": ["hidden"]}}
    sides = {"original_width": 40, "original_height": 30}
    shapes = [
        {"type": "polygonlabels", "value": polygon, **sides},
        {"type": "ellipselabels", "value": ellipse, **sides},
        {"type": "relation", "from_id": "1", "to_id": "2"},
        attribute,
        of_mask,
    ]
    image = task("a.jpg", annotation(region("dog", 0, 50, 25, 50), *shapes))
    data = open_tasks(folder, image)
    assert labels_of(data) == {"a.jpg": {"cat": 1, "dog": 1, "gnu": 1}}
    assert not data.has_boxes
    found = boxes_of(open_tasks(folder, image, boxes=True))["a.jpg"]
    assert found == [("dog", 0, 15, 10, 30), ("cat", 4, 3, 20, 30), ("gnu", 10, 12, 30, 18)]


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("stored", [False, True])
def test_boxes_of_turned_images_are_upright(tmp_path: Path, orientation: int, stored: bool) -> None:
    """Percentages refer to the declared size: that of the upright image or, from old browsers, the one as stored."""
    write_image(tmp_path / "a.jpg", orientation=orientation)
    swapped = stored and orientation == 6
    sides = {"original_width": 30, "original_height": 40} if swapped else {}
    # The left half of the upright image is the bottom half as stored with the orientation 6.
    box = (0, 50, 100, 50) if swapped else (0, 0, 50, 100)
    data = open_tasks(tmp_path, task("a.jpg", annotation(region("dog", *box, **sides))), boxes=True)
    assert boxes_of(data) == {"a.jpg": [("dog", 0, 0, 20, 30)]}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (region("dog", 1, 2, 3, 4, image_rotation=90), "image_rotation of the region of 'dog' is 90, but only "),
        (region("dog", 1, 2, 3, 4, value={"x": 1, "y": 2, "width": 3, "height": 4, "rotation": 30,
         "rectanglelabels": ["dog"]}), "rotation of the region of 'dog' is 30, but only upright regions are boxes"),
        (region("dog", 1, 2, 3, 4, original_width=None), "the region of 'dog' has no original_width and original"),
        (region("dog", 1, "2", 3, 4), "the region of 'dog' does not have numbers as its position in percent"),
        (region("dog", 1, 2, -3, 4), "the region of 'dog' does not have numbers as its position in percent"),
    ],
)  # fmt: skip
def test_bad_regions_are_reported_only_if_boxes_are_read(folder: Path, item: Any, message: str) -> None:
    tasks = [task("a.jpg", annotation(item)), task("d.jpg", annotation(region("dog", 0, 0, 50, 50)))]
    assert open_tasks(folder, *tasks).labels.tolist() == [[1], [1]]
    (problem,) = [
        each for each in problems_of(write(folder, *tasks), boxes=True) if "no box" not in each.message
    ]
    assert (problem.kind, problem.line) == ("bad_value", 2)
    assert problem.message.startswith(message)


def test_a_class_without_a_box_is_a_problem_if_boxes_are_read(folder: Path) -> None:
    tasks = [task("a.jpg", annotation(choices("cat"), region("dog", 0, 0, 50, 50)))]
    (problem,) = problems_of(write(folder, *tasks), boxes=True)
    assert problem.message == "there is no box of 'cat': draw one, remove the tag, or choose other classes"
    assert boxes_of(open_tasks(folder, *tasks, boxes=True, classes=["dog"]))["a.jpg"] == [
        ("dog", 0, 0, 20, 15)
    ]


@pytest.mark.parametrize(
    ("tasks", "line", "message"),
    [
        (['{"id": 1, "completions": [], "data": {"image": "a.jpg"}}'], 2, "before version 1.0: import the file into"),
        (['{"data": {"image": "a.jpg"}, "annotations": [{"result": "x"}]}'], 2, "an annotation is not an object with"),
        (['{"data": {"image": "a.jpg"}, "annotations": {}}'], 2, "the task has no list of annotations"),
        (['{"data": {"image": "a.jpg"}, "annotations": []}', '{"data": 3}'], 3, "the task is not an object with data"),
        (['{"data": {"image": "a.jpg"}, "annotations": []}', "7"], 3, "the task is not an object with data"),
        (['{"data": {"image": "a.jpg"}, "annotations": [{"result": [3]}]}'], 2, "an item of a result is not an object"),
        (['{"data": {}, "annotations": [{"result": [{"type": "choices", "value": {"choices": [1]}}]}]}',
          '{"data": {"image": "a.jpg"}, "annotations": []}'], 2, "choices is [1], not a list of strings"),
        (['{"data": {"image": "a.jpg"}, "annotations": []}', '{"data": {"text": "x"}, "annotations": []}'], 3,
         "the task has no image in the field 'image'"),
        (['{"data": {"text": "x"}, "annotations": []}'], None, "no task has the address of an image"),
        (["null"], 1, "the file contains a JSON list, and not the object of a COCO file"),
        (['{"data": {"image": "a.jpg"}, "annotations": [{"id": 1}]}'], 2, "an annotation is not an object with a"),
        (['{"data": {"image": "a.jpg"}, "annotations": [{"result": [], "was_cancelled": "no"}]}'], 2,
         "was_cancelled is 'no', not true or false: export the project again as JSON"),
        (['{"data": {"image": "a.jpg"}, "annotations": [{"result": [{"type": "choices", "value": {}}]}]}'], 2,
         "an item of type choices contains no choices: export the project again as JSON"),
        (['{"data": {"image": "a.jpg"}, "annotations": [{"result": [{"type": "taxonomy", "value": {"taxonomy": 3}}]}]}'],
         2, "taxonomy is 3, not a list of choices"),
        (['{"data": {"image": "a.jpg"}, "annotations": [{"result": [{"type": "taxonomy", "value": {"taxonomy": [[3]]}}]}]}'], 2, "taxonomy is [3], not a list of strings"),
        (['{"data": {"left": "a.jpg", "right": "d.jpg"}, "annotations": []}'], None,
         "the images could be in 'left' or 'right': call the right field 'image'"),
    ],
)  # fmt: skip
def test_bad_tasks_are_reported(folder: Path, tasks: list[str], line: int | None, message: str) -> None:
    file = folder / "export.json"
    file.write_text("[\n" + ",\n".join(tasks) + "\n]\n")
    (problem,) = problems_of(file)
    assert (problem.file, problem.line) == (file, line)
    assert message in problem.message


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("kind", ["json", "json_min"])
def test_a_file_that_is_cut_off_is_reported_once(folder: Path, kind: str, keep: float) -> None:
    text = json.dumps(TASKS, indent=1) if kind == "json" else json_min()
    file = folder / "cut.json"
    file.write_text(text[: int(len(text) * keep)])
    (problem,) = problems_of(file)
    assert (problem.kind, problem.file) == ("malformed_file", file)
    assert problem.message.startswith("malformed JSON: ")


def test_a_csv_that_is_cut_off_is_reported(folder: Path) -> None:
    file = folder / "cut.csv"
    file.write_text(CSV[: CSV.index('"salt') - 30])
    assert problems_of(file)[0].file == file


# --- which columns contain choices --------------------------------------------------------------------------

HEAD = "annotation_id,annotator,caption,id,image,lead_time,look,updated_at"


def write_csv(folder: Path, *rows: str, head: str = HEAD) -> Path:
    file = folder / "result.csv"
    file.write_text("\n".join([head, *rows]) + "\n")
    return file


def test_a_single_column_of_bare_choices_is_read(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = '1,1,,1,a.jpg,2,"salt, pepper",x', "2,1,,2,d.jpg,2,,x"
    assert labels_of(open_dataset(write_csv(folder, *rows))) == {
        "a.jpg": {"salt, pepper": 1},
        "d.jpg": {"salt, pepper": -1},
    }
    assert "the choices are read from 'look'; the export as JSON says where they are" in caplog.text


@pytest.mark.parametrize("value", [True, 3, {}, [None, 1], [{"number": 3}]])
def test_what_is_no_choice_is_reported(folder: Path, value: Any) -> None:
    more = {"annotator": 1, "annotation_id": 1, "lead_time": 1}
    rows = [{"image": "a.jpg", "look": "dog", **more}, {"image": "d.jpg", "look": value, **more}]
    (folder / "min.json").write_text(json.dumps(rows))
    (problem,) = problems_of(folder / "min.json")
    assert problem.message == f"look is {value!r}, not a list of strings"


def test_damaged_lists_of_choices_are_reported(folder: Path) -> None:
    whole, cut = '"{""choices"":[""dog"",""cat""]}"', '"{""choices"":[""dog"","'
    (problem,) = problems_of(write_csv(folder, f"1,1,,1,a.jpg,2,{whole},x", f"2,1,,2,d.jpg,2,{cut},x"))
    assert (problem.line, problem.message) == (
        3,
        """look is '{"choices":["dog",', which is damaged JSON: export the project again""",
    )


def test_an_export_without_tasks_is_refused(folder: Path) -> None:
    (problem,) = problems_of(write_csv(folder))
    assert problem.message == "there are no tasks: export a project in which images are annotated"


def test_columns_that_could_both_contain_choices_are_refused(folder: Path) -> None:
    (problem,) = problems_of(write_csv(folder, "1,1,nice,1,a.jpg,2,dog,x"))
    assert problem.message == (
        "the choices could be in 'caption' or 'look': export the project as JSON, which says where they are"
    )


def test_json_min_tells_data_from_controls(folder: Path) -> None:
    file = folder / "min.json"
    record = {"image": "a.jpg", "caption": "nice", "id": 1, "look": "dog"}
    file.write_text(json.dumps([{**record, "annotator": 1, "annotation_id": 1, "lead_time": 1}]))
    assert open_dataset(file).classes == ("dog",)


def test_columns_next_to_lists_of_choices_are_left_out(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = '1,1,nice,1,a.jpg,2,"[""dog"",""cat""]",x', "2,1,dull,2,d.jpg,2,cat,x"
    with caplog.at_level(logging.WARNING):
        data = open_dataset(write_csv(folder, *rows))
    assert labels_of(data) == {"a.jpg": {"cat": 1, "dog": 1}, "d.jpg": {"cat": 1, "dog": -1}}
    assert "left out, because it is not certain that they contain choices: 'caption'" in caplog.text


def test_a_split_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has no images in the split 'train': it has no splits"):
        open_tasks(folder, TASKS[0], split="train")


CONVERT = """
import sys
from pathlib import Path
from label_studio_sdk.converter import Converter

config, source, out = sys.argv[1:]
for kind in ("JSON", "JSON_MIN", "CSV"):
    Path(out, kind).mkdir()
    Converter(config, project_dir=None).convert(source, f"{out}/{kind}/", kind, is_dir=False)
print("null")
"""


def converted(folder: Path, config: str, names: dict[str, str], *tasks: dict[str, Any]) -> list[Path]:
    """Let label-studio-sdk convert tasks; the names of controls are those of the types of results."""
    numbered = [{"id": number, **each} for number, each in enumerate(json.loads(json.dumps(tasks)), start=1)]
    for each in numbered:
        for number, one in enumerate(each["annotations"]):
            one["id"] = number
            for item in one["result"]:
                item |= {"from_name": names[item["type"]], "to_name": "image", "id": "r"}
    (folder / "tasks.json").write_text(json.dumps(numbered))
    view = f'<View><Image name="image" value="$image"/>{config}</View>'
    read_with("label-studio-sdk", CONVERT, view, folder / "tasks.json", folder)
    return [file for kind in ("JSON", "JSON_MIN", "CSV") for file in (folder / kind).iterdir()]


def test_the_converter_of_label_studio_writes_what_is_read(folder: Path) -> None:
    config = """<Choices name="tags" toName="image" choice="multiple"><Choice value="dog"/></Choices>
    <RectangleLabels name="box" toName="image"><Label value="dog"/></RectangleLabels>"""
    names = {"choices": "tags", "rectanglelabels": "box"}
    for file in converted(folder, config, names, *TASKS):
        assert labels_of(open_dataset(file, images=folder)) == EXPECTED


# --- taxonomies --------------------------------------------------------------------------------------------


def taxonomy(*paths: Any) -> dict[str, Any]:
    return {"type": "taxonomy", "value": {"taxonomy": [*paths]}}


LEVELS = [
    task("a.jpg", annotation(taxonomy(["Animals", "Dog"], ["sea"]))),
    task("d.jpg", annotation(taxonomy(["Animals"]))),
    task("e.jpg", annotation()),
]
ROWS: list[dict[str, Any]] = [
    {"image": "a.jpg", "kind": [{"taxonomy": [["Animals", "Dog"], ["sea"]]}], "note": "a dog"},
    {"image": "d.jpg", "kind": [{"taxonomy": [["Animals"]]}], "note": {"text": ["no", "dog"]}},
    {"image": "e.jpg"},
]


def taxonomy_files(folder: Path) -> list[Path]:
    """The same tasks as JSON and, as the converter of label-studio-sdk 2.1.2 writes them, as JSON_MIN and CSV."""
    more = {"annotator": 1, "annotation_id": 1, "lead_time": 1.5}
    files = [folder / "full.json", folder / "min.json", folder / "result.csv"]
    files[0].write_text(json.dumps(LEVELS))
    files[1].write_text(json.dumps([{**row, **more} for row in ROWS]))
    cells = [[row["image"], json.dumps(row.get("kind", "")).strip('"'), "", 1, 1, 1.5] for row in ROWS]
    with files[2].open("w", newline="") as content:
        csv.writer(content).writerows([["image", "kind", "note", *more], *cells])
    return files


def test_the_last_level_of_a_taxonomy_is_a_class(folder: Path) -> None:
    """The level above is unknown where it is not chosen itself: there is an animal in the first image."""
    for file in taxonomy_files(folder):
        assert labels_of(open_dataset(file)) == {
            "a.jpg": {"Animals": 0, "Dog": 1, "sea": 1},
            "d.jpg": {"Animals": 1, "Dog": -1, "sea": -1},
            "e.jpg": {"Animals": -1, "Dog": -1, "sea": -1},
        }
        every = labels_of(open_dataset(file, checks=DatasetChecks(ancestors=True)))
        assert every["a.jpg"] == {"Animals": 1, "Dog": 1, "sea": 1}
        assert every["d.jpg"] == {"Animals": 1, "Dog": -1, "sea": -1}


def test_the_converter_of_label_studio_writes_taxonomies(folder: Path) -> None:
    config = """<Taxonomy name="kind" toName="image"><Choice value="Animals"><Choice value="Dog"/></Choice>
    <Choice value="sea"/></Taxonomy>"""
    for file in converted(folder, config, {"taxonomy": "kind"}, *LEVELS):
        data = open_dataset(file, images=folder)
        assert (data.classes, data.labels[0].tolist()) == (("Animals", "Dog", "sea"), [0, 1, 1])
