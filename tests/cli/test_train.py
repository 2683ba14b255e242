"""``freeloc train``: the run folder, and one line per error."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import Dataset
from freeloc.geometry.pyramid import Pyramid
from freeloc.models.model import Model
from freeloc.runtime.processors import bfloat16_is_faster, explain_precision
from freeloc.training.settings import TrainingSettings
from tests.datasets.keywords.xmp_files import digikam

FAST = ("--backbone", "lite0", "--scales", "0.3", "--epochs", "1", "--batch-size", "8", "--no-report")


def folder_of(dataset: Dataset) -> Path:
    return dataset.samples[0].path.parent


@pytest.mark.slow
def test_options_reach_the_run(freeloc: Callable[..., Any], tiny_training: Dataset, tmp_path: Path) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("\n".join(reversed(tiny_training.classes)))
    out = tmp_path / "run"
    words = ("train", folder_of(tiny_training), "--out", out, *FAST, "--classes", classes, "--seed", 7)
    more: tuple[object, ...] = (
        "--cache-format",
        "int8",
        "--trainable-backbone",
        "projection",
        "--backbone-learning-rate",
        0.003,
    )
    more += ("--projection-learning-rate", 0.004, "--learning-rate", 0.01, "--precision", "float32")
    more += ("--momentum", 0.8, "--weight-decay", 0.001, "--hidden", 32)
    more += ("--feature-dropout", 0.1, "--hidden-dropout", 0.2)
    more += ("--padding", "paper", "--resize", "paper", "--min-images", 1, "--untagged", "unknown")
    answer = freeloc(*words, *more, "--cache", tmp_path / "cache")
    assert (answer.code, answer.out) == (0, "")
    assert f"{folder_of(tiny_training).name}: 16 images, 8 classes" in answer.err
    assert f"wrote {out / 'model.safetensors'}" in answer.err
    names = {path.name for path in out.iterdir()}
    assert names == {"model.safetensors", "manifest.json", "log.jsonl", "checkpoint.safetensors"}
    model = Model.load(out)
    assert model.header.backbone == "efficientnet_lite0"
    assert model.header.classes == tuple(reversed(tiny_training.classes))
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest == model.header.manifest
    assert manifest["seed"] == 7
    assert manifest["tag_rules"] == {
        "aliases": None,
        "fold_case": False,
        "min_images": 1,
        "untagged": "unknown",
    }
    recipe = manifest["recipe"]
    assert (recipe["scales"], recipe["epochs"], recipe["batch_size"]) == ([0.3], 1, 8)
    assert (recipe["learning_rate"], recipe["backbone_learning_rate"]) == (0.01, 0.003)
    assert recipe["projection_learning_rate"] == 0.004
    assert recipe["trainable_backbone"] == "projection"
    assert (recipe["momentum"], recipe["weight_decay"], recipe["hidden"]) == (0.8, 0.001, 32)
    assert (recipe["feature_dropout"], recipe["hidden_dropout"]) == (0.1, 0.2)
    assert (recipe["padding"], recipe["resize"]) == ("paper", "paper")
    assert model.header.pyramid == Pyramid(model.header.scales, "paper", "paper")
    assert model.header.head.hidden == 32
    assert set(model.backbone_changes) == {"projection.weight", "projection.bias"}
    assert manifest["cache"] == "int8"
    assert manifest["training_precision"] == "float32"
    assert manifest["precision"].endswith("float32")
    assert len((out / "log.jsonl").read_text().splitlines()) == 1
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 16

    # The folder now contains a run; --resume has nothing left to do and does not change it.
    before = (out / "model.safetensors").read_bytes()
    again = freeloc(*words)
    assert (again.code, again.out) == (2, "")
    assert again.err.splitlines()[-1].startswith(f"freeloc: {out} already contains a run")
    assert (out / "model.safetensors").read_bytes() == before
    resumed = freeloc(*words, *more, "--cache", tmp_path / "cache", "--resume")
    assert (resumed.code, resumed.out) == (0, "")
    assert "epoch 1" not in resumed.err
    assert f"the run in {out} is already finished" in resumed.err
    assert (out / "model.safetensors").read_bytes() == before


def test_boxes_are_read_only_if_they_are_told(
    freeloc: Callable[..., Any], tiny_coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, bool, tuple[int, ...]]] = []

    def run(dataset: Dataset, out: Path, settings: TrainingSettings, **_options: Any) -> None:
        asked.append((settings.recipe.supervision, dataset.has_boxes, settings.snapshots))

    monkeypatch.setattr("freeloc.training.train.train", run)
    words = ("train", tiny_coco, "--out", tmp_path / "run", "--classes", tmp_path / "classes.txt", "--quiet")
    shown = json.loads(tiny_coco.read_text())
    counts = Counter(
        name
        for image in shown["images"]
        for name in {
            shown["categories"][box["category_id"] - 1]["name"]
            for box in shown["annotations"]
            if box["image_id"] == image["id"]
        }
    )
    usable = [name for name, count in counts.items() if count < len(shown["images"])]
    (tmp_path / "classes.txt").write_text("\n".join(usable))
    for more in ((), ("--supervision", "masked"), ("--supervision", "masked_outside", "--snapshots", "0, 3")):
        assert freeloc(*words, *more).code == 0
    assert asked == [("tags", False, ()), ("masked", True, ()), ("masked_outside", True, (0, 3))]


def test_folds_reach_the_run(
    freeloc: Callable[..., Any], tiny_training: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def run(_dataset: Dataset, _out: Path, settings: TrainingSettings, **_options: Any) -> None:
        asked.append(settings.calibration_folds)

    monkeypatch.setattr("freeloc.training.train.train", run)
    words = ("train", folder_of(tiny_training), "--out", tmp_path / "run", "--quiet")
    for more in ((), ("--calibrate", 5)):
        assert freeloc(*words, *more).code == 0
    assert asked == [0, 5]


@pytest.mark.slow
def test_without_a_cache_scales_lie_between_those_given(
    freeloc: Callable[..., Any], tiny_training: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ("train", folder_of(tiny_training), "--out", out, *FAST, "--scales", "0.3,0.4", "--no-cache")
    answer = freeloc(*words, "--cache", tmp_path / "cache")
    assert (answer.code, answer.out) == (0, "")
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["cache"], manifest["recipe"]["scales"]) == (None, [0.3, 0.4])
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (
            ("--recipe", "cake"),
            "no recipe called 'cake': choose one of default, paper, cam (option --recipe)",
        ),
        (
            ("--scales", "big"),
            "scales is 'big', which is not a list of numbers: write it like 0.5,1,2 (option --scales)",
        ),
        (("--scales", ","), "scales is empty: specify at least one scale, such as 1.0 (option --scales)"),
        (("--pooling", "min"), "there is no pooling called 'min': choose one of max, lse, topk, average"),
        (("--pooling", "full"), "pooling 'full' uses scale 1 only"),
        (
            ("--pooling", "lse", "--supervision", "masked"),
            "pooling is 'lse': supervision masked requires \"max\" (option --pooling)",
        ),
        (("--supervision", "masked", "--quiet"), "has no boxes, which supervision masked requires"),
        (
            ("--snapshots", "few"),
            "snapshots is 'few', which is not a list of whole numbers: write it like 0,210,4200",
        ),
        (("--snapshots", "0,1111", "--quiet"), "snapshots includes step 1111: specify steps from 0 to"),
        (("--epochs", "0"), "epochs is 0: it must be at least 1 (option --epochs)"),
        (("--batch-size", "-3"), "batch_size is -3: it must be at least 1 (option --batch-size)"),
        (
            ("--learning-rate", "0"),
            "learning_rate is 0.0: it must be greater than 0 (option --learning-rate)",
        ),
        (
            ("--projection-learning-rate", "0"),
            "must be greater than 0 (option --projection-learning-rate)",
        ),
        (("--backbone-learning-rate", "0"), "must be greater than 0 (option --backbone-learning-rate)"),
        (
            ("--backbone", "lite0", "--trainable-backbone", "9", "--quiet"),
            "has no stage '9': choose 'none' or one of 1, 2, 3, 4, 5, 6, 7, projection (option --trainable",
        ),
        (
            ("--val-split", "1.5"),
            "val_split is 1.5: a fraction of the images must be between 0 and 1, such as 0.1 (option --val-split)",
        ),
        (("--val-split", "0.1", "--val", "other.csv"), "val_split is 0.1, but val specifies other images"),
        (
            ("--val-split", "later", "--quiet"),
            "has no images in the split 'later': it has no splits (option --val",
        ),
        (("--val", "gone.csv", "--quiet"), "no such file or folder: gone.csv"),
        (
            ("--val-format", "keywords"),
            "val_format describes other images for validation, but val is not their",
        ),
        (("--classes", "nowhere.txt"), "cannot read the class file nowhere.txt"),
        (("--backbone", "oak", "--quiet"), "there is no backbone called 'oak'"),
        (("--weights", "gone.pth", "--backbone", "lite0", "--quiet"), "weight file gone.pth does not exist"),
        (("--format", "voc"), ""),
        (("--split", "val"), "has no images in the split 'val': it has no splits (option --split)"),
    ],
)
def test_each_mistake_is_one_line(
    freeloc: Callable[..., Any], tiny_training: Dataset, tmp_path: Path, words: tuple[str, ...], wanted: str
) -> None:
    answer = freeloc("train", folder_of(tiny_training), "--out", tmp_path / "run", *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("freeloc: ")
    assert wanted in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def split_tags(file: Path, name: str) -> None:
    """Divide a tag list into the splits "a" and ``name``, to which every fourth image belongs."""
    rows = list(csv.DictReader(file.read_text().splitlines()))
    with file.open("w", newline="") as out:
        table = csv.DictWriter(out, [*rows[0], "split"])
        table.writeheader()
        table.writerows({**row, "split": "a" if n % 4 else name} for n, row in enumerate(rows))


@pytest.mark.slow
def test_validation_and_what_is_told(
    freeloc: Callable[..., Any], tiny_training: Dataset, tmp_path: Path
) -> None:
    shutil.copytree(folder_of(tiny_training), tmp_path / "data")
    split_tags(tmp_path / "data" / "metadata.csv", "b")
    words = ("train", tmp_path / "data", *FAST, "--cache", tmp_path / "cache")
    answer = freeloc(*words, "--split", "a", "--val-split", "b", "--out", tmp_path / "named")
    assert (answer.code, answer.out) == (0, "")
    lines = answer.err.splitlines()
    assert any(re.fullmatch(r"12 images, 8 classes: about \d+ seconds here.*", line) for line in lines), lines
    (epoch,) = (line for line in lines if line.startswith("epoch "))
    assert re.fullmatch(
        r"epoch 1: loss [\d.]+, validation loss [\d.]+, mAP [\d.]+ \(best\), [\d.]+ s.*", epoch
    )
    validation = Model.load(tmp_path / "named").header.manifest["validation"]
    assert (validation["images"], validation["best_epoch"]) == (4, 1)


def test_which_images_are_for_validation(
    freeloc: Callable[..., Any], tiny_training: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[set[str], float | None, int]] = []

    def run(dataset: Dataset, _out: Path, settings: TrainingSettings, **options: Any) -> None:
        names = {sample.path.name for sample in options["val"] or ()}
        asked.append((names, settings.val_split, len(dataset)))

    monkeypatch.setattr("freeloc.training.train.train", run)
    data, other = tmp_path / "data", tmp_path / "other"
    for folder in (data, other):
        shutil.copytree(folder_of(tiny_training), folder)
        split_tags(folder / "metadata.csv", "1" if folder == data else "b")
    names = [sample.path.name for sample in tiny_training]
    every_fourth = set(names[::4])
    words = ("train", data, "--out", tmp_path / "run", "--quiet")
    for more in (
        ("--split", "a", "--val-split", "1"),  # a whole number is the name of a split
        ("--split", "a", "--val", other, "--val-split", "b"),
        ("--val", other),
        ("--val-split", "0.2"),
        ("--val-split", ".5"),
    ):
        assert freeloc(*words, *more).code == 0
    assert asked == [
        (every_fourth, None, 12),
        (every_fourth, None, 12),
        (set(names), None, 16),
        (set(), 0.2, 16),
        (set(), 0.5, 16),
    ]


def test_validation_images_have_the_classes_of_the_training_images(
    freeloc: Callable[..., Any], tiny_training: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aliases and case apply to both, but the number of images only to training."""
    opened: list[tuple[Dataset, Dataset]] = []

    def run(dataset: Dataset, _out: Path, _settings: TrainingSettings, **options: Any) -> None:
        opened.append((dataset, options["val"]))

    monkeypatch.setattr("freeloc.training.train.train", run)
    shutil.copytree(folder_of(tiny_training), tmp_path / "data")
    names = [sample.path.name for sample in tiny_training]
    tags = ["dog", "Dog", "cat", "hound", "cow", "dog", "cat", "", "DOG", "Cat", "cow", ""]
    rows = [
        f"{name},{tag},{'a' if n < 8 else 'b'}"
        for n, (name, tag) in enumerate(zip(names, tags, strict=False))
    ]
    (tmp_path / "data" / "metadata.csv").write_text("\n".join(["file_name,tags,split", *rows]))
    (tmp_path / "aliases.json").write_text('{"dog": ["hound"]}')
    words: tuple[object, ...] = ("train", tmp_path / "data", "--out", tmp_path / "run", "--split", "a")
    words += (
        "--aliases",
        tmp_path / "aliases.json",
        "--fold-case",
        "--min-images",
        2,
        "--untagged",
        "unknown",
    )
    for more in (("--val-split", "b"), ("--val", tmp_path / "data", "--val-split", "b")):
        answer = freeloc(*words, *more)
        assert answer.code == 0
        assert "left out 1 class in fewer than 2 images: 'cow' (1)" in answer.err
    for train, val in opened:
        assert train.classes == val.classes == ("cat", "dog")
        assert train.labels.tolist() == [
            [-1, 1],
            [-1, 1],
            [1, -1],
            [-1, 1],
            [-1, -1],
            [-1, 1],
            [1, -1],
            [0, 0],
        ]
        assert val.labels.tolist() == [[-1, 1], [1, -1], [-1, -1], [0, 0]]
    assert len(opened) == 2


