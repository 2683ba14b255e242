"""``freeloc check``: the contents of a dataset, or every problem in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeloc.datasets import Dataset
from freeloc.training.settings import TrainingSettings
from freeloc.training.suspects import Suspect
from tests.datasets.keywords.xmp_files import digikam
from tests.datasets.tags.tag_lists import images
from tests.models.model_files import rewrite


@pytest.fixture
def copied(tiny_scenes: Dataset, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_scenes.samples[0].path.parent, tmp_path / "scenes"))


def test_good_data_is_counted(
    freeloc: Callable[..., Any], copied: Path, tiny_scenes: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied.parent)
    answer = freeloc("check", copied)
    assert (answer.code, answer.err) == (0, "")
    first, *rest = answer.out.splitlines()
    assert first == "scenes: 6 images, 8 classes"
    counts = zip(np.sum(tiny_scenes.labels > 0, axis=0), tiny_scenes.classes, strict=True)
    assert [line.split(maxsplit=1) for line in rest[:8]] == [
        [str(count), name] for count, name in sorted(counts, key=lambda item: (-item[0], item[1]))
    ]
    *warnings, verdict, command = rest[8:]
    assert warnings[0].startswith("warning: 8 classes have fewer than 10 images: ")
    assert warnings[0].endswith("(option --min-images)")
    assert all(line.startswith(("warning: ", "  ")) for line in warnings)
    assert verdict.startswith("verdict: can be used for training (6 images and 8 classes), but ")
    assert command == f"next: freeloc train {copied} --out run"


def test_the_next_command_repeats_the_options(
    freeloc: Callable[..., Any], copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()  # of another model
    folder = copied.rename(tmp_path / "my scenes")
    rows = (folder / "metadata.csv").read_text().splitlines()
    split = [f"{row},{'val' if number == 6 else 'train'}" for number, row in enumerate(rows)]
    (folder / "metadata.csv").write_text("\n".join([f"{rows[0]},split", *split[1:], "gone.jpg,mug,train"]))
    answer = freeloc("check", folder, "--skip-bad", "--format", "tags", "--images", folder)
    assert answer.out.splitlines()[-1] == (
        f"next: freeloc train '{folder}' --split train --skip-bad --format tags --images '{folder}' "
        "--val-split val --out 'run-my scenes'"
    )
    answer = freeloc("check", folder, "--skip-bad", "--split", "train")
    assert "in other splits than train were not looked for: --other-split compares them" in answer.out
    answer = freeloc("check", folder, "--skip-bad", "--split", "train", "--other-split", "val")
    assert (answer.code, "--other-split" in answer.out) == (0, False)


def test_keywords_with_their_levels(
    freeloc: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    album = tmp_path / "album"
    images(album, "sub/a.jpg", "b.jpg", "c.jpg")
    (album / "sub" / "a.jpg.xmp").write_bytes(digikam("Animals/Dog"))
    (album / "b.xmp").write_bytes(digikam("Animals/Cat"))
    answer = freeloc("check", album)
    assert answer.code == 2
    assert answer.err == (
        f"freeloc: {album} could be in the format tags or keywords: choose one (option --format)\n"
    )
    answer = freeloc("check", album, "--format", "keywords", "--ancestors")
    lines = answer.out.splitlines()
    assert (answer.code, answer.err) == (0, "")
    assert [line.split() for line in lines[1:4]] == [["2", "Animals"], ["1", "Cat"], ["1", "Dog"]]
    assert lines[-1] == f"next: freeloc train {album} --format keywords --ancestors --out run"
    (album / "b.xmp").write_bytes(digikam("Animals/Cat")[:-40])
    answer = freeloc("check", album, "--format", "keywords")
    assert (answer.code, answer.out) == (2, "")
    assert f"{album / 'b.xmp'}:32: malformed XML" in answer.err
    answer = freeloc("check", a_list(album), "--ancestors")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert answer.err.endswith("omit it (option --ancestors)\n")


def a_list(folder: Path) -> Path:
    file = folder / "list.csv"
    file.write_text("file_name,tags\nb.jpg,dog\nc.jpg,cat\n")
    return file


def test_all_that_is_wrong_comes_at_once(
    freeloc: Callable[..., Any], copied: Path, tiny_scenes: Dataset
) -> None:
    names = [sample.path.name for sample in tiny_scenes]
    (copied / names[0]).unlink()
    (copied / names[3]).write_bytes(b"torn")
    answer = freeloc("check", copied)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"freeloc: 2 problems in {copied}")
    assert f"metadata.csv:2: image {copied / names[0]} is missing" in answer.err
    assert f"metadata.csv:5: image {copied / names[3]}" in answer.err
    assert "--skip-bad" in answer.err
    assert "Traceback" not in answer.err


def test_bad_images_can_be_left_out(freeloc: Callable[..., Any], copied: Path) -> None:
    with (copied / "metadata.csv").open("a") as file:
        file.write("gone.jpg,mug\n")
    answer = freeloc("check", copied, "--skip-bad")
    assert answer.code == 0
    assert answer.out.startswith("scenes: 6 images, 8 classes, 1 bad image skipped\n")


def test_images_of_another_size_are_named_although_tags_remain_valid(
    freeloc: Callable[..., Any], tiny_coco: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "instances.json"
    contents = json.loads(tiny_coco.read_text())
    for image in contents["images"]:
        image["width"] *= 2
    file.write_text(json.dumps(contents))
    answer = freeloc("check", file, "--images", tiny_coco.parent)
    assert (answer.code, answer.out.splitlines()[0]) == (0, "COCO instances: 6 images, 8 classes")
    headline, *lines = caplog.text.splitlines()
    assert "labels are not affected, but boxes would not fit" in headline
    assert len(lines) == 6


def test_a_class_that_training_would_miss_is_wrong(freeloc: Callable[..., Any], copied: Path) -> None:
    text = (copied / "metadata.csv").read_text().replace("umbrella", "mug")
    rows = [row.replace("mug;mug", "mug") for row in text.splitlines()]
    columns = ["file_name,mug,unicorn", *(f"{row.split(',')[0]},1,0" for row in rows[1:])]
    (copied / "metadata.csv").write_text("\n".join(columns))
    answer = freeloc("check", copied)
    assert (answer.code, answer.out) == (2, "")
    assert "class 'unicorn' has no image" in answer.err


def test_missing_data_is_one_line(freeloc: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "gone", tmp_path / "empty"):
        answer = freeloc("check", place)
        assert (answer.code, answer.out) == (2, "")
        assert str(place) in answer.err
        assert answer.err.count("\n") == 1


def test_a_class_on_every_image_is_wrong_and_can_be_left_out(
    freeloc: Callable[..., Any], copied: Path, tmp_path: Path
) -> None:
    text = (copied / "metadata.csv").read_text()
    header, *rows = text.splitlines()
    tagged = [row.split(",", 2) for row in rows]
    assert header.split(",")[:2] == ["file_name", "tags"]
    columns = ["file_name,mug,odd", *(f"{row[0]},1,{number % 2}" for number, row in enumerate(tagged))]
    (copied / "metadata.csv").write_text("\n".join(columns))
    answer = freeloc("check", copied)
    assert (answer.code, answer.out) == (2, "")
    assert "1 class in every image" in answer.err
    assert "class 'mug' is in every image" in answer.err
    (tmp_path / "names.txt").write_text("odd\n")
    answer = freeloc("check", copied, "--classes", tmp_path / "names.txt")
    assert answer.code == 0
    assert answer.out.startswith("scenes: 6 images, 1 class\n       3  odd\n")


def test_a_image_that_does_not_decode_is_found(
    freeloc: Callable[..., Any], copied: Path, tiny_scenes: Dataset
) -> None:
    torn = copied / tiny_scenes.samples[2].path.name
    data = bytearray(torn.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 300] = b"\xff" * 300
    torn.write_bytes(data)
    answer = freeloc("check", copied)
    assert (answer.code, answer.out) == (2, "")
    assert f"metadata.csv:4: image {torn} cannot be read: decoding failed" in answer.err
    assert answer.err.count(str(torn)) == 1


def test_the_export_of_a_label_tool_is_checked_and_its_mend_is_an_option(
    freeloc: Callable[..., Any], copied: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in copied.glob("*.jpg")) or sorted(
        path.name for path in copied.glob("*.png")
    )
    choices = [{"type": "choices", "value": {"choices": [word]}} for word in ("dog", "cat")]
    tasks = [
        {
            "data": {"image": f"/data/upload/1/0a1b2c3d-{name}"},
            "annotations": [{"result": [choices[number % 2]]}],
        }
        for number, name in enumerate(names)
    ]
    export = tmp_path / "export.json"
    export.write_text(json.dumps(tasks))
    missing = freeloc("check", export)
    assert missing.code == 2
    assert "set images to the folder that contains the images" in missing.err
    for words in ([], ["--format", "label_studio"]):
        answer = freeloc("check", export, "--images", copied, *words)
        assert answer.code == 0, answer.err
        assert answer.out.startswith(f"export: {len(names)} images, 2 classes\n")


# --- messy tags --------------------------------------------------------------------------------------------


@pytest.fixture
def messy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of ten images with tags in several spellings, next to a file of aliases."""
    tags = ["zebra", "zebra", "zebra;Dog", "zebra", "zebra", "zbera;dog", "dog", "dogs", "todo", ""]
    for index in range(len(tags)):
        Image.new("RGB", (32, 24), (25 * index, 80, 120)).save(tmp_path / f"{index}.png")
    rows = [f"{index}.png,{tag}" for index, tag in enumerate(tags)]
    (tmp_path / "tags.csv").write_text("\n".join(["file_name,tags", *rows]))
    (tmp_path / "aliases.csv").write_text("tag,class\ndogs,dog\ntodo,\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tags.csv"


@pytest.mark.usefixtures("messy")
def test_messy_tags_are_shown_with_what_options_would_change(freeloc: Callable[..., Any]) -> None:
    answer = freeloc("check", "tags.csv", "--quiet")
    lines = answer.out.splitlines()
    assert lines[:8] == [
        "tags: 10 images, 6 classes",
        "       5  zebra",
        "       2  dog",
        "       1  Dog",
        "       1  dogs",
        "       1  todo",
        "       1  zbera",
        "without any tag: 1 of 10 images; every class is absent from them (option --untagged)",
    ]
    warnings = [line for line in lines if line.startswith(("warning", " "))]
    assert "  'Dog' and 'dog' and 'dogs'" in warnings
    assert "  'zbera' (1): 'zebra' (5)" in warnings
    assert sum("(option --aliases)" in line for line in warnings) == 2


@pytest.mark.usefixtures("messy")
def test_options_for_messy_tags_are_applied_and_repeated(freeloc: Callable[..., Any]) -> None:
    options = ["--aliases", "aliases.csv", "--fold-case", "--min-images", "2", "--untagged", "unknown"]
    answer = freeloc("check", "tags.csv", "--quiet", *options)
    lines = answer.out.splitlines()
    assert lines[:7] == [
        "tags: 10 images, 2 classes",
        "       5  zebra",
        "       4  dog",
        "merged into dog: 'dog' (2), 'Dog' (1), 'dogs' (1)",
        "left out by aliases: 'todo' (1)",
        "left out in fewer than 2 images: 'zbera' (1)",
        "without any tag: 2 of 10 images; every class is unknown in them (option --untagged)",
    ]
    assert lines[-1] == f"next: freeloc train tags.csv {' '.join(options)} --out run"


@pytest.mark.usefixtures("messy")
def test_aliases_that_no_image_has_are_named(freeloc: Callable[..., Any]) -> None:
    answer = freeloc("check", "tags.csv", "--quiet", "--aliases", "tags.csv")
    names = ", ".join(repr(f"{index}.png") for index in range(7))
    assert f"aliases of no tag: 'file_name', {names} and 3 more\n" in answer.out


@pytest.mark.usefixtures("messy")
def test_json_has_everything(freeloc: Callable[..., Any]) -> None:
    answer = freeloc("check", "tags.csv", "--json", "--fold-case", "--min-images", "2")
    assert (answer.code, answer.err) == (0, "")
    report = json.loads(answer.out)
    assert report["classes"] == {"dog": 3, "zebra": 5}
    assert report["tags"][:3] == [
        {"tag": "zebra", "images": 5, "class": "zebra"},
        {"tag": "dog", "images": 2, "class": "dog"},
        {"tag": "Dog", "images": 1, "class": "dog"},
    ]
    assert report["left_out"] == {"dogs": 1, "todo": 1, "zbera": 1}
    assert (report["untagged"], report["rules"]["min_images"]) == (1, 2)
    assert {"similar_names", "misspelled_names"} <= {finding["kind"] for finding in report["findings"]}
    assert report["next"].startswith("freeloc train tags.csv --fold-case --min-images 2")


def test_a_long_table_is_cut_short(freeloc: Callable[..., Any], messy: Path) -> None:
    more = ";".join(f"{number} apples" for number in range(1000, 1200))
    messy.write_text(messy.read_text() + f"{more}\n")
    answer = freeloc("check", "tags.csv", "--quiet", "--min-images", "1")
    table = [line for line in answer.out.splitlines() if line.startswith("    ")]
    assert len(table) == 101
    assert table[-1] == "          and 106 classes more in at most 1 image (option --json)"


@pytest.mark.usefixtures("messy")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--aliases", "gone.csv"],
            "no such file or folder: gone.csv; check the path of the aliases (option",
        ),
        (
            ["--min-images", "50"],
            "the most frequent one is 'zebra' with 5: choose a lower min_images (option --min",
        ),
        (["--min-images", "-1"], "--min-images"),
        (["--untagged", "maybe"], "--untagged"),
    ],
)
def test_wrong_options_for_messy_tags(freeloc: Callable[..., Any], options: list[str], message: str) -> None:
    answer = freeloc("check", "tags.csv", "--quiet", *options)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err


