"""Prepare a training run: check the settings, load the backbone, hash the images and extract their features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from freeloc.datasets.dataset import Dataset, check_informative
from freeloc.errors import DatasetError
from freeloc.features.arrays import FeatureMap
from freeloc.features.extract import extract
from freeloc.features.sources import FeatureSource, LiveFeatures
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.image_info import ImageInfo
from freeloc.io.folders import expand_user
from freeloc.nn.backbones.base import Backbone, BackboneSplit
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.backbones.trainable_stages import FROZEN
from freeloc.runtime import Network, compile_network, torch_device
from freeloc.training.masked_pooling import check_supervision
from freeloc.training.run_setup import RunSetup
from freeloc.training.settings import TrainingSettings

__all__ = ["PreparedRun", "load_features", "prepare_run", "resolve_settings"]


@dataclass(frozen=True, eq=False)
class PreparedRun:
    """A run that is ready to start or to resume.

    Attributes:
        dataset: images and labels.
        settings: settings with the resolved recipe.
        backbone: the backbone before training.
        split: the backbone, split into its frozen part and its trained part.
        network: the compiled network of the frozen part.
        device: device on which the head is trained.
        use_bfloat16: whether training computes products in bfloat16.
        image_info: size and content hash of each image.
        setup: the setup, which records everything that determines the final weights.
    """

    dataset: Dataset
    settings: TrainingSettings
    backbone: Backbone
    split: BackboneSplit
    network: Network
    device: torch.device
    use_bfloat16: bool
    image_info: tuple[ImageInfo, ...]
    setup: RunSetup


def resolve_settings(dataset: Dataset, settings: TrainingSettings) -> TrainingSettings:
    """Return the settings with the recipe adapted to the number of images.

    Raises:
        DatasetError: the dataset has no images, no class is present in one image and absent from another, or the
            recipe requires boxes and the dataset has none.
        ConfigurationError: fields of the recipe are inconsistent.
    """
    if not len(dataset):
        raise DatasetError(f"{dataset.name} has no images: training requires at least one")
    check_informative(dataset, "training")
    check_supervision(dataset, settings.recipe)
    return replace(settings, recipe=settings.recipe.resolved(len(dataset)))


def prepare_run(dataset: Dataset, settings: TrainingSettings) -> PreparedRun:
    """Load and compile the backbone, and hash the images.

    Args:
        dataset: images and labels.
        settings: settings returned by `resolve_settings`.

    Raises:
        ConfigurationError: the backbone does not have the stage to train, or the runtime or precision is unknown.
        BackboneError: the backbone cannot be loaded.
        ImageError: an image cannot be read.
    """
    recipe = settings.recipe
    backbone = load_backbone(settings.backbone, settings.weights)
    split = _split(backbone, recipe.trainable_backbone)
    network = compile_network(
        split.below, runtime=settings.runtime, precision=settings.precision, streams=True
    )
    device, use_bfloat16 = torch_device(settings.precision, settings.runtime)
    image_info = dataset.image_info()
    setup = RunSetup(
        recipe=RunSetup.plain_recipe(recipe),
        data=dataset.content_fingerprint(image_info),
        backbone=backbone.fingerprint,
        precision=f"{network.runtime} {network.precision}",
        training_precision="bfloat16" if use_bfloat16 else "float32",
        seed=settings.seed,
        cache=settings.cache_format if settings.cache_features else None,
    )
    return PreparedRun(
        dataset=dataset,
        settings=settings,
        backbone=backbone,
        split=split,
        network=network,
        device=device,
        use_bfloat16=use_bfloat16,
        image_info=image_info,
        setup=setup,
    )


def load_features(run: PreparedRun, *, quiet: bool) -> FeatureSource[FeatureMap]:
    """Extract the features of all images into the cache, or return a source that computes them on demand.

    Raises:
        ImageError: an image cannot be read.
        OutputError: the cache cannot be written.
    """
    settings, padding = run.settings, run.settings.recipe.padding
    paths = [sample.path for sample in run.dataset]
    if not settings.cache_features:
        return LiveFeatures(paths, run.split.below, run.network, padding, run.image_info)
    return extract(
        paths,
        run.split.below,
        run.network,
        Pyramid(settings.recipe.scales, padding),
        image_info=run.image_info,
        cache_folder=None if settings.cache_folder is None else expand_user(settings.cache_folder),
        cache_format=settings.cache_format,
        quiet=quiet,
    )


def _split(backbone: Backbone, stage: str) -> BackboneSplit:
    if stage == FROZEN:
        return BackboneSplit(backbone, None, backbone.projection, {})
    return backbone.split_at(stage)