def test_keywords_of_validation_images_have_levels(
    freeloc: Callable[..., Any], tiny_training: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Dataset] = []
    monkeypatch.setattr("freeloc.training.train.train", lambda *_, val, **__: opened.append(val))
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        for number, sample in enumerate(tiny_training.samples[:3]):
            image = shutil.copy(sample.path, tmp_path / split)
            keyword = ("Animals/Dog", "Animals/Cat", "Cup")[number]
            Path(f"{image}.xmp").write_bytes(digikam(keyword))
    words = ("train", tmp_path / "train", "--format", "keywords", "--ancestors", "--out", tmp_path / "run")
    answer = freeloc(*words, "--val", tmp_path / "val", "--val-format", "keywords", "--quiet")
    assert (answer.code, answer.err) == (0, "")
    answer = freeloc(*words, "--val", tmp_path / "gone", "--val-images", tmp_path / "gone")
    assert answer.err.endswith("check the path of the dataset\n")
    (val,) = opened
    assert val.classes == ("Animals", "Cat", "Cup", "Dog")
    assert val.labels.tolist() == [[1, -1, -1, 1], [1, 1, -1, -1], [-1, -1, 1, -1]]


def test_the_output_is_checked_before_the_data(
    freeloc: Callable[..., Any], tiny_run: Path, tmp_path: Path
) -> None:
    answer = freeloc("train", tmp_path / "gone", "--out", tiny_run)
    assert answer.err.startswith(f"freeloc: {tiny_run} already contains a run")
    (tmp_path / "file").write_text("x")
    answer = freeloc("train", tmp_path / "gone", "--out", tmp_path / "file" / "run")
    assert answer.err.startswith(f"freeloc: cannot write {tmp_path / 'file' / 'run'}")
    unwritable = Path("/proc/self/run")  # not even the superuser can create a folder there
    if unwritable.parent.exists():
        answer = freeloc("train", tmp_path / "gone", "--out", unwritable)
        assert answer.code == 2
        assert answer.err.startswith(f"freeloc: cannot write {unwritable}")
        assert answer.err.count("\n") == 1


