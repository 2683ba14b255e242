"""The demo: from tags to locations on generated scenes, with no data and no network."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.demo.scenes import SceneSettings, generate_scenes
from freeloc.errors import FreelocError
from freeloc.evaluation.collect import collect
from freeloc.evaluation.evaluate import Evaluation, evaluate
from freeloc.images.decode import load_image
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.io.atomic import write_text
from freeloc.io.progress import print_status
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train
from freeloc.visualization import draw_grid, draw_overlay, save_image

__all__ = ["DemoSettings", "run_demo"]

_OVERVIEW_PICTURES = 8

_OUTPUTS = ("run", "features", "pictures", "overview.jpg", "results.json", "scenes")
_FIRST_OUTPUT = Path("scenes", "train", "scene_000000.jpg")
"""The first file every demo writes, and the last an interrupted one removes."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Size and recipe of the demo.

    Attributes:
        train_scenes: scenes to train on, from their tags alone.
        test_scenes: scenes to measure on; each gets a picture.
        epochs: passes over the training scenes; few images need more of them than many do.
        backbone: name of the backbone.
        seed: of scenes and training.
    """

    train_scenes: int = 320
    test_scenes: int = 100
    epochs: int = 12
    backbone: str = "efficientnet_lite0"
    seed: int = 0

    @property
    def recipe(self) -> Recipe:
        """The default recipe, but for its length."""
        return Recipe.named("default", epochs=self.epochs)


def run_demo(out: str | Path, settings: DemoSettings | None = None, *, quiet: bool = False) -> Evaluation:
    """Generate scenes, train from their tags, measure, and write a picture per test scene.

    The folder ``out`` then holds ``scenes/`` (the data, with its tag lists), ``run/`` (the trained model),
    ``pictures/`` (image, maps and crosses of every test scene), ``overview.jpg`` and ``results.json``.
    What an earlier demo left there is replaced.

    Args:
        out: the folder.
        settings: how large a demo.
        quiet: show no progress.

    Raises:
        FreelocError: the folder holds files of these names that no demo wrote, or cannot be written to.
    """
    settings = settings or DemoSettings()
    folder = Path(out)
    look = SceneSettings(seed=settings.seed)
    _clear(folder)
    training, test = _scenes(folder, settings, look, quiet=quiet)
    # Tags only: the training scenes come without boxes.
    train(
        training,
        folder / "run",
        TrainingSettings(
            backbone=settings.backbone,
            recipe=settings.recipe,
            seed=settings.seed,
            cache_folder=folder / "features",
        ),
        quiet=quiet,
    )
    shutil.rmtree(folder / "features", ignore_errors=True)
    localizer = Localizer.load(folder / "run")
    gallery = _Gallery(folder / "pictures", test.classes)
    predictions = collect(localizer, test, "trained on tags", visit=gallery.draw, quiet=quiet)
    gallery.overview(folder / "overview.jpg")
    evaluation = evaluate([predictions], test)
    write_text(folder / "results.json", json.dumps(evaluation.as_json(), indent=2) + "\n")
    if not quiet:
        print_status(
            f"wrote {len(test)} images to {folder / 'pictures'}, an overview to {folder / 'overview.jpg'}"
        )
    return evaluation


def _clear(folder: Path) -> None:
    """Make room for a new demo where an earlier one was, and only there."""
    taken = [name for name in _OUTPUTS if (folder / name).exists()]
    if taken and not (folder / _FIRST_OUTPUT).exists():
        raise FreelocError(f"{folder} holds {', '.join(taken)} that no demo wrote: choose another --out")
    for name in taken:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name, ignore_errors=True)
        else:
            (folder / name).unlink()


def _scenes(
    folder: Path, settings: DemoSettings, look: SceneSettings, *, quiet: bool
) -> tuple[Dataset, Dataset]:
    total = settings.train_scenes + settings.test_scenes
    if not quiet:
        print_status(f"drawing {total} scenes")
    scenes = folder / "scenes"
    training = generate_scenes(scenes / "train", settings.train_scenes, look, boxes=False)
    test = generate_scenes(scenes / "test", settings.test_scenes, look, start=settings.train_scenes)
    return training, test


class _Gallery:
    """Draws the pictures of the demo and remembers the first few for the overview."""

    def __init__(self, folder: Path, classes: tuple[str, ...]) -> None:
        self._folder = folder
        self._classes = classes
        self._first: list[Image.Image] = []

    def draw(self, sample: Sample, result: Localization) -> None:
        """One picture: the scene with its true boxes, then a map and a cross per class found."""
        boxes = [(self._classes[box.label], box) for box in sample.boxes or ()]
        picture = draw_overlay(load_image(sample.path), result, boxes=boxes, panel_height=240)
        save_image(picture, self._folder / f"{sample.path.stem}.jpg")
        if len(self._first) < _OVERVIEW_PICTURES:
            self._first.append(picture)

    def overview(self, path: Path) -> None:
        """The first pictures on one page."""
        save_image(draw_grid(self._first, columns=1), path)
