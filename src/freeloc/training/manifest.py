"""The manifest, which records how a model was trained."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import torch

from freeloc.datasets.dataset import PRESENT, Dataset
from freeloc.images.image_info import ImageInfo
from freeloc.io.versions import package_version
from freeloc.models.training_images import IMAGE_HASHES, encode_images
from freeloc.nn.backbones.base import Backbone
from freeloc.training.run_setup import RunSetup

__all__ = ["describe_images", "make_manifest"]


def make_manifest(
    setup: RunSetup,
    dataset: Dataset,
    image_info: Sequence[ImageInfo],
    backbone: Backbone,
    timings: Mapping[str, float],
    *,
    resumed: bool,
    step: int | None = None,
    validation: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the manifest of a model as plain JSON data.

    Args:
        setup: setup of the run.
        dataset: images and labels.
        image_info: size and content hash of each image.
        backbone: the backbone after training.
        timings: duration of each phase of the run, in seconds.
        resumed: whether the run was resumed; if so, ``timings`` cover only the last session.
        step: number of completed steps for a snapshot; None for the final model.
        validation: description of the validation images and of the best epoch; None without validation images.
    """
    return {
        **setup.to_dict(),
        "data": {
            **describe_images(dataset, setup.data),
            "skipped": dataset.skipped,
            IMAGE_HASHES: encode_images(image_info),
        },
        **({} if validation is None else {"validation": dict(validation)}),
        "versions": {
            "python": platform.python_version(),
            **{name: package_version(name) for name in ("freeloc", "torch", "openvino", "numpy")},
        },
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "threads": torch.get_num_threads(),
        },
        # If backbone weights were trained, this differs from "backbone", the fingerprint before training.
        "trained_backbone": backbone.fingerprint,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "resumed": resumed,
        "timings": dict(timings),
        **({} if step is None else {"iteration": step}),
    }


def describe_images(dataset: Dataset, fingerprint: str) -> dict[str, Any]:
    """Return the name and the numbers of images of a dataset, in total and of each class, as plain JSON data."""
    positives = (dataset.labels == PRESENT).sum(axis=0).tolist()
    return {
        "name": dataset.name,
        "fingerprint": fingerprint,
        "images": len(dataset),
        "positives": dict(zip(dataset.classes, positives, strict=True)),
    }
