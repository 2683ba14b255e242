"""``freeloc evaluate``: tables, JSON, several models, and a complete run from tags to numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import Dataset, open_dataset
from freeloc.datasets.detections import read_detections
from freeloc.evaluation.collect import collect
from freeloc.evaluation.evaluate import evaluate
from freeloc.evaluation.options import EvaluationOptions
from freeloc.inference.localizer import Localizer
from freeloc.metrics import LocationOptions, PointingOptions
from freeloc.models.model import Model
from freeloc.runtime.processors import bfloat16_is_faster, explain_precision
from freeloc.writers.voc_results import write_detection_results

TORCH = ("--runtime", "torch", "--precision", "float32", "--scales", "0.5")


@pytest.mark.slow
def test_from_tags_to_numbers(
    freeloc: Callable[..., Any], tiny_training: Dataset, tiny_run: Path, tiny_coco: Path, tmp_path: Path
) -> None:
    run, out = tmp_path / "round trip", tmp_path / "results" / "all.json"
    data = tiny_training.samples[0].path.parent
    fast = ("--backbone", "lite0", "--scales", "0.5", "--epochs", "2", "--no-report")
    assert freeloc("train", data, "--out", run, *fast).code == 0
    predictions = tmp_path / "predictions"
    images = tiny_coco.parent
    assert freeloc("predict", run, images, "--out", predictions, *TORCH).code == 0
    lines = (predictions / "predictions.jsonl").read_text().splitlines()
    assert len(lines) == 6

    words = ("evaluate", run, tiny_coco, "--images", images, "--against", tiny_run, "--out", out, *TORCH)
    metrics = (
        "--ap",
        "11point",
        "--ranking",
        "response",
        "--tolerance",
        "5",
        "--tolerance-frame",
        "normalized",
    )
    more: tuple[str, ...] = (
        "--distance",
        "euclidean",
        "--difficult",
        "ignore",
        "--crowd",
        "miss",
        "--resamples",
        "30",
    )
    more += ("--pointing-tolerance", "9", "--pointing-reach", "pixel", "--pointing-difficult", "miss")
    more += ("--pointing-crowd", "ignore", "--seed", "5")
    answer = freeloc(*words, *metrics, *more)
    assert answer.code == 0
    rows = [
        "round trip, fused",
        "round trip, paper",
        "tiny, fused",
        "tiny, paper",
        "center of the image",
    ]
    for row in rows:
        assert row in answer.out
    assert "6 images" in answer.out
    assert f"wrote {out}" in answer.err

    page = json.loads(out.read_text(), parse_constant=pytest.fail)
    assert [row["name"] for row in page["rows"]] == rows
    dataset = open_dataset(tiny_coco, images=images, classes=Model.load(run).header.classes, boxes=True)
    options = EvaluationOptions(
        flavour="11point",
        location=LocationOptions("response", 5.0, "normalized", "euclidean", "ignore", "miss", "11point"),
        pointing=PointingOptions(9.0, "pixel", "miss", "ignore"),
        resamples=30,
        seed=5,
    )
    found = [
        collect(
            Localizer.load(path, runtime="torch", precision="float32", scales=(0.5,)),
            dataset,
            name,
            quiet=True,
        )
        for path, name in ((run, "round trip"), (tiny_run, "tiny"))
    ]
    assert page == json.loads(json.dumps(evaluate(found, dataset, options).to_dict()))
    # Predict wrote the scores that evaluate measured.
    for line, scores in zip(lines, found[0].scores, strict=True):
        written = {each["name"]: each["score"] for each in json.loads(line)["classes"]}
        assert [written[name] for name in dataset.classes] == pytest.approx(scores.tolist(), rel=1e-5)


def test_tags_alone_give_what_needs_no_boxes(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_scenes: Dataset, tiny_coco: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tags.json"
    words = ("--resamples", "20", "--out", out, "--quiet", *TORCH)
    tags = tiny_scenes.samples[0].path.parent
    answer = freeloc("evaluate", tiny_run, tags, *words)
    assert (answer.code, answer.err) == (0, "")
    assert "has tags but no boxes: location AP and the pointing game need annotated boxes" in answer.out
    assert "tiny: calibration error" in answer.out
    found = json.loads(out.read_text(), parse_constant=pytest.fail)
    assert found["boxes"] is False
    assert [(row["name"], set(row)) for row in found["rows"]] == [("tiny", {"name", "classification"})]

    # The same images with boxes: the same scores, so the same numbers.
    answer = freeloc("evaluate", tiny_run, tiny_coco, "--images", tiny_coco.parent, *words)
    assert answer.code == 0
    boxed = json.loads(out.read_text(), parse_constant=pytest.fail)
    assert boxed["boxes"] is True
    assert boxed["rows"][0]["classification"] == found["rows"][0]["classification"]
    assert [dict(boxed[key][0], name="") for key in ("calibration", "decisions")] == [
        dict(found[key][0], name="") for key in ("calibration", "decisions")
    ]
    assert set(found["decisions"][0]["classes"]) == set(tiny_scenes.classes)


def test_verbose_tells_the_precision(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_scenes: Dataset, tmp_path: Path
) -> None:
    tags = tiny_scenes.samples[0].path.parent
    words = ("evaluate", tiny_run, tags, "--resamples", "5", "--scales", "0.3", "--runtime", "openvino")
    answer = freeloc(*words, "--verbose")
    assert answer.code == 0
    precision = "bfloat16" if bfloat16_is_faster("cpu") else "float32"
    # The model has no int8 network.
    assert answer.err.count(f"{explain_precision(precision, has_int8=False)}\n") == 1


def test_classes_that_only_one_side_has_are_named_once_and_left_out(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_coco: Path, tmp_path: Path
) -> None:
    model = Model.load(tiny_run)
    names = model.header.classes
    other = tmp_path / "other.safetensors"
    model.with_header(classes=("gnu", *reversed(names[1:]))).save(other)
    out = tmp_path / "all.json"
    words = ("--images", tiny_coco.parent, "--resamples", "5", "--out", out, *TORCH)
    answer = freeloc("evaluate", tiny_run, tiny_coco, "--against", other, *words)
    assert answer.code == 0
    assert answer.err.count("model tiny does not have the class 'gnu': left out\n") == 1
    assert answer.err.count(f"model other does not have the class {names[0]!r}: left out\n") == 1
    page = json.loads(out.read_text())
    assert list(page["positives"]) == list(names[1:])
    assert len(page["rows"]) == 5
    # Each model is compared by the names of its classes, whatever their order.
    scores = [list(row["classification"]["classes"]) for row in page["rows"]]
    assert scores == [list(names[1:])] * 5

    chosen = f"{names[3]},unicorn,{names[1]}"
    answer = freeloc("evaluate", tiny_run, tiny_coco, "--classes", chosen, *words)
    assert answer.code == 0
    assert "model tiny does not have the class 'unicorn'" in answer.err
    assert answer.err.count("unicorn") == 1
    assert list(json.loads(out.read_text())["positives"]) == [names[3], names[1]]


def test_what_has_nothing_in_common_is_refused_before_the_work(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_coco: Path, tmp_path: Path
) -> None:
    model = Model.load(tiny_run)
    other = tmp_path / "other.safetensors"
    model.with_header(classes=tuple("abcdefgh")).save(other)
    words = ("evaluate", tiny_run, tiny_coco, "--images", tiny_coco.parent, *TORCH)
    answer = freeloc(*words, "--against", other)
    assert (answer.code, answer.out) == (2, "")
    assert "the models 'tiny' and 'other' have no class in common" in answer.err
    answer = freeloc(*words, "--classes", "unicorn")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("freeloc: model tiny has none of the classes 'unicorn', only ")
    assert answer.err.endswith("(option --classes)\n")
    assert answer.err.count("\n") == 1
    answer = freeloc(*words, "--against", tmp_path / "gone")
    assert (answer.code, answer.out) == (2, "")
    assert "gone: the file does not exist" in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--tolerance", "-1"), "tolerance is -1.0: it must be at least 0"),
        (("--tolerance", "nan"), "tolerance is nan: it must be a finite number, at least 0"),
        (("--scales", "x"), "scales is 'x', which is not a list of numbers"),
        (("--split", "dusk"), "dusk"),
    ],
)
def test_each_mistake_is_one_line(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_coco: Path, words: tuple[str, ...], wanted: str
) -> None:
    answer = freeloc("evaluate", tiny_run, tiny_coco, "--images", tiny_coco.parent, *TORCH, *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("freeloc: ")
    assert wanted in answer.err
    assert answer.err.count("\n") == 1


# --- detectors --------------------------------------------------------------------------------------------


def perfect_boxes(scenes: Dataset, file: Path) -> Path:
    """The annotated boxes of the scenes as COCO results, with the ids of `tiny_coco`."""
    records = [
        {
            "image_id": number,
            "category_id": box.label + 1,
            "bbox": [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1],
            "score": 0.5,
        }
        for number, sample in enumerate(scenes, start=1)
        for box in sample.boxes or ()
    ]
    file.write_text(json.dumps(records))
    return file


def test_detections_without_a_model(
    freeloc: Callable[..., Any], tiny_scenes: Dataset, tiny_coco: Path, tmp_path: Path
) -> None:
    file, out = perfect_boxes(tiny_scenes, tmp_path / "perfect.json"), tmp_path / "all.json"
    data = open_dataset(tiny_coco, images=tiny_coco.parent, boxes=True)
    found = read_detections(file, data, data=tiny_coco)
    names = [sample.path.stem for sample in data]
    folder = write_detection_results(tmp_path / "Main", names, data.classes, found, "val")[0].parent
    words = ("--images", tiny_coco.parent, "--resamples", "20", "--box-iou", "0.9", "--box-iou", "0.25")
    answer = freeloc(
        "evaluate", "--detections", file, "--detections", folder, tiny_coco, "--out", out, *words
    )
    assert (answer.code, answer.err) == (0, f"wrote {out}\n")
    for title in ("perfect, surest box", "Main, surest box", "IoU 0.9", "IoU 0.25"):
        assert title in answer.out
    page = json.loads(out.read_text(), parse_constant=pytest.fail)
    assert [row["name"] for row in page["rows"]] == [
        "perfect, surest box",
        "Main, surest box",
        "center of the image",
    ]
    options = EvaluationOptions(resamples=20, box_iou=(0.9, 0.25))
    wanted = evaluate([], data, options, detections={"perfect": found, "Main": found})
    assert page == json.loads(json.dumps(wanted.to_dict()))
    for row in page["rows"][:2]:
        for key in ("classification", "location", "pointing", "box_ap_90", "box_ap_25"):
            assert row[key]["mean"]["value"] == 100.0, key


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("aliases", ["--aliases", "aliases.csv"]),
        ("fold_case", ["--fold-case"]),
        ("min_images", ["--min-images", "2"]),
    ],
)
def test_detections_need_the_classes_as_they_are(
    freeloc: Callable[..., Any],
    tiny_scenes: Dataset,
    tiny_coco: Path,
    tmp_path: Path,
    name: str,
    words: list[str],
) -> None:
    file = perfect_boxes(tiny_scenes, tmp_path / "perfect.json")
    answer = freeloc("evaluate", "--detections", file, tiny_coco, "--images", tiny_coco.parent, *words)
    assert (answer.code, answer.out) == (2, "")
    assert f"{name} changes the classes to which the detections refer: omit it" in answer.err


def test_boxes_of_resized_images_are_rescaled(
    freeloc: Callable[..., Any], tiny_scenes: Dataset, tiny_coco: Path, tmp_path: Path
) -> None:
    found, out = perfect_boxes(tiny_scenes, tmp_path / "perfect.json"), tmp_path / "all.json"
    contents = json.loads(tiny_coco.read_text())
    for image in contents["images"]:
        image["width"] *= 2
        image["height"] *= 2
    for item in contents["annotations"]:
        item["bbox"] = [2 * value for value in item["bbox"]]
    large = tmp_path / "instances.json"
    large.write_text(json.dumps(contents))
    words = ("evaluate", "--detections", found, large, "--images", tiny_coco.parent, "--out", out)
    answer = freeloc(*words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("it was resized after annotation") == 6
    assert "--rescale-boxes" in answer.err
    assert not out.exists()
    assert freeloc(*words, "--rescale-boxes").code == 0
    row = json.loads(out.read_text())["rows"][0]
    assert row["location"]["mean"]["value"] == row["box_ap_50"]["mean"]["value"] == 100.0


def test_the_kind_of_point_is_chosen_and_stated(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_coco: Path, tmp_path: Path
) -> None:
    out = tmp_path / "points.json"
    words = ("--images", tiny_coco.parent, "--scales", "0.5", "--resamples", "5", "--out", out, "--quiet")
    answer = freeloc("evaluate", tiny_run, tiny_coco, *words, *TORCH, "--point", "central")
    assert answer.code == 0
    page = json.loads(out.read_text())
    assert [(row["name"], row.get("point")) for row in page["rows"]] == [
        ("tiny, fused", "central"),
        ("tiny, paper", "salient"),
        ("center of the image", None),
    ]
    localizer = Localizer.load(tiny_run, runtime="torch", precision="float32", scales=(0.5,), point="central")
    dataset = open_dataset(tiny_coco, images=tiny_coco.parent, classes=localizer.classes, boxes=True)
    wanted = evaluate(
        [collect(localizer, dataset, "tiny", quiet=True)], dataset, EvaluationOptions(resamples=5)
    )
    assert page == json.loads(json.dumps(wanted.to_dict()))


def test_a_model_and_a_detector_in_one_table(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_scenes: Dataset, tiny_coco: Path, tmp_path: Path
) -> None:
    file, out = perfect_boxes(tiny_scenes, tmp_path / "perfect.json"), tmp_path / "all.json"
    words = ("--images", tiny_coco.parent, "--resamples", "20", "--out", out, "--quiet", *TORCH)
    rows = {}
    for place in (("evaluate", tiny_run, tiny_coco), ("evaluate", tiny_coco, "--against", tiny_run)):
        answer = freeloc(*place, "--detections", file, *words)
        assert answer.code == 0
        rows[place[1]] = json.loads(out.read_text())["rows"]
    assert [row["name"] for row in rows[tiny_run]] == [
        "tiny, fused",
        "tiny, paper",
        "perfect, surest box",
        "center of the image",
    ]
    assert rows[tiny_coco] == rows[tiny_run]
    perfect = rows[tiny_run][2]
    assert [perfect[f"box_ap_{iou}"]["mean"]["value"] for iou in (50, 30, 10)] == [100.0] * 3
    assert "box_ap_50" not in rows[tiny_run][0]


def test_a_detector_is_evaluated_on_some_classes(
    freeloc: Callable[..., Any], tiny_scenes: Dataset, tiny_coco: Path, tmp_path: Path
) -> None:
    file, out = perfect_boxes(tiny_scenes, tmp_path / "perfect.json"), tmp_path / "all.json"
    present: list[bool] = (tiny_scenes.labels.max(axis=0) > 0).tolist()
    chosen = [name for name, has in zip(tiny_scenes.classes, present, strict=True) if has][1:3]
    words = (
        "--images",
        tiny_coco.parent,
        "--resamples",
        "5",
        "--out",
        out,
        "--classes",
        ",".join(chosen[::-1]),
    )
    answer = freeloc("evaluate", "--detections", file, tiny_coco, *words)
    assert answer.code == 0
    page = json.loads(out.read_text())
    assert list(page["positives"]) == chosen[::-1]
    assert page["rows"][0]["box_ap_50"]["mean"]["value"] == 100.0


def test_the_table_is_printed_even_if_the_file_cannot_be_written(
    freeloc: Callable[..., Any],
    tiny_scenes: Dataset,
    tiny_coco: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, folder = perfect_boxes(tiny_scenes, tmp_path / "perfect.json"), tmp_path / "results"
    evaluate_images = evaluate

    def take_the_place(*words: Any, **options: Any) -> Any:
        folder.write_text("in the way of the folder")  # after the output path has been checked
        return evaluate_images(*words, **options)

    monkeypatch.setattr("freeloc.evaluation.evaluate.evaluate", take_the_place)
    words = ("--images", tiny_coco.parent, "--resamples", "5", "--out", folder / "all.json")
    answer = freeloc("evaluate", "--detections", file, tiny_coco, *words)
    assert answer.code == 2
    assert "perfect, surest box" in answer.out
    assert answer.err.startswith(f"freeloc: cannot write {folder / 'all.json'}: ")


def test_a_detectors_mistakes_are_seen_before_the_work(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_coco: Path, tmp_path: Path
) -> None:
    file = tmp_path / "found.json"
    file.write_text('[\n{"image_id": 7000, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]')
    words = ("evaluate", tiny_run, tiny_coco, "--images", tiny_coco.parent, *TORCH)
    answer = freeloc(*words, "--detections", file)
    assert (answer.code, answer.out) == (2, "")
    assert f"{file}:2: image 7000 is not in COCO instances" in answer.err
    assert "evaluating" not in answer.err, "progress of work that was in vain"
    for option, wanted in (
        (("--detections", tmp_path / "gone.json"), "no such file or folder"),
        (
            ("--detections", tmp_path),
            "contains no results: specify a folder with files such as comp3_det_val_dog.txt",
        ),
        (("--detections", file, "--box-iou", "0"), "box IoU is 0: it must be above 0"),
    ):
        answer = freeloc(*words, *option)
        assert (answer.code, answer.out) == (2, "")
        assert wanted in answer.err
        assert answer.err.count("\n") == 1
