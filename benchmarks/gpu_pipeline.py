"""Prediction, feature extraction and training on one device, from image files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.results import Section, number, scale_list, spread_text, table, times_text
from benchmarks.timing import Task, exhaust, interleaved
from benchmarks.workload import untrained_model
from freeloc.datasets import Dataset
from freeloc.features.extract import extract
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import Precision, bfloat16_is_faster, compile_network
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train

__all__ = [
    "CACHED",
    "GpuAmounts",
    "GpuWorkload",
    "measure_extraction",
    "measure_prediction",
    "measure_training",
    "render_extraction",
    "render_prediction",
    "render_training",
]

CACHED = "cached features"
_UNBATCHED, _BATCHED = "one canvas at a time", "in batches"


@dataclass(frozen=True, slots=True)
class GpuAmounts:
    """Amounts of the measurements.

    Attributes:
        images: generated images.
        repeats: number of times that each image is predicted per round.
        agreement: images on which results are compared with the processor's.
        rounds: number of rounds in which all compared tasks run.
        batches: batch sizes.
        scales: scales of prediction.
        network_scales: scales at which the network alone is measured.
        training_scales: scales of extraction and training.
        max_batch: largest batch size to try.
        matrix_side: rows and columns of the matrices for the peak speeds.
        epochs: epochs of training.
        hidden: hidden units of the head.
    """

    images: int = 256
    repeats: int = 2
    agreement: int = 16
    rounds: int = 3
    batches: tuple[int, ...] = (1, 4, 16, 64)
    scales: tuple[float, ...] = TEST_SCALES
    network_scales: tuple[float, ...] = (0.5, 1.0, 2.8)
    training_scales: tuple[float, ...] = Recipe().scales
    max_batch: int = 2048
    matrix_side: int = 8192
    epochs: int = 2
    hidden: int = 2048


@dataclass(frozen=True, eq=False)
class GpuWorkload:
    """A device, a backbone and images.

    Attributes:
        device: the GPU, or the processor.
        precision: freeloc's precision.
        amounts: how much is measured.
        backbone: name of the backbone.
        weights: file of its weights; None uses the embedded ones.
        dataset: generated images.
        folder: folder for temporary files.
    """

    device: torch.device
    precision: Precision
    amounts: GpuAmounts
    backbone: str
    weights: str | None
    dataset: Dataset
    folder: Path

    @property
    def computed_precision(self) -> str:
        """The precision that results from the requested one on this device."""
        if self.precision != "auto":
            return self.precision
        return "bfloat16" if self.device.type == "cuda" and bfloat16_is_faster("cuda") else "float32"

    @property
    def paths(self) -> list[Path]:
        """Files of the images."""
        return [sample.path for sample in self.dataset]

    def new_backbone(self) -> Backbone:
        """Load a new instance of the backbone, because a network moves its backbone to the device."""
        return load_backbone(self.backbone, self.weights)


def measure_prediction(workload: GpuWorkload) -> dict[str, Any]:
    """Time prediction from file to points for each batch size."""
    amounts = workload.amounts
    paths = workload.paths * amounts.repeats
    model = untrained_model(workload.new_backbone(), workload.dataset.classes, amounts.hidden)

    def prediction(batch: int) -> Task:
        options = LocalizerOptions(
            scales=amounts.scales, runtime="torch", precision=workload.precision, batch=batch
        )
        localizer = Localizer.from_model(model, workload.new_backbone(), options)
        return lambda: exhaust(localizer.predict_many(paths))

    timings = interleaved({str(batch): prediction(batch) for batch in amounts.batches}, rounds=amounts.rounds)
    return {
        "images": len(paths),
        "scales": list(amounts.scales),
        "ms_per_image": timings.to_dict(1e3 / len(paths)),
    }


def measure_extraction(workload: GpuWorkload) -> dict[str, Any]:
    """Time feature extraction from file to cache, one canvas at a time and in freeloc's batches."""
    amounts = workload.amounts
    pyramid = Pyramid(amounts.training_scales)
    caches = 0

    def extraction(batch: int | None) -> Callable[[], None]:
        backbone = workload.new_backbone()
        network = compile_network(backbone, runtime="torch", precision=workload.precision, batch=batch)

        def extract_again() -> None:
            nonlocal caches
            caches += 1
            folder = workload.folder / f"extracted{caches}"
            extract(workload.paths, backbone, network, pyramid, cache_folder=folder, quiet=True)

        return extract_again

    several = None if workload.device.type == "cuda" else max(amounts.batches)
    timings = interleaved({_UNBATCHED: extraction(1), _BATCHED: extraction(several)}, rounds=amounts.rounds)
    return {
        "images": len(workload.dataset),
        "scales": list(amounts.training_scales),
        "ms_per_image": timings.to_dict(1e3 / len(workload.dataset)),
        "speedup": timings.ratio(_UNBATCHED, _BATCHED).to_dict(),
    }


def measure_training(workload: GpuWorkload) -> dict[str, Any]:
    """Train a few epochs from cached features, without a cache, and including the backbone's last stage."""
    amounts = workload.amounts
    recipe = replace(
        Recipe(),
        epochs=amounts.epochs,
        scales=amounts.training_scales,
        hidden=amounts.hidden,
        warm_start_epochs=1,
    )
    runs: dict[str, tuple[Recipe, bool]] = {
        CACHED: (recipe, True),
        "no cache": (recipe, False),
        "including the last stage": (replace(recipe, trainable_backbone="7"), True),
    }
    rows = {}
    for name, (run_recipe, cache_features) in runs.items():
        out = workload.folder / name
        settings = TrainingSettings(
            backbone=workload.backbone,
            weights=workload.weights,
            recipe=run_recipe,
            runtime="torch",
            precision=workload.precision,
            cache_features=cache_features,
            cache_folder=workload.folder / "cache",
            report=False,
        )
        timings = train(workload.dataset, out, settings, quiet=True).header.manifest["timings"]
        last = json.loads((out / "log.jsonl").read_text("utf-8").splitlines()[-1])
        rows[name] = {
            "features_seconds": timings["features_seconds"],
            "training_seconds": timings["training_seconds"],
            "last_epoch_seconds": last["seconds"],
            "loss": last["loss"],
        }
    return {"images": len(workload.dataset), "epochs": amounts.epochs, "runs": rows}


# --- page
# ----------------------------------------------------------------------------------------------------


def render_prediction(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks about prediction."""
    yield "### Prediction, from file to points"
    yield f"{section['images']} images per round, scales {scale_list(section['scales'])}."
    yield table(("batch size", "images / s", "ms / image"), _speeds(section))


def render_extraction(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks about feature extraction."""
    yield "### Feature extraction, from file to cache"
    yield (
        f"{section['images']} images per round, scales {scale_list(section['scales'])}; the speedup of "
        f"batches is {times_text(section['speedup'])}."
    )
    yield table(("", "images / s", "ms / image"), _speeds(section))


def _speeds(section: Section) -> list[tuple[str, str, str]]:
    return [
        (name, number(1e3 / spread["median"]), spread_text(spread))
        for name, spread in section["ms_per_image"].items()
    ]


def render_training(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks about training."""
    yield "### Training"
    yield f"{section['images']} images, {section['epochs']} epochs after one epoch of warm start."
    yield table(
        ("", "features, s", "training, s", "last epoch, s", "loss"),
        [
            (
                name,
                number(row["features_seconds"]),
                number(row["training_seconds"]),
                number(row["last_epoch_seconds"]),
                f"{row['loss']:.4f}",
            )
            for name, row in section["runs"].items()
        ],
    )
