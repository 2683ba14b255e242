"""Workload of the benchmarks: model, images and amounts, and the command-line options that choose them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from freeloc._typing import Float32Array, Float64Array
from freeloc.datasets import Dataset, open_dataset
from freeloc.errors import DatasetError, FreelocError
from freeloc.evaluation.annotations import Annotations
from freeloc.geometry.pyramid import TEST_SCALES
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.presets import Preset
from freeloc.metrics import classification_ranking, location_ap, pointing_game
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE, load_backbone
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.runtime import InferencePrecision, Precision, bfloat16_is_faster, cpu_supports_int8

__all__ = [
    "QUICK",
    "Amounts",
    "Evaluator",
    "Workload",
    "add_model_option",
    "add_options",
    "amounts_of",
    "cpu_precision",
    "default_data",
    "open_workload",
    "output_folder",
    "positive",
    "run",
    "untrained_model",
    "workload_of",
]

_SEED = 0


@dataclass(frozen=True, slots=True)
class Amounts:
    """Amounts of the measurements.

    Attributes:
        rounds: number of rounds in which all compared tasks run.
        throughput: images per round when throughput is compared.
        peers: images per round when other CAM packages are compared.
        cost: images per round when stages and scales are timed.
        accuracy: images on which points and scores are compared.
        peak_repeats: number of runs for the machine's peak speeds.
        matrix_side: rows and columns of the matrices for the peak speeds.
        scales: scales of prediction.
    """

    rounds: int = 5
    throughput: int = 16
    peers: int = 3
    cost: int = 8
    accuracy: int = 200
    peak_repeats: int = 5
    matrix_side: int = 2048
    scales: tuple[float, ...] = TEST_SCALES


QUICK = Amounts(
    rounds=1,
    throughput=1,
    peers=1,
    cost=1,
    accuracy=3,
    peak_repeats=1,
    matrix_side=512,
    scales=(0.5, 0.7, 1.0),
)
"""Amounts that only check that the benchmarks work; the figures are meaningless."""


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Metrics, in percent, of scores and points for N annotated images.

    Attributes:
        annotations: sizes, labels and boxes of the images.
    """

    annotations: Annotations

    @classmethod
    def of(cls, dataset: Dataset) -> Evaluator:
        """Read the annotations of a dataset."""
        return cls(Annotations.read(dataset))

    def classification(self, scores: Float32Array | Float64Array) -> float:
        """Return the mean average precision of (N, K) scores."""
        return 100 * classification_ranking(scores, self.annotations.labels).mean

    def location(self, points: Float64Array, scores: Float32Array | Float64Array) -> float:
        """Return the location mean average precision of (N, K, 2) points with (N, K) scores."""
        known = self.annotations
        return 100 * location_ap(points, known.sizes, known.ground_truth, known.labels, scores).mean

    def pointing(self, points: Float64Array) -> float:
        """Return the accuracy of the pointing game of (N, K, 2) points, on all pairs."""
        known = self.annotations
        return 100 * pointing_game(points, known.sizes, known.ground_truth, "all").mean


@dataclass(frozen=True, eq=False)
class Workload:
    """A model and images.

    Attributes:
        model: the model.
        backbone: its backbone.
        trained: whether the head is trained; an untrained head is as fast, but its predictions are
            meaningless.
        dataset: the images, in a fixed random order, so that the first ones are a representative sample.
        scales: scales of prediction, if not specified otherwise.
        precision: freeloc's precision, if not specified otherwise.
    """

    model: Model
    backbone: Backbone
    trained: bool
    dataset: Dataset
    scales: tuple[float, ...] = TEST_SCALES
    precision: Precision = "auto"

    @property
    def has_int8(self) -> bool:
        """Whether the model's int8 network is measured in addition to the float network."""
        return self.precision == "auto" and self.model.int8 is not None and cpu_supports_int8()

    def first(self, count: int | None) -> Dataset:
        """Return the first ``count`` images; all images for None."""
        return replace(self.dataset, samples=self.dataset.samples[:count])

    def paths(self, count: int) -> list[Path]:
        """Return the files of the first ``count`` images."""
        return [sample.path for sample in self.dataset.samples[:count]]

    def localizer(
        self,
        scales: tuple[float, ...] | None = None,
        precision: InferencePrecision | None = None,
        *,
        preset: Preset | None = None,
    ) -> Localizer:
        """Create a localizer with the given precision, and the given scales or the scales of a preset.

        The defaults are the workload's scales, and the float network in the workload's precision.
        """
        chosen = precision or (cpu_precision(self.precision) if self.has_int8 else self.precision)
        chosen_scales = None if preset else scales or self.scales
        options = LocalizerOptions(scales=chosen_scales, preset=preset, precision=chosen)
        return Localizer.from_model(self.model, self.backbone, options)

    def to_dict(self) -> dict[str, Any]:
        """Return a description for readers of the results."""
        settings = self.model.head.settings
        return {
            "data": self.dataset.name,
            "images": len(self.dataset),
            "backbone": self.backbone.name,
            "hidden": settings.hidden,
            "classes": settings.classes,
            "trained": self.trained,
            "scales": list(self.scales),
        }