def test_missing_data_and_a_taken_folder(
    freeloc: Callable[..., Any], tiny_training: Dataset, tiny_run: Path, tmp_path: Path
) -> None:
    answer = freeloc("train", tmp_path / "gone", "--out", tmp_path / "run")
    assert answer.code == 2
    assert (
        answer.err == f"freeloc: no such file or folder: {tmp_path / 'gone'}; check the path of the dataset\n"
    )
    before = (tiny_run / "model.safetensors").read_bytes()
    answer = freeloc("train", folder_of(tiny_training), "--out", tiny_run, "--quiet")
    assert answer.code == 2
    assert answer.err.startswith(f"freeloc: {tiny_run} already contains a run (model.safetensors")
    assert "--resume" in answer.err
    assert answer.err.count("\n") == 1
    assert (tiny_run / "model.safetensors").read_bytes() == before


def test_a_class_that_the_data_lack_is_named_and_left_out(
    freeloc: Callable[..., Any], tiny_training: Dataset, tmp_path: Path
) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("\n".join((*tiny_training.classes, "unicorn")))
    words = ("train", folder_of(tiny_training), "--out", tmp_path / "run", "--classes", classes, *FAST)
    answer = freeloc(*words, "--runtime", "openvino", "--verbose")
    assert answer.code == 0
    assert answer.err.count("'unicorn'") == 1
    precision = "bfloat16" if bfloat16_is_faster("cpu") else "float32"
    assert answer.err.count(f"{explain_precision(precision)}\n") == 1, "--verbose says so"
    assert Model.load(tmp_path / "run").header.classes == tiny_training.classes


def test_training_that_diverges_in_its_last_step(
    freeloc: Callable[..., Any], tiny_training: Dataset, tmp_path: Path
) -> None:
    words = ("--backbone", "lite0", "--scales", "0.3", "--epochs", "1", "--quiet")
    answer = freeloc(
        "train", folder_of(tiny_training), "--out", tmp_path / "run", *words, "--learning-rate", "1e25"
    )
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("freeloc: training diverged")
    assert answer.err.endswith("use a learning rate below 1e+25 (option --learning-rate)\n")
    assert not (tmp_path / "run" / "model.safetensors").exists()
