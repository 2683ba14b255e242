"""Every row of the paper's tables with a small AlexNet, the paper's kind of network, on generated images.

    python -m recipes.small_alexnet --out runs/small

Neither the paper's weights nor ImageNet are required. An AlexNet with a third of the channels is pretrained on
generated images of single objects (`freeloc.demo.scenes`), as the paper pretrains C1 to C7 on ImageNet. Then all
rows are trained on the tags of generated scenes with several objects, and evaluated on others. Images of single
objects and scenes share the classes, but no image. The absolute numbers say nothing about photographs; the order
of the rows is what the paper's tables are about.

Finished work is reused: the same command continues after an interruption.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from freeloc.datasets.dataset import Dataset
from freeloc.demo.scenes import SceneSettings, generate_scenes
from freeloc.errors import FreelocError
from freeloc.io.progress import print_status
from freeloc.io.terminal import print_result
from freeloc.metrics import Interval
from freeloc.paper import (
    Reproduction,
    ReproductionSettings,
    Study,
    StudyResult,
    select_rows,
    write_outputs,
)
from freeloc.paper.requirements import check_packages
from freeloc.training.pretraining.pretrain import pretrain
from freeloc.training.pretraining.settings import PretrainingSettings
from recipes.markdown import markdown_table

CHANNELS = (32, 96, 128, 128, 96)
WIDTH = 512
"""Channels of C1 to C5, and values of FC6 and FC7; in Krizhevsky's network, they are (96, 256, 384, 384, 256) and
4096."""

SINGLE = SceneSettings(min_objects=1, max_objects=1, min_side=0.3, max_side=0.5)
"""Images for pretraining: one object each, larger than those of the scenes."""

SCENES = SceneSettings(seed=1)
"""Scenes for training and evaluation, with two to five objects each."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is generated and trained.

    Attributes:
        single: number of images of single objects.
        pretraining_epochs: number of epochs of pretraining.
        train: number of training scenes.
        val: number of evaluation scenes.
        epochs: number of epochs of every row; None for the rows' own.
        rows: keys of the rows; None for all.
        channels: channels of C1 to C5.
        width: values of FC6 and of FC7.
    """

    single: int = 4000
    pretraining_epochs: int = 30
    train: int = 1000
    val: int = 500
    epochs: int | None = None
    rows: tuple[str, ...] | None = None
    channels: tuple[int, int, int, int, int] = CHANNELS
    width: int = WIDTH


@dataclass(frozen=True, eq=False)
class SmallStudy:
    """The pretrained network, and the scenes on which the rows are trained and evaluated.

    Attributes:
        weights: weight file of the pretrained network.
        train_set: training scenes, with boxes for the rows that need them.
        val_set: evaluation scenes, with boxes.
    """

    weights: Path
    train_set: Dataset
    val_set: Dataset

    @classmethod
    def prepare(cls, out: Path, sizes: Sizes) -> SmallStudy:
        """Generate the images, and pretrain the network unless that is done."""
        weights = out / "alexnet.safetensors"
        single = generate_scenes(out / "single", sizes.single, SINGLE, boxes=False, quiet=False)
        settings = PretrainingSettings(
            channels=sizes.channels, width=sizes.width, epochs=sizes.pretraining_epochs
        )
        pretrain(single, weights, settings, resume=True)
        train_set = generate_scenes(out / "train", sizes.train, SCENES, quiet=False)
        val_set = generate_scenes(out / "val", sizes.val, SCENES, start=sizes.train, quiet=False)
        return cls(weights, train_set, val_set)

    def run(self, out: Path, sizes: Sizes, *, letter: bool, cache: Path) -> StudyResult:
        """Train and evaluate the rows, and write the report.

        Args:
            out: folder of the study.
            sizes: the rows, and their number of epochs.
            letter: whether the paper's rows are trained to the letter of the paper.
            cache: folder of the feature caches.
        """
        size = (len(self.train_set), len(self.val_set), len(self.train_set.classes))
        study = Study("generated", "generated scenes", "train", "val", size)
        rows = select_rows(sizes.rows, letter=letter)
        settings = ReproductionSettings(
            backbone="alexnet",
            weights=self.weights,
            epochs=sizes.epochs,
            cache=cache,
            cache_drawn=any(row.protocol == "letter" for row in rows),
        )
        reproduction = Reproduction(study, self.train_set, self.val_set, out, settings)
        with reproduction.lock():
            result = reproduction.run(rows)
            write_outputs(result, self.val_set, reproduction.folder, settings)
        return result


def rows_as_markdown(result: StudyResult) -> str:
    """Return a Markdown table of the rows of points, with the difference from the row each is compared with."""
    titles = ("row", "classification mAP", "location mAP", "compared with", "classification", "location")
    lines = []
    for row in result.rows:
        if row.plan.group not in {"paper", "ablation", "pooling"}:
            continue
        letter = f" ({row.plan.letter})" if row.plan.letter else ""
        means = [row.measures[key].mean for key in ("classification", "location")]
        differences = [
            _difference(row.differences[key].mean) if key in row.differences else "–"
            for key in ("classification", "location")
        ]
        against = f"`{row.plan.against}`" if row.differences else "–"
        name = f"`{row.plan.key}`{letter}" if row.converged else f"`{row.plan.key}`{letter}, did not converge"
        lines.append((name, *(f"{100 * mean.estimate:.1f}" for mean in means), against, *differences))
    return markdown_table(titles, lines)


def _difference(interval: Interval) -> str:
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.estimate:+.1f} [{low:+.1f}, {high:+.1f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study in one or both protocols, and print a table for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/small"), help="output folder")
    parser.add_argument(
        "--cache", type=Path, help="folder of the feature caches (default: in the output folder)"
    )
    parser.add_argument(
        "--protocol",
        nargs="+",
        choices=("faster", "letter"),
        default=("faster", "letter"),
        help="how the paper's rows are trained (default: both)",
    )
    parser.add_argument("--rows", help="rows to compute, separated by commas (default: all)")
    options = parser.parse_args(arguments)
    names = None if options.rows is None else [name.strip() for name in options.rows.split(",")]
    rows = None if names is None else tuple(name for name in names if name)
    try:  # before images are generated and a network is pretrained
        check_packages(select_rows(rows))
    except FreelocError as error:
        parser.error(str(error))
    out, sizes = options.out, Sizes(rows=rows)
    small = SmallStudy.prepare(out, sizes)
    for protocol in options.protocol:
        cache = options.cache or out / "cache"
        result = small.run(out / "study", sizes, letter=protocol == "letter", cache=cache)
        print_status(f"protocol: {protocol}")
        for line in rows_as_markdown(result).splitlines():
            print_result(line)


if __name__ == "__main__":
    main()
