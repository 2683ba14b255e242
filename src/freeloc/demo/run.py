"""Demo: train on the tags of generated scenes, then localize objects in other generated scenes.

It needs neither a dataset nor network access.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from freeloc._validation import Count, Name, Seed, check_arguments, check_fields
from freeloc.datasets.dataset import Dataset, Sample
from freeloc.demo.scenes import SceneSettings, generate_scenes
from freeloc.errors import OutputError
from freeloc.evaluation.collect import collect
from freeloc.evaluation.evaluate import Evaluation, evaluate
from freeloc.images.decode import load_image
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.io.atomic import check_output_folder, write_text
from freeloc.io.folders import expand_user
from freeloc.io.lock import lock_folder
from freeloc.io.progress import pluralize, print_status
from freeloc.io.stages import show_stages
from freeloc.nn.backbones.registry import check_backbone
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train
from freeloc.visualization import draw_grid, draw_overlay, save_image

__all__ = ["DemoSettings", "run_demo"]

_OVERVIEW_IMAGES = 8

_OUTPUTS = ("run", "features", "overlays", "overview.jpg", "results.json", "scenes")
_FIRST_OUTPUT = Path("scenes", "train", "scene_000000.jpg")
"""The file that every demo writes first; if it exists, the folder contains the output of a demo."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Size and recipe of the demo.

    Attributes:
        train_scenes: number of training scenes; only their tags are used.
        test_scenes: number of test scenes; one overlay is written for each.
        epochs: number of passes over the training scenes; a small training set needs more passes.
        backbone: name of the backbone.
        seed: random seed for the scenes and for training.

    Raises:
        ConfigurationError: a field has the wrong type or is out of range.
        BackboneError: there is no backbone with this name.
    """

    train_scenes: Count = 320
    test_scenes: Count = 100
    epochs: Count = 12
    backbone: Name = "efficientnet_lite0"
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_fields(self)
        check_backbone(self.backbone)

    @property
    def recipe(self) -> Recipe:
        """The default recipe, trained for ``epochs`` epochs."""
        return Recipe.named("default", epochs=self.epochs)


@check_arguments
def run_demo(out: str | Path, settings: DemoSettings | None = None, *, quiet: bool = False) -> Evaluation:
    """Generate scenes, train on their tags, evaluate, and write an overlay for each test scene.

    Afterwards, the folder ``out`` contains ``scenes/`` (images and tag lists), ``run/`` (the trained model),
    ``overlays/`` (each test scene with its score maps and points), ``overview.jpg`` and ``results.json``. The
    output of an earlier demo is replaced.

    Args:
        out: output folder.
        settings: settings of the demo; None uses the defaults.
        quiet: whether to hide progress.

    Raises:
        OutputError: the folder contains files or folders with these names that were not written by a demo, or it
            cannot be written to, or another process is writing to it.
    """
    folder = expand_user(out)
    check_output_folder(folder)
    with lock_folder(folder):
        return _run(folder, settings or DemoSettings(), quiet=quiet)


def _run(folder: Path, settings: DemoSettings, *, quiet: bool) -> Evaluation:
    _remove_earlier(folder)
    names = ("scenes", "features", "training", "evaluation")
    with show_stages(names, evaluated=settings.test_scenes, quiet=quiet) as stages:
        if stages is not None:
            stages.begin("scenes", 2)
        say = _Announcer(quiet=quiet)
        say(f"1 of 3: generating {pluralize(settings.train_scenes + settings.test_scenes, 'scene')}")
        training, test = _generate(folder / "scenes", settings, quiet=quiet)
        say(f"2 of 3: training on the tags of {pluralize(len(training), 'scene')}; boxes are not used")
        train(
            training,
            folder / "run",
            TrainingSettings(
                backbone=settings.backbone,
                recipe=settings.recipe,
                seed=settings.seed,
                cache_folder=folder / "features",
                report=False,
            ),
            quiet=quiet,
        )
        shutil.rmtree(folder / "features", ignore_errors=True)
        if stages is not None:
            stages.begin("evaluation")
        say(f"3 of 3: predicting {pluralize(len(test), 'other scene')}, and drawing an overlay of each")
        localizer = Localizer.load(folder / "run")
        overlays = _Overlays(folder / "overlays", test.classes)
        predictions = collect(localizer, test, "trained on tags", visit=overlays.write, quiet=quiet)
        overlays.write_overview(folder / "overview.jpg")
        evaluation = evaluate([predictions], test)
        write_text(folder / "results.json", json.dumps(evaluation.to_dict(), indent=2) + "\n")
        say(
            f"wrote {pluralize(len(test), 'overlay')} to {folder / 'overlays'}, and an overview to "
            f"{folder / 'overview.jpg'}"
        )
    return evaluation


def _remove_earlier(folder: Path) -> None:
    """Remove the output of an earlier demo, and nothing else."""
    existing = [name for name in _OUTPUTS if (folder / name).exists()]
    if existing and not (folder / _FIRST_OUTPUT).exists():
        names = ", ".join(existing)
        raise OutputError(
            f"{folder} already contains {names}, not written by a demo: choose another folder",
            path=folder,
            parameter="out",
        )
    for name in existing:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name, ignore_errors=True)
        else:
            (folder / name).unlink()


def _generate(folder: Path, settings: DemoSettings, *, quiet: bool) -> tuple[Dataset, Dataset]:
    """Generate the training scenes, without boxes, and the test scenes, with boxes."""
    scenes = SceneSettings(seed=settings.seed)
    training = generate_scenes(folder / "train", settings.train_scenes, scenes, boxes=False, quiet=quiet)
    test = generate_scenes(
        folder / "test", settings.test_scenes, scenes, start=settings.train_scenes, quiet=quiet
    )
    return training, test


@dataclass(frozen=True)
class _Announcer:
    """Prints what the demo does next."""

    quiet: bool

    def __call__(self, text: str) -> None:
        if not self.quiet:
            print_status(text)


class _Overlays:
    """Writes the demo's overlays, and collects the first ones for the overview."""

    def __init__(self, folder: Path, classes: tuple[str, ...]) -> None:
        self._folder = folder
        self._classes = classes
        self._first: list[Image.Image] = []

    def write(self, sample: Sample, result: Localization) -> None:
        """Write the overlay of one scene, with its annotated boxes."""
        boxes = [(self._classes[box.label], box) for box in sample.boxes or ()]
        overlay = draw_overlay(load_image(sample.path), result, boxes=boxes, panel_height=240)
        save_image(overlay, self._folder / f"{sample.path.stem}.jpg")
        if len(self._first) < _OVERVIEW_IMAGES:
            self._first.append(overlay)

    def write_overview(self, path: Path) -> None:
        """Write the first overlays as one image."""
        save_image(draw_grid(self._first, columns=1), path)
