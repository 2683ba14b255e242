"""What a run writes down: all that decides its weights, and all that is needed to run it again."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import torch

from freeloc.datasets.dataset import PRESENT, Dataset
from freeloc.features.cache import CacheFormat
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Network
from freeloc.training.recipe import Recipe

__all__ = ["data_hash", "describe_setup", "is_setup_of", "make_manifest"]


def describe_setup(
    dataset: Dataset,
    contents: Sequence[str],
    backbone: Backbone,
    network: Network,
    recipe: Recipe,
    *,
    low_precision: bool,
    cache: CacheFormat | None,
    seed: int,
) -> dict[str, Any]:
    """What decides the weights, as plain JSON: two runs of one setup on one machine type end alike.

    Args:
        dataset: images and labels.
        contents: a hash of each image's file.
        backbone: as training found it.
        network: who runs it.
        recipe: how the head is trained.
        low_precision: whether the head computes in bfloat16.
        cache: how features are kept; None keeps none.
        seed: of everything random.
    """
    setup = {
        "recipe": asdict(recipe),
        "data": data_hash(dataset, contents),
        "backbone": backbone.fingerprint,
        "precision": f"{network.runtime} {network.precision}",
        "training_precision": "bfloat16" if low_precision else "float32",
        "seed": seed,
        "cache": cache,
    }
    plain: dict[str, Any] = json.loads(json.dumps(setup))
    return plain


def data_hash(dataset: Dataset, contents: Sequence[str]) -> str:
    """SHA-256 over classes, file names, labels and the images' own bytes.

    Args:
        dataset: images and labels.
        contents: a hash of each image's file.
    """
    digest = hashlib.sha256(dataset.fingerprint.encode())
    digest.update("\n".join(contents).encode())
    return digest.hexdigest()


def make_manifest(
    setup: Mapping[str, Any],
    dataset: Dataset,
    backbone: Backbone,
    timings: Mapping[str, float],
    *,
    resumed: bool,
    iteration: int | None = None,
) -> dict[str, Any]:
    """How a model was made: its setup, and what else one wants to know of it later.

    Args:
        setup: of `describe_setup`.
        dataset: the images and labels.
        backbone: as training left it.
        timings: seconds of each part of the run.
        resumed: whether the run went on from a checkpoint; ``timings`` then tell the last part only.
        iteration: for a model of a run under way, the steps done until then; None for that of its end.
    """
    positives = (dataset.labels == PRESENT).sum(axis=0).tolist()
    return {
        **setup,
        "data": {
            "name": dataset.name,
            "fingerprint": setup["data"],
            "images": len(dataset),
            "skipped": dataset.skipped,
            "positives": dict(zip(dataset.classes, positives, strict=True)),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("freeloc", "torch", "openvino", "numpy")},
        },
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "threads": torch.get_num_threads(),
        },
        # Differs from "backbone", with which training began, where the backbone was trained as well.
        "trained_backbone": backbone.fingerprint,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "resumed": resumed,
        "timings": dict(timings),
        **({} if iteration is None else {"iteration": iteration}),
    }


def is_setup_of(manifest: Mapping[str, Any], setup: Mapping[str, Any]) -> bool:
    """Whether a manifest of `make_manifest` tells of a run with this setup."""
    told = {**manifest, "data": dict(manifest.get("data") or {}).get("fingerprint")}
    return all(told.get(key) == value for key, value in setup.items())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # run from a source tree, say
        return "not installed"
