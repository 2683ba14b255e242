"""Prepare a training run: check the settings, load the backbone, hash the images and extract their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from freeloc.datasets.dataset import Dataset, check_informative
from freeloc.errors import DatasetError
from freeloc.features.arrays import FeatureMap
from freeloc.features.cache import FeatureCache
from freeloc.features.extract import extract
from freeloc.features.sources import FeatureSource, LiveFeatures
from freeloc.features.stored import StoredFeatures
from freeloc.images.image_info import ImageInfo
from freeloc.io.folders import expand_user
from freeloc.nn.backbones.base import Backbone, BackboneSplit
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.backbones.trainable_stages import FROZEN
from freeloc.runtime import Network, compile_network, torch_device
from freeloc.training.masked_pooling import check_supervision
from freeloc.training.run_setup import RunSetup
from freeloc.training.settings import TrainingSettings
from freeloc.training.validation import without_training_images

__all__ = [
    "PreparedRun",
    "ValidationImages",
    "load_features",
    "missing_features",
    "prepare_run",
    "resolve_settings",
]


@dataclass(frozen=True, eq=False)
class ValidationImages:
    """The validation images of a run.

    Attributes:
        dataset: images and labels, with the classes of the training images.
        image_info: size and content hash of each image.
    """

    dataset: Dataset
    image_info: tuple[ImageInfo, ...]

    @property
    def fingerprint(self) -> str:
        """Hash of the classes, file names, labels and image files."""
        return self.dataset.content_fingerprint(self.image_info)


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
        validation: the validation images, if any.
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
    validation: ValidationImages | None = None


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


def prepare_run(
    dataset: Dataset, settings: TrainingSettings, val: Dataset | None = None, *, quiet: bool = True
) -> PreparedRun:
    """Load and compile the backbone, and hash the images.

    Args:
        dataset: images and labels.
        settings: settings returned by `resolve_settings`.
        val: validation images, if any, with the same classes.
        quiet: whether not to say which validation images are left out.

    Raises:
        ConfigurationError: the backbone does not have the stage to train, or the runtime or precision is unknown.
        BackboneError: the backbone cannot be loaded.
        ImageError: an image cannot be read.
    """
    recipe = settings.recipe
    backbone = load_backbone(settings.backbone, settings.weights)
    split = _split(backbone, recipe.trainable_backbone)
    network = compile_network(
        split.below, runtime=settings.runtime, precision=settings.precision, streams=None
    )
    device, use_bfloat16 = torch_device(settings.precision, settings.runtime)
    image_info = dataset.image_info()
    validation = None
    if val is not None:
        validation = ValidationImages(
            *without_training_images(val, val.image_info(), image_info, quiet=quiet)
        )
    rules = None if dataset.tags is None else dataset.tags.rules
    setup = RunSetup(
        recipe=RunSetup.plain_recipe(recipe),
        data=dataset.content_fingerprint(image_info),
        backbone=backbone.fingerprint,
        precision=f"{network.runtime} {network.precision}",
        training_precision="bfloat16" if use_bfloat16 else "float32",
        seed=settings.seed,
        cache=settings.cache_format if settings.cache_features else None,
        draw_scales=settings.cache_features and settings.draw_scales,
        validation=None if validation is None else validation.fingerprint,
        patience=None if validation is None else settings.patience,
        tag_rules=None if rules is None or rules.is_default else rules.to_dict(),
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
        validation=validation,
    )


def load_features(
    run: PreparedRun, images: Dataset, image_info: Sequence[ImageInfo], *, quiet: bool
) -> FeatureSource[FeatureMap]:
    """Extract the features of images into the cache, or return a source that computes them on demand.

    Args:
        run: the prepared run.
        images: the images, such as ``run.dataset``.
        image_info: size and content hash of each image.
        quiet: whether to hide progress.

    Raises:
        ImageError: an image cannot be read.
        OutputError: the cache cannot be written.
    """
    settings, pyramid = run.settings, run.settings.recipe.pyramid
    paths = [sample.path for sample in images]
    if settings.draws_scales:
        live = LiveFeatures(paths, run.split.below, run.network, pyramid, image_info)
        if not settings.cache_features:
            return live
        stored = StoredFeatures(_open_cache(run), live, tuple(info.content_hash for info in image_info))
        if images is run.dataset:
            scales = settings.recipe.scales
            stored.check_disk_space((min(scales), max(scales)), settings.recipe.epochs, quiet=quiet)
        return stored
    return extract(
        paths,
        run.split.below,
        run.network,
        pyramid,
        image_info=image_info,
        cache_folder=None if settings.cache_folder is None else expand_user(settings.cache_folder),
        cache_format=settings.cache_format,
        quiet=quiet,
    )


def missing_features(run: PreparedRun, image_info: Sequence[ImageInfo]) -> list[int]:
    """Return the indices of the images whose features must be extracted before training; see `load_features`."""
    settings = run.settings
    if settings.draws_scales:
        return []
    cache = _open_cache(run)
    cached = cache.entry_names()
    return [
        index
        for index, info in enumerate(image_info)
        if any(
            cache.entry_path(info.content_hash, scale).name not in cached for scale in settings.recipe.scales
        )
    ]


def _open_cache(run: PreparedRun) -> FeatureCache:
    settings = run.settings
    return FeatureCache.open(
        run.split.below,
        run.network,
        settings.recipe.pyramid,
        None if settings.cache_folder is None else expand_user(settings.cache_folder),
        settings.cache_format,
    )


def _split(backbone: Backbone, stage: str) -> BackboneSplit:
    if stage == FROZEN:
        return BackboneSplit(backbone, None, backbone.projection, {})
    return backbone.split_at(stage)
