"""What is measured: a model with its backbone, and annotated images in a fixed random order."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.settings import Settings
from freeloc._typing import Float32Array, Float64Array
from freeloc.datasets import Dataset, Sample, open_dataset
from freeloc.errors import FreelocError
from freeloc.evaluation.annotations import ground_truth_of
from freeloc.geometry.pyramid import TEST_SCALES
from freeloc.geometry.size import Size
from freeloc.images.decode import read_image_size
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.metrics import GroundTruth, classification_ranking, location_ap, pointing_game
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE, load_backbone
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.runtime import InferencePrecision, Precision

__all__ = ["Subject", "Truth", "add_model", "default_data", "fresh_model", "open_subject", "subject_of"]

_SEED = 0


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of some images, to measure points and scores by; all results are percentages.

    Attributes:
        sizes: N image sizes.
        ground_truth: their annotated boxes.
        labels: (N, K) int8.
    """

    sizes: tuple[Size, ...]
    ground_truth: GroundTruth
    labels: np.ndarray[Any, np.dtype[np.int8]]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Truth:
        """Read sizes, boxes and labels of annotated images."""
        return cls(
            tuple(read_image_size(sample.path) for sample in samples),
            ground_truth_of(samples),
            np.stack([sample.labels for sample in samples]),
        )

    def classification(self, scores: Float32Array) -> float:
        """Mean average precision of (N, K) scores."""
        return 100 * classification_ranking(scores, self.labels).mean

    def location(self, points: Float64Array, scores: Float32Array) -> float:
        """Location mean average precision of (N, K, 2) points ranked by (N, K) scores."""
        return 100 * location_ap(points, self.sizes, self.ground_truth, self.labels, scores).mean

    def pointing(self, points: Float64Array) -> float:
        """Accuracy of the pointing game on all pairs, of (N, K, 2) points."""
        return 100 * pointing_game(points, self.sizes, self.ground_truth, "all").mean


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and images.

    Attributes:
        model: the head.
        backbone: its backbone.
        trained: whether the head was trained; a fresh one is as fast, and as wrong as can be.
        dataset: the images, in a fixed random order, so that the first few are a fair sample.
        scales: the scales an image is looked at where all are asked for.
        precision: the arithmetic freeloc is asked for.
    """

    model: Model
    backbone: Backbone
    trained: bool
    dataset: Dataset
    scales: tuple[float, ...] = TEST_SCALES
    precision: Precision = "auto"

    @property
    def has_int8(self) -> bool:
        """Whether the model's int8 network is measured beside the floats."""
        return self.precision == "auto" and self.model.int8 is not None

    def paths(self, count: int) -> list[Path]:
        """Files of the first ``count`` images."""
        return [sample.path for sample in self.dataset.samples[:count]]

    def localizer(
        self, scales: tuple[float, ...] | None = None, precision: InferencePrecision | None = None
    ) -> Localizer:
        """Make freeloc's own way to predict, at the given scales and precision or at the subject's."""
        options = LocalizerOptions(scales=scales or self.scales, precision=precision or self.precision)
        return Localizer.from_model(self.model, self.backbone, options)

    def as_json(self) -> dict[str, Any]:
        """What a reader must know of it."""
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
    """The images measured on unless others are named.

    Raises:
        FreelocError: none are known.
    """
    root = os.environ.get("FREELOC_TEST_DATA")
    if not root:
        raise FreelocError("no images to measure on: give --data FOLDER, or set FREELOC_TEST_DATA")
    return Path(root) / "voc"


def fresh_model(backbone: Backbone, classes: tuple[str, ...], hidden: int = 2048) -> Model:
    """A head with random weights: as fast as a trained one of the same shape."""
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


def open_subject(
    data: Path | None,
    model: Path | None,
    *,
    split: str | None = "val",
    backbone: str = DEFAULT_BACKBONE,
    scales: tuple[float, ...] = TEST_SCALES,
    precision: Precision = "auto",
) -> Subject:
    """Load what is measured.

    Args:
        data: a data set with boxes; None takes `default_data`.
        model: a trained model; None takes a fresh head on ``backbone``.
        split: of the data set.
        backbone: the backbone of a fresh head.
        scales: see `Subject`.
        precision: the arithmetic freeloc is asked for.

    Raises:
        FreelocError: data or model cannot be had, or the data has no boxes.
    """
    loaded = None if model is None else Model.load(model)
    classes = None if loaded is None else loaded.header.classes
    dataset = open_dataset(data or default_data(), split=split, classes=classes, boxes=True)
    if not len(dataset):
        raise FreelocError(f"{dataset.name} has no images: nothing to measure")
    order = np.random.default_rng(_SEED).permutation(len(dataset))
    shuffled = Dataset(dataset.name, dataset.classes, tuple(dataset.samples[index] for index in order))
    network = load_backbone(backbone if loaded is None else loaded.header.backbone)
    if loaded is None:
        return Subject(fresh_model(network, dataset.classes), network, False, shuffled, scales, precision)
    return Subject(loaded, loaded.adapt_backbone(network), True, shuffled, scales, precision)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the option of the parts that measure one model, or a fresh head."""
    parser.add_argument("--model", type=Path, help="a trained model; default: a fresh head", metavar="FILE")


def subject_of(arguments: argparse.Namespace, settings: Settings) -> Subject:
    """Load what the words of `benchmarks.settings.add_common` and `add_model` ask for; see `open_subject`."""
    return open_subject(
        arguments.data,
        arguments.model,
        split=arguments.split,
        backbone=arguments.backbone,
        scales=settings.scales,
        precision=arguments.precision,
    )
