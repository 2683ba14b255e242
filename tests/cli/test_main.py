"""The program as a whole: help, version, errors, Ctrl-C, and defaults that match the library's."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from freeloc import cli
from freeloc.cli import options
from freeloc.cli.calibrate import calibrate as calibrate_command
from freeloc.cli.check import check as check_command
from freeloc.cli.demo import demo as demo_command
from freeloc.cli.evaluate import evaluate as evaluate_command
from freeloc.cli.models import models as models_command
from freeloc.cli.predict import predict as predict_command
from freeloc.cli.program import app
from freeloc.cli.quantize import quantize as quantize_command
from freeloc.cli.train import train as train_command
from freeloc.datasets import DatasetChecks, TagRules, open_dataset
from freeloc.datasets.tag_options import TagOptions
from freeloc.datasets.training_data import open_for_validation
from freeloc.demo.run import DemoSettings
from freeloc.errors import ConfigurationError
from freeloc.evaluation.options import EvaluationOptions
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.metrics import (
    CalibrationOptions,
    LocationOptions,
    PointingOptions,
)
from freeloc.prediction.predict_files import PredictionOptions, predict_files
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train
from freeloc.visualization import draw_overlay
from freeloc.visualization.overlay import draw_panels
from freeloc.writers import write_maps

COMMANDS = ("demo", "train", "predict", "evaluate", "check", "calibrate", "quantize", "models")


def program(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


# --- help and version -------------------------------------------------------------------------------------


def test_help_answers_without_loading_anything_heavy() -> None:
    done = program(f"""
import sys
from freeloc.cli import main
for words in [[], *([name] for name in {COMMANDS})]:
    for flag in ("--help", "-h"):
        sys.argv = ["freeloc", *words, flag]
        try:
            main()
        except SystemExit as stop:
            assert not stop.code, (words, stop.code)