def default_data() -> Path:
    """Return the default dataset.

    Raises:
        DatasetError: FREELOC_TEST_DATA is not set.
    """
    root = os.environ.get("FREELOC_TEST_DATA")
    if not root:
        raise DatasetError(
            "no dataset is specified: set --data FOLDER or the variable FREELOC_TEST_DATA", parameter="data"
        )
    return Path(root) / "voc"


def cpu_precision(precision: Precision) -> Precision:
    """Return the precision in which freeloc's float networks compute on this processor."""
    if precision != "auto":
        return precision
    return "bfloat16" if bfloat16_is_faster("cpu") else "float32"


def untrained_model(backbone: Backbone, classes: tuple[str, ...], hidden: int = 2048) -> Model:
    """Return a model with random head weights, as fast as a trained one of the same size."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        head = AdaptationHead(HeadSettings(backbone.width, len(classes), hidden)).eval().requires_grad_(False)
    header = ModelHeader(
        backbone=backbone.name,
        backbone_fingerprint=backbone.fingerprint,
        classes=classes,
        head=head.settings,
        scales=TEST_SCALES,
    )
    return Model(header, head)


def open_workload(
    data: Path | None,
    model: Path | None,
    *,
    split: str | None = "val",
    backbone: str = DEFAULT_BACKBONE,
    scales: tuple[float, ...] = TEST_SCALES,
    precision: Precision = "auto",
) -> Workload:
    """Load model and images.

    Args:
        data: dataset with boxes; None uses `default_data`.
        model: trained model; None creates an untrained head on ``backbone``.
        split: split of the dataset.
        backbone: backbone of an untrained head.
        scales: scales of prediction.
        precision: freeloc's precision.

    Raises:
        FreelocError: data or model cannot be loaded, or the dataset has no images or no boxes.
    """
    loaded = None if model is None else Model.load(model)
    classes = None if loaded is None else loaded.header.classes
    dataset = open_dataset(data or default_data(), split=split, classes=classes, boxes=True)
    if not len(dataset):
        raise DatasetError(f"{dataset.name} has no images: there is nothing to measure")
    order = np.random.default_rng(_SEED).permutation(len(dataset))
    shuffled = Dataset(dataset.name, dataset.classes, tuple(dataset.samples[index] for index in order))
    network = load_backbone(backbone if loaded is None else loaded.header.backbone)
    if loaded is None:
        return Workload(
            untrained_model(network, dataset.classes), network, False, shuffled, scales, precision
        )
    return Workload(loaded, loaded.adapt_backbone(network), True, shuffled, scales, precision)


# --- command line
# --------------------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all benchmarks share."""
    parser.add_argument(
        "--data",
        type=Path,
        help="annotated dataset; default: voc in the folder FREELOC_TEST_DATA",
        metavar="FOLDER",
    )
    parser.add_argument("--split", default="val", help="split of the dataset (default: val)")
    parser.add_argument(
        "--backbone", default=DEFAULT_BACKBONE, help="backbone of an untrained head, if no model is specified"
    )
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--quick", action="store_true", help="measure a few images, to check that it works")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of benchmarks.json and benchmarks.md (default: docs, with --quick: build/bench)",
    )


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Add the option of benchmarks that measure one model."""
    parser.add_argument(
        "--model", type=Path, help="trained model; default: an untrained head", metavar="FILE"
    )


def positive(text: str) -> int:
    """Parse the value of an option that must be a positive integer."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def amounts_of(arguments: argparse.Namespace) -> Amounts:
    """Return the amounts for the options: smaller ones with ``--quick``."""
    return QUICK if arguments.quick else Amounts()


def output_folder(arguments: argparse.Namespace) -> Path:
    """Return the folder of the results; by default, a quick run does not replace real results."""
    if arguments.out is not None:
        return Path(arguments.out)
    return Path("build/bench" if arguments.quick else "docs")


def workload_of(arguments: argparse.Namespace, amounts: Amounts) -> Workload:
    """Load the workload that the options of `add_options` and `add_model_option` choose; see `open_workload`."""
    return open_workload(
        arguments.data,
        arguments.model,
        split=arguments.split,
        backbone=arguments.backbone,
        scales=amounts.scales,
        precision=arguments.precision,
    )


def run(main: Callable[[], None]) -> None:
    """Run a benchmark as a program: print errors that the user can fix without a traceback."""
    try:
        main()
    except FreelocError as error:
        raise SystemExit(f"error: {error}") from error
