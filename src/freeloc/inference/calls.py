"""Call a localizer like a function: with one image or many, and with the name of a model."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TypedDict, TypeVar, overload

from PIL import Image

from freeloc._literals import InferencePrecision, LocationMode, PointKind, Preset, Runtime
from freeloc._validation import Count, check_arguments, check_keywords, check_value
from freeloc.errors import ConfigurationError, ImageError
from freeloc.images.decode import ImageSource, is_image_list
from freeloc.images.video import check_video_available, frame_sources
from freeloc.inference.network_loader import ModelSource
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.origin import with_image
from freeloc.inference.result import Localization
from freeloc.io.folders import expand_user

__all__ = ["CallableLocalizer", "FurtherOptions", "LoadOptions", "open_source", "or_raise"]

Result = TypeVar("Result")


class LoadOptions(TypedDict, total=False):
    """Options of a localizer that loads its model: ``weights``, and the fields of `LocalizerOptions`."""

    weights: str | Path | None
    scales: tuple[float, ...] | None
    preset: Preset | None
    location: LocationMode
    runtime: Runtime
    precision: InferencePrecision
    batch: int | None
    classes: tuple[str, ...] | None
    point: PointKind
    peak_threshold: float


class FurtherOptions(TypedDict, total=False):
    """Rarely used options of `freeloc.inference.localizer.Localizer.load`; see `LocalizerOptions`."""

    classes: tuple[str, ...] | None
    batch: int | None
    point: PointKind
    peak_threshold: float


def open_source(
    source: object, options: LocalizerOptions | None, given: LoadOptions
) -> tuple[ModelSource, LocalizerOptions]:
    """Return the source of a model and the options of a localizer, from the arguments of its constructor.

    Raises:
        ConfigurationError: an option is unknown, has the wrong type, or contradicts another one.
        ModelError: the model does not exist or cannot be read.
    """
    check_value("options", options, LocalizerOptions | None)
    check_keywords("a localizer", given, LoadOptions.__annotations__)
    named = {name: value for name, value in given.items() if name != "weights"}
    if options is not None and named:
        name = next(iter(named))
        raise ConfigurationError(
            f"{name} is specified beside options: set it in options, or omit options", parameter=name
        )
    chosen = options or LocalizerOptions(**named)  # type: ignore[arg-type]
    if isinstance(source, str | os.PathLike):
        weights = check_value("weights", given.get("weights"), str | Path | None)
        return ModelSource.from_file(check_value("source", source, str | Path), weights), chosen
    if "weights" in given:
        raise ConfigurationError(
            "weights applies only to a model that is loaded: omit it", parameter="weights"
        )
    checked: ModelSource = check_value("source", source, str | Path | ModelSource)
    return checked, chosen


def or_raise(outcome: Result | ImageError) -> Result:
    """Return a result of `Localizer.predict_stream`, or raise the error in its place."""
    if isinstance(outcome, ImageError):
        raise outcome
    return outcome


class CallableLocalizer(ABC):
    """The part of a localizer that consists of its other methods."""

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """The class names."""
        raise NotImplementedError

    @abstractmethod
    def predict(self, image: ImageSource) -> Localization:
        """Score and locate every class in one image."""
        raise NotImplementedError

    @abstractmethod
    def predict_stream(
        self, images: Iterable[ImageSource], *, with_images: bool = False
    ) -> Generator[tuple[Localization, Image.Image | None] | ImageError, None, None]:
        """Score and locate every class in many images."""
        raise NotImplementedError

    @check_arguments
    def predict_video(self, path: str | Path, *, every: Count = 1) -> Generator[Localization, None, None]:
        """Score and locate every class in the frames of a video, in order.

        The results state the number and the time of their frame, and contain its image. Memory use does not grow
        unless they are kept.

        Args:
            path: the video.
            every: N predicts the frames 0, N, 2N, …

        Raises:
            ConfigurationError: ``every`` is not a positive whole number.
            MissingDependencyError: PyAV, which decodes videos, is not installed.
            ImageError: the video cannot be read, or the rest of it is damaged; raised after the results of the
                frames before.
        """
        check_video_available()
        outcomes = self.predict_stream(frame_sources(expand_user(path), every), with_images=True)
        return (with_image(*or_raise(outcome)) for outcome in outcomes)

    @overload
    def __call__(self, image: ImageSource) -> Localization: ...  # type: ignore[overload-overlap]  # a string is a path

    @overload
    def __call__(self, image: Iterable[ImageSource]) -> list[Localization]: ...

    def __call__(self, image: ImageSource | Iterable[ImageSource]) -> Localization | list[Localization]:
        """Score and locate every class in one image, or in each image of a list.

        Args:
            image: a path, bytes, an open file, a frame of a video, a Pillow image, a NumPy array (H, W, 3), a
                torch tensor (3, H, W), or a list or another iterable of these; see
                `freeloc.images.decode.load_image`. An array or tensor with four axes is a list of images.

        Returns:
            The result, or the list of results. Those of images that do not come from files contain the decoded
            image.

        Raises:
            MissingImageError: an image does not exist.
            ImageValueError: a value is not an image, or it is unclear what it shows.
            ImageError: an image cannot be read.
        """
        if not is_image_list(image):
            return self.predict(image)  # type: ignore[arg-type]
        outcomes = self.predict_stream(image, with_images=True)  # type: ignore[arg-type]
        return [with_image(*or_raise(outcome)) for outcome in outcomes]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.classes)} classes)"