heavy = {{"torch", "openvino", "numpy", "PIL", "safetensors"}} & sys.modules.keys()
assert not heavy, heavy
""")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("Usage") == 2 * (1 + len(COMMANDS))
    for name in COMMANDS:
        assert name in done.stdout


def test_the_version_is_the_packages(freeloc: Callable[..., Any]) -> None:
    from importlib.metadata import version

    answer = freeloc("--version")
    assert (answer.code, answer.out) == (0, f"freeloc {version('freeloc')}\n")


def test_the_package_runs_as_a_module(freeloc: Callable[..., Any]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "freeloc", "--version"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (freeloc("--version").out, "")


def test_no_words_at_all_give_the_help(freeloc: Callable[..., Any]) -> None:
    answer = freeloc()
    assert "Usage" in answer.out + answer.err


# --- mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_mistake_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    """Run in a separate process, as users do; the other tests call ``main`` in this process."""
    model = str(tmp_path / "gone.safetensors")
    (tmp_path / "a.jpg").write_bytes(b"")
    words = ["freeloc", "predict", model, str(tmp_path / "a.jpg"), "--out", str(tmp_path / "out")]
    done = program(f"import sys; from freeloc.cli import main; sys.argv = {words!r}; main()")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"freeloc: cannot load model {model}: the file does not exist; specify a model file, a run folder, or the name of "
        "a model\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("paint",),
        ("check",),
        ("predict", "m", "p", "--out", "o", "--peaks", "-1"),
        ("predict", "m", "p", "--out", "o", "--threshold", "high"),
        ("predict", "m"),
        ("train", "data"),
        ("evaluate", "m", "d", "--resamples", "0"),
        ("evaluate", "m", "d", "--ap", "coco"),
        ("evaluate",),
        ("evaluate", "m"),
        ("evaluate", "m", "--against", "n"),
        ("evaluate", "--detections", "f"),
    ],
)
def test_wrong_words_end_with_code_two(freeloc: Callable[..., Any], words: tuple[str, ...]) -> None:
    answer = freeloc(*words)
    assert answer.code == 2
    assert answer.out == ""
    assert "Error" in answer.err
    assert "Traceback" not in answer.err


def test_an_unknown_format_is_one_line(freeloc: Callable[..., Any]) -> None:
    answer = freeloc("check", "x", "--format", "csv")
    assert (answer.code, answer.out) == (2, "")
    assert "there is no dataset format called 'csv': choose one of voc, coco, tags" in answer.err
    assert answer.err.count("\n") == 1


def test_ctrl_c_ends_with_one_line(freeloc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for name in ("training_data", "checks.check"):
        monkeypatch.setattr(f"freeloc.datasets.{name}.open_for_training", stopped)
    monkeypatch.setattr("freeloc.images.find.find_images", stopped)
    for words, told in (
        (("check", "anything"), "freeloc: interrupted\n"),
        (
            ("train", "x", "--out", "y"),
            "freeloc: interrupted; nothing was stored: run the same command again\n",
        ),
        # Before the output folder is opened, nothing has been stored, so nothing is promised.
        (("predict", "m", "x", "--out", "y"), "freeloc: interrupted\n"),
    ):
        answer = freeloc(*words)
        assert (answer.code, answer.out, answer.err) == (130, "", told)


@pytest.mark.parametrize(
    ("error", "files", "told"),
    [
        (KeyboardInterrupt(), [], "nothing was stored: run the same command again"),
        (
            KeyboardInterrupt("the features of 3 of 9 images are stored"),
            [],
            "of 9 images are stored: run the same",
        ),
        (KeyboardInterrupt(), ["log.jsonl"], "no epoch is finished: continue with --resume"),
        (
            KeyboardInterrupt(),
            ["checkpoint.safetensors"],
            "finished epochs are stored: continue with --resume",
        ),
        (
            KeyboardInterrupt(),
            ["checkpoint.safetensors", "model.safetensors"],
            "the model is stored: --resume completes the run",
        ),
    ],
)
def test_ctrl_c_says_what_a_training_run_has_stored(
    freeloc: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: KeyboardInterrupt,
    files: list[str],
    told: str,
) -> None:
    def stopped(*_: object, **__: object) -> None:
        for name in files:
            (tmp_path / name).touch()
        raise error

    monkeypatch.setattr("freeloc.datasets.training_data.open_for_training", stopped)
    answer = freeloc("train", "x", "--out", tmp_path)
    assert (answer.code, answer.out) == (130, "")
    assert answer.err.startswith("freeloc: interrupted; ")
    assert told in answer.err


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("net.checkpoint.safetensors", "finished epochs are stored: continue with --resume"),
        ("other", "no epoch is finished, so nothing was stored: run the same command again"),
    ],
)
def test_ctrl_c_says_what_pretraining_has_stored(
    freeloc: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, told: str
) -> None:
    def stopped(*_: object, **__: object) -> None:
        (tmp_path / file).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("freeloc.training.pretraining.pretrain.open_for_training", stopped)
    answer = freeloc("pretrain", "x", "--out", tmp_path / "net.safetensors")
    assert (answer.code, answer.err) == (130, f"freeloc: interrupted; {told}\n")


def test_other_errors_are_not_swallowed(freeloc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the program must produce a traceback."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("freeloc.datasets.checks.check.open_for_training", broken)
    monkeypatch.setattr(sys, "argv", ["freeloc", "check", "anything"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


# --- shared options ---------------------------------------------------------------------------------------


def test_scales_are_read() -> None:
    assert options.parse_scales(None) is None
    assert options.parse_scales("0.5, 1,2.") == (0.5, 1.0, 2.0)
    assert options.parse_scales("1") == (1.0,)
    for text in ("", ",", " "):
        with pytest.raises(ConfigurationError, match="scales is empty") as caught:
            options.parse_scales(text)
        assert caught.value.parameter == "scales"
    for text in ("a", "1;2", "1,b"):
        with pytest.raises(ConfigurationError, match=f"scales is {text!r}, which is not a list of numbers"):
            options.parse_scales(text)


def test_classes_are_read(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    assert options.read_classes(None) is None
    file.write_text("\ufeffpotted plant\r\n\r\n  dog \nsalt, pepper", "utf-8")
    assert options.read_classes(str(file)) == ("potted plant", "dog", "salt, pepper")
    file.write_text("\n \n")
    with pytest.raises(ConfigurationError, match=r"classes\.txt contains no class name"):
        options.read_classes(str(file))
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigurationError, match=r"cannot read the class file .*classes\.txt"):
        options.read_classes(str(file))
    for path in (tmp_path, tmp_path / "gone", "gone.txt"):
        with pytest.raises(ConfigurationError, match=r"cannot read the class file"):
            options.read_classes(str(path))


def test_classes_are_named_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dog").mkdir()  # a class folder of that name is no class file
    assert options.read_classes("dog, potted plant ,cat,") == ("dog", "potted plant", "cat")
    assert options.read_classes("dog") == ("dog",)
    (tmp_path / "pets").write_text("cat\n")
    assert options.read_classes("pets") == ("cat",)
    assert options.read_classes("pets,") == ("pets",)
    with pytest.raises(ConfigurationError, match=r"classes is empty: specify names separated by commas"):
        options.read_classes(" , ")


def test_an_error_names_the_option_that_fixes_it(freeloc: Callable[..., Any]) -> None:
    answer = freeloc("train", "data", "--out", "run", "--scales", "1,b")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "freeloc: scales is '1,b', which is not a list of numbers: write it like 0.5,1,2 (option --scales)\n"
    )


def first_panel(command: str) -> list[str]:
    """The options that ``--help`` shows first."""
    parameters = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    return [
        parameter.opts[0]
        for parameter in parameters
        if parameter.param_type_name == "option" and parameter.rich_help_panel is None
    ]


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_the_ten_most_used_options_come_first(command: str) -> None:
    assert len(first_panel(command)) == 10


# --- the same words and defaults as the library ------------------------------------------------------------


def default(function: Callable[..., Any], name: str) -> Any:
    return inspect.signature(function).parameters[name].default


def test_train_has_the_librarys_defaults() -> None:
    settings = TrainingSettings()
    for name in ("backbone", "weights", "seed", "runtime", "precision", "cache_format"):
        assert default(train_command, name) == getattr(settings, name), name
    assert default(train_command, "cache_folder") is settings.cache_folder
    assert default(train_command, "no_cache") is not settings.cache_features
    assert default(train_command, "calibration_folds") == settings.calibration_folds
    assert (default(train_command, "snapshots"), settings.snapshots) == (None, ())
    assert Recipe.named(default(train_command, "recipe")) == settings.recipe
    for name in ("resume", "quiet"):
        assert default(train_command, name) == default(train, name), name
    recipe_options = {"epochs", "batch_size", "learning_rate", "scales", "pooling", "trainable_backbone"}
    for name in recipe_options:
        assert default(train_command, name) is None, name
        assert name in Recipe.__dataclass_fields__
    assert default(train_command, "supervision") == settings.recipe.supervision
    for name in ("split", "images", "classes", "skip_bad"):
        assert default(train_command, name) == default(open_dataset, name), name
    assert default(train_command, "format_") == default(open_dataset, "format")
    everything = {*inspect.signature(train).parameters, *Recipe.__dataclass_fields__}
    everything |= {*DatasetChecks.__dataclass_fields__, *TrainingSettings.__dataclass_fields__}
    everything |= {*inspect.signature(open_dataset).parameters, *TagOptions.__annotations__}
    for name in ("fold_case", "min_images", "untagged"):
        assert default(train_command, name) == getattr(TagRules(), name), name
    assert (default(train_command, "aliases"), TagRules().aliases) == (None, {})
    assert default(train_command, "rescale_boxes") == DatasetChecks().rescale_boxes
    assert default(train_command, "minus_one") == DatasetChecks().minus_one
    assert default(train_command, "ancestors") == DatasetChecks().ancestors
    assert default(train_command, "val") is default(train, "val") is settings.val_split
    assert default(train_command, "val_format") == default(open_for_validation, "format")
    assert default(train_command, "val_images") == default(open_for_validation, "images")
    assert default(train_command, "val_split") == settings.val_split
    assert default(train_command, "patience") == settings.patience
    assert default(train_command, "no_report") is not settings.report
    abbreviated = {"no_cache", "no_report"}
    own = {"data", "format_", "verbose", "val_format", "val_images"}
    assert inspect.signature(train_command).parameters.keys() <= everything | abbreviated | own


def test_predict_has_the_librarys_defaults() -> None:
    for name in ("scales", "location", "weights", "runtime", "precision"):
        assert default(predict_command, name) == default(Localizer.load, name), name
    wanted = PredictionOptions()
    # A threshold of None uses the model's.
    for name in ("threshold", "peaks", "boxes", "skip_bad"):
        assert default(predict_command, name) == getattr(wanted, name), name
    for function in (Localization.present, write_maps, draw_overlay, draw_panels):
        assert default(function, "threshold") is None
    assert (default(predict_command, "formats"), wanted.formats) == (None, ())
    assert (default(predict_command, "overlay"), default(predict_command, "maps")) == (False, False)
    for name in ("resume", "overwrite", "quiet"):
        assert default(predict_command, name) == default(predict_files, name), name
    assert default(predict_command, "map_size") == default(write_maps, "size") == wanted.map_size
    assert (
        PredictionOptions.__dataclass_fields__.keys() <= inspect.signature(predict_command).parameters.keys()
    )


def test_evaluate_has_the_librarys_defaults() -> None:
    wanted = EvaluationOptions()
    assert default(evaluate_command, "ap") == wanted.flavour
    for name in ("resamples", "seed"):
        assert default(evaluate_command, name) == getattr(wanted, name), name
    assert tuple(default(evaluate_command, "box_iou")) == wanted.box_iou
    for name in PointingOptions.__dataclass_fields__:
        assert default(evaluate_command, f"pointing_{name}") == getattr(wanted.pointing, name), name
    for name in CalibrationOptions.__dataclass_fields__:
        assert default(evaluate_command, f"calibration_{name}") == getattr(wanted.calibration, name), name
    for name in ("ranking", "tolerance", "tolerance_frame", "distance", "difficult", "crowd"):
        assert default(evaluate_command, name) == getattr(wanted.location, name), name
    missing = (
        LocationOptions.__dataclass_fields__.keys() - inspect.signature(evaluate_command).parameters.keys()
    )
    assert missing == {"flavour"}
    for name in ("split", "images", "skip_bad"):
        assert default(evaluate_command, name) == default(open_dataset, name), name
    assert default(evaluate_command, "rescale_boxes") == DatasetChecks().rescale_boxes
    for name in ("scales", "weights", "runtime", "precision"):
        assert default(evaluate_command, name) == default(Localizer.load, name), name


def test_demo_and_check_have_the_librarys_defaults() -> None:
    assert default(demo_command, "seed") == DemoSettings().seed
    for name in ("split", "images", "skip_bad"):
        assert default(check_command, name) == default(open_dataset, name), name
    assert default(check_command, "format_") == default(open_dataset, "format")


def test_every_option_says_what_it_is_for() -> None:
    for command in (
        demo_command,
        train_command,
        predict_command,
        evaluate_command,
        check_command,
        calibrate_command,
        quantize_command,
        models_command,
    ):
        assert command.__doc__
        for name, annotation in typing.get_type_hints(command, include_extras=True).items():
            if name != "return":
                (info,) = typing.get_args(annotation)[1:]
                assert info.help, f"{command.__name__} {name}"
                assert info.help.endswith("."), f"{command.__name__} {name}"
