"""``train`` takes a path and every setting by its own name, as the shell has them."""

from __future__ import annotations

import shutil
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import typer

import freeloc
from freeloc.cli import program
from freeloc.datasets import Dataset
from freeloc.datasets.training_data import DataOptions
from freeloc.errors import ConfigurationError, FreelocError
from freeloc.training.options import TrainOptions, merge_settings, open_inputs
from freeloc.training.recipe import RECIPES, Recipe
from freeloc.training.settings import TrainingSettings
from tests.datasets.keywords.xmp_files import digikam

RENAMED = {"no_cache": "cache_features", "no_report": "report", "format_": "format"}
"""Options of the shell that have another name in Python."""

RECIPE_FIELDS = {field.name: field for field in fields(Recipe)}
SETTINGS = {field.name: field for field in fields(TrainingSettings)}


def test_the_options_are_the_fields_of_the_settings() -> None:
    names = set(TrainOptions.__annotations__)
    of_validation = {"val_format", "val_images"}
    assert names == {*SETTINGS, *RECIPE_FIELDS, *DataOptions.__annotations__, *of_validation} - {"name"}


def test_the_shell_has_the_same_names_and_defaults() -> None:
    command = typer.main.get_command(program.app).commands["train"]  # type: ignore[attr-defined]
    compared = 0
    for parameter in command.params:
        name = RENAMED.get(parameter.name, parameter.name)
        if name in {"data", "out", "val", "resume", "quiet", "verbose", "help"}:
            continue
        assert name in TrainOptions.__annotations__, name
        default = parameter.default
        if name in SETTINGS and name != "recipe":
            wanted = SETTINGS[name].default
            assert wanted is not MISSING
            assert (not default if parameter.name in RENAMED else default) in (wanted, wanted or None), name
            compared += 1
        elif name in RECIPE_FIELDS:  # the recipe decides, except about what is only done on request
            on_request = {"supervision", "missing_tags"}
            assert default == (getattr(RECIPES["default"], name) if name in on_request else None), name
            compared += 1
    assert compared >= 20