def test_suspects_are_listed(
    freeloc: Callable[..., Any], tiny_training: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the kind, most certain first; `tests/training/test_suspects.py` tests which ones they are."""
    data = tiny_training.samples[0].path.parent
    calls: list[tuple[int, str, str | None]] = []

    def fake(
        dataset: Dataset, settings: TrainingSettings, *, model: str | None, count: int, quiet: bool
    ) -> tuple[Suspect, ...]:
        calls.append((count, settings.backbone, model))
        paths = [sample.path for sample in dataset]
        return (Suspect(paths[0], "ring", "missing", 0.987), Suspect(paths[1], "star", "wrong", 0.004))

    monkeypatch.setattr("freeloc.training.suspects.find_suspects", fake)
    answer = freeloc("check", data, "--suspects", 5, "--backbone", "efficientnet_lite0")
    assert answer.code == 0, answer.err
    first, second = (sample.path for sample in tiny_training.samples[:2])
    lines = answer.out.splitlines()
    assert lines[-5].startswith("next: freeloc train")
    assert lines[-4].startswith("tags that may be missing, most suspicious first, ")
    assert lines[-3] == f"   98.7%  ring  {first}"
    assert lines[-2].startswith("tags that may be wrong, most suspicious first, ")
    assert lines[-1] == f"    0.4%  star  {second}"
    values = json.loads(freeloc("check", data, "--suspects", 5, "--model", "voc20", "--json").out)
    assert [suspect["kind"] for suspect in values["suspects"]] == ["missing", "wrong"]
    assert "suspects" not in json.loads(freeloc("check", data, "--json").out)
    assert calls == [(5, "efficientnet_lite0", None), (5, "efficientnet_lite2", "voc20")]


def test_heads_judge_the_images_that_the_model_was_trained_on(
    freeloc: Callable[..., Any], tiny_training: Dataset, tiny_run: Path, tmp_path: Path
) -> None:
    data, model = tiny_training.samples[0].path.parent, tmp_path / "model.safetensors"
    shutil.copy(tiny_run / "model.safetensors", model)
    # Heads are trained by the recipe of the model: the shortest one.
    short = {"epochs": 1, "min_steps": 0, "warm_start_epochs": 0, "scales": [0.7]}
    rewrite(model, lambda header: header["manifest"]["recipe"].update(short))
    answer = freeloc("check", data, "--suspects", 2, "--model", model)
    assert answer.code == 0, answer.err
    assert f"model {tmp_path.name} was trained on 16 of these 16 images: heads are trained" in answer.err
    assert [line for line in answer.err.splitlines() if line.startswith("fold ")] == [
        f"fold {number} of 3" for number in (1, 2, 3)
    ]
    missing, wrong = (tiny_training.labels < 0), (tiny_training.labels > 0)
    for tags, lines in ((missing, answer.out.splitlines()[-5:-3]), (wrong, answer.out.splitlines()[-2:])):
        for line in lines:
            percentage, name, path = line.split(maxsplit=2)
            image = [str(sample.path) for sample in tiny_training].index(path)
            assert tags[image, tiny_training.classes.index(name)]
            assert 0 <= float(percentage.rstrip("%")) <= 100


def test_the_report_is_printed_although_suspects_cannot_be_found(
    freeloc: Callable[..., Any], copied: Path, tiny_scenes: Dataset
) -> None:
    first, second = (sample.path.name for sample in tiny_scenes.samples[:2])
    (copied / "metadata.csv").write_text(f"file_name,tags\n{first},dog\n{second},cat\n")
    answer = freeloc("check", copied, "--suspects", 5)
    assert answer.code == 2
    assert answer.out.splitlines()[-1].startswith("next: freeloc train")
    assert "scenes has 2 images, but 3 heads" in answer.err
    assert answer.err.endswith("add images, or specify a model that was trained on other images\n")


def test_a_model_without_suspects_has_nothing_to_do(freeloc: Callable[..., Any], copied: Path) -> None:
    answer = freeloc("check", copied, "--model", "voc20")
    assert (answer.code, answer.out) == (2, "")
    assert "add --suspects 50, or leave --model out" in answer.err