def test_settings_by_their_names() -> None:
    settings = merge_settings(None, {"epochs": 3, "seed": 7, "weights": None, "split": "train"})
    assert settings == TrainingSettings(recipe=Recipe.named("default", epochs=3), seed=7)
    assert settings.recipe.min_steps == 0
    given = TrainingSettings(seed=5, recipe=Recipe(batch_size=4, min_steps=9))
    assert merge_settings(given, {}) == given
    changed = merge_settings(given, {"learning_rate": 0.5})
    assert (changed.seed, changed.recipe) == (5, Recipe(batch_size=4, min_steps=9, learning_rate=0.5))
    assert merge_settings(given, {"recipe": "paper"}).recipe == RECIPES["paper"]
    assert merge_settings(None, {"val_split": 0.2}).val_split == 0.2
    assert merge_settings(None, {"val_split": "val"}).val_split is None


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"epoch": 3}, "epoch"),
        ({"epochs": 0}, "epochs"),
        ({"recipe": "quick"}, "recipe"),
        ({"recipe": 3}, "recipe"),
        ({"seed": -1}, "seed"),
        ({"split": "train"}, "split"),
        ({"val_split": "val"}, "val_split"),
        ({"val_format": "keywords"}, "val_format"),
        ({"val_images": "photos"}, "val_images"),
    ],
)
def test_wrong_options_are_refused_before_any_work(
    tiny_training: Dataset, tmp_path: Path, options: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(ValueError, match=parameter) as caught:
        freeloc.train(tiny_training, tmp_path / "run", quiet=True, **options)
    assert isinstance(caught.value, ConfigurationError)
    assert caught.value.parameter == parameter
    assert not (tmp_path / "run").exists()


def test_a_near_name_is_suggested() -> None:
    wrong: Any = {"epoch": 3}
    with pytest.raises(ConfigurationError, match="train has no option called 'epoch': did you mean 'epochs'"):
        merge_settings(None, wrong)


def test_data_and_validation_by_their_paths(tiny_training: Dataset, tmp_path: Path) -> None:
    folder = tiny_training[0].path.parent
    rows = (folder / "metadata.csv").read_text().splitlines()
    split = [f"{row},{'val' if number < 4 else 'train'}" for number, row in enumerate(rows[1:])]
    file = tmp_path / "tags.csv"
    file.write_text("\n".join([f"{rows[0]},split", *split]))
    options: Any = {"split": "train", "images": folder, "val_split": "val"}
    inputs = open_inputs(file, None, TrainingSettings(), options, quiet=True)
    assert len(inputs.dataset) == len(tiny_training) - 4
    assert inputs.val is not None
    assert [sample.path.name for sample in inputs.val] == [sample.path.name for sample in tiny_training[:4]]
    assert inputs.val.classes == inputs.dataset.classes
    other = open_inputs(folder, tiny_training, TrainingSettings(), {}, quiet=True)
    assert (len(other.dataset), other.val) == (len(tiny_training), tiny_training)


def test_validation_images_have_the_classes_of_the_training_images(
    tiny_training: Dataset, tmp_path: Path
) -> None:
    folder = tiny_training[0].path.parent
    tags = ["dog", "Dog", "cat", "hound", "cow", "dog", "cat", "", "DOG", "Cat", "cow", ""]
    rows = [
        f"{sample.path.name},{tag},{'a' if n < 8 else 'b'}"
        for n, (sample, tag) in enumerate(zip(tiny_training, tags, strict=False))
    ]
    file = tmp_path / "tags.csv"
    file.write_text("\n".join(["file_name,tags,split", *rows]))
    options: Any = {"split": "a", "images": folder, "val_split": "b", "fold_case": True, "min_images": 2}
    options |= {"aliases": {"dog": ["hound"]}, "untagged": "unknown"}
    inputs = open_inputs(file, None, TrainingSettings(), options, quiet=True)
    assert inputs.val is not None
    assert inputs.dataset.classes == inputs.val.classes == ("cat", "dog")
    assert inputs.val.labels.tolist() == [[-1, 1], [1, -1], [-1, -1], [0, 0]]


@pytest.fixture
def photos(tiny_training: Dataset, tmp_path: Path) -> Path:
    """Four images with keywords in sidecars."""
    folder = tmp_path / "photos"
    folder.mkdir()
    keywords: tuple[list[str], ...] = (["Animals/Dog"], ["Animals/Cat"], ["Things/Cup"], [])
    for sample, names in zip(tiny_training, keywords, strict=False):
        shutil.copy(sample.path, folder)
        (folder / f"{sample.path.name}.xmp").write_bytes(digikam(*names))
    return folder


def test_tags_of_other_images_mean_the_same(photos: Path, tmp_path: Path) -> None:
    options: Any = {"format": "keywords", "classes": ["Animals", "Dog"], "ancestors": True}

    def labels(val: Path, **more: Any) -> Any:
        every: Any = {**options, **more}
        inputs = open_inputs(photos, val, TrainingSettings(), every, quiet=True)
        assert inputs.val is not None
        return inputs.val.labels.tolist()

    assert labels(photos, val_format="keywords") == [[1, 1], [1, -1], [-1, -1], [-1, -1]]
    # A list of tags has no levels, and one with a column per class has.
    names = sorted(path.name for path in photos.glob("*.jpg"))
    tags, columns = tmp_path / "tags.csv", tmp_path / "columns.csv"
    tags.write_text(f"file_name,tags\n{names[0]},Dog\n{names[1]},Animals\n")
    columns.write_text(f"file_name,Animals,Dog\n{names[0]},-1,1\n{names[1]},1,0\n{names[2]},0,0\n")
    assert labels(tags, val_images=photos) == [[-1, 1], [1, -1]]
    assert labels(columns, val_images=photos) == [[-1, 1], [1, 0], [0, 0]]
    options = {"images": photos, "val_images": photos, "minus_one": "unknown"}
    inputs = open_inputs(columns, tags, TrainingSettings(), options, quiet=True)
    assert inputs.val is not None
    assert inputs.val.labels.tolist() == [[-1, 1], [1, -1]]


@pytest.mark.parametrize("name", ["split", "format", "images"])
def test_an_error_about_other_images_names_their_option(photos: Path, tmp_path: Path, name: str) -> None:
    options: Any = {"format": "keywords", "val_format": "keywords", f"val_{name}": str(tmp_path / "gone")}
    with pytest.raises(FreelocError) as caught:
        open_inputs(photos, photos, TrainingSettings(), options, quiet=True)
    assert caught.value.parameter == f"val_{name}"


def test_data_without_other_images_are_a_warning_once(
    tiny_training: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tiny_training.samples[0].path.parent
    inputs = open_inputs(folder, None, TrainingSettings(), {}, quiet=True)
    told = [message for message in caplog.messages if "at least one of the classes" in message]
    tagged = (tiny_training.labels > 0).any(axis=1)
    assert tagged.all()
    assert [message.split(";")[0] for message in told] == [
        f"{inputs.dataset.name}: every image has at least one of the classes"
    ]
    caplog.clear()
    open_inputs(tiny_training, None, TrainingSettings(), {}, quiet=True)
    assert caplog.messages == []


def test_a_missing_path_is_a_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no such file or folder: .*gone; check the path of the dataset"
    ):
        freeloc.train(tmp_path / "gone", tmp_path / "run", epochs=2)
