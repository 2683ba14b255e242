"""The localizer, which applies a trained model to images."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar, Unpack

from PIL import Image

from freeloc._class_names import indices_of_classes
from freeloc._literals import InferencePrecision, LocationMode, Preset, Runtime
from freeloc._validation import check_arguments, check_value
from freeloc.errors import ConfigurationError, ImageError
from freeloc.geometry.grid import Grid
from freeloc.geometry.size import Size
from freeloc.images.canvas import load_for_scale, make_canvas
from freeloc.images.decode import ImageSource, check_image_list
from freeloc.images.video_frame import VideoFrame
from freeloc.inference.calls import (
    CallableLocalizer,
    FurtherOptions,
    LoadOptions,
    open_source,
    or_raise,
)
from freeloc.inference.decision import DecisionRule
from freeloc.inference.early_exit import EarlyExit
from freeloc.inference.fusion import localize
from freeloc.inference.multiscale import (
    ScaleInput,
    run_scales,
    run_scales_many,
    scale_streams,
    window_start,
)
from freeloc.inference.network_loader import ModelSource, NetworkLoader
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.origin import origin_of, with_image
from freeloc.inference.provenance import Provenance
from freeloc.inference.result import Localization
from freeloc.inference.score_map import ScoreMap
from freeloc.io.prefetch import prefetch
from freeloc.runtime import Network

if TYPE_CHECKING:  # torch takes seconds to load
    from freeloc.models.model import Model
    from freeloc.nn.backbones.base import Backbone

__all__ = ["Localizer"]

Result = TypeVar("Result")


class Localizer(CallableLocalizer):
    """A trained model that scores and locates every class in images.

    Several threads may share one localizer. A process created by ``os.fork`` may use a localizer of its parent,
    and compiles the network again on first use; on a GPU, start processes with the method "spawn" instead.

    Args:
        source: a model file, the run folder that contains it, or a name such as "voc20"; or a model in memory, for
            which `from_model` creates the source.
        options: how the model is run.
        given: ``weights`` and the fields of `LocalizerOptions`, as an alternative to ``options``; see `load`.

    Raises:
        ConfigurationError: an option is unknown or out of range, or two options contradict each other.
        BackboneError: the head was not trained on this backbone.
        ModelError: the model cannot be loaded, or the options require an int8 network, and the model has none.

    Example:
        >>> import numpy as np
        >>> localizer = Localizer("voc20", preset="fast")
        >>> result = localizer(np.zeros((375, 500, 3), np.uint8))
        >>> len(result.classes), result.image_size
        (20, Size(width=500, height=375))
        >>> result.present()  # a black image contains nothing
        ()
    """

    def __init__(
        self,
        source: ModelSource | str | Path,
        options: LocalizerOptions | None = None,
        **given: Unpack[LoadOptions],
    ) -> None:
        self._source, self.options = open_source(source, options, given)
        self._loader = NetworkLoader(self._source, self.options)
        header = self._source.header
        plan = self.options.scale_plan(header.scales)
        self.pyramid = header.pyramid.with_scales(plan.scales)
        self._selection = indices_of_classes(self.options.classes, header.classes, "the model")
        calibration = header.calibration
        if calibration is not None and self._selection is not None:
            calibration = calibration.select(self._selection)
        self.decision = DecisionRule(calibration, header.threshold, header.box_threshold)
        self._early_exit = EarlyExit(plan.early_exit_after, header.pooling)

    @classmethod
    @check_arguments
    def load(
        cls,
        model: str | Path,
        *,
        weights: str | Path | None = None,
        scales: tuple[float, ...] | None = None,
        preset: Preset | None = None,
        location: LocationMode = "fused",
        runtime: Runtime = "auto",
        precision: InferencePrecision = "auto",
        **further: Unpack[FurtherOptions],
    ) -> Localizer:
        """Load a model together with its backbone.

        On first use, the network is converted and cached; after that, it runs without torch. An int8 network is
        part of the model and requires no conversion.

        Args:
            model: a model file, the run folder that contains it, or a name such as "voc20"; see
                `freeloc.models.registry.find_model`.
            weights: weight file of the backbone; default: its published weights.
            scales: the scales at which images are scored; see `LocalizerOptions` for this argument and all that
                follow.
            preset: named choice of scales.
            location: how points are located.
            runtime: the library that runs the network.
            precision: the arithmetic of the network.
            further: ``batch``, ``classes`` and ``point``.

        Raises:
            ConfigurationError: an option is unknown or out of range, or two options contradict each other.
            ModelError: the model does not exist, is damaged, or was written by a newer version of freeloc; or it
                has no int8 network and the options require one.
            BackboneError: the backbone's weights cannot be loaded, or the head was trained on different weights.
        """
        options = LocalizerOptions(scales, preset, location, runtime, precision, **further)
        return cls(ModelSource.from_file(model, weights), options)

    @classmethod
    def from_model(
        cls, model: Model, backbone: Backbone, options: LocalizerOptions | None = None
    ) -> Localizer:
        """Create a localizer from a model in memory.

        Args:
            model: the model.
            backbone: the backbone on which the model was trained.
            options: how the model is run.

        Raises:
            ConfigurationError: an argument has the wrong type.
            BackboneError: the head was not trained on this backbone.
            ModelError: the options require an int8 network, and the model has none.
        """
        from freeloc.models.model import Model
        from freeloc.nn.backbones.base import Backbone

        check_value("model", model, Model)
        check_value("backbone", backbone, Backbone)
        return cls(ModelSource.from_model(model, backbone), options)

    @property
    def model(self) -> Model:
        """The trained head and its header."""
        return self._source.model

    @property
    def classes(self) -> tuple[str, ...]:
        """The K class names, in the order in which all arrays store the classes.

        These are the chosen classes, or else all classes of the model.
        """
        known = self._source.header.classes
        return known if self._selection is None else tuple(known[label] for label in self._selection)

    @property
    def pooling(self) -> str:
        """How score maps are pooled to scores."""
        return self._source.header.pooling

    @check_arguments
    def save(self, path: str | Path) -> None:
        """Write the model file atomically."""
        self.model.save(path)

    def predict(self, image: ImageSource) -> Localization:
        """Score and locate every class in one image.

        Args:
            image: a path, bytes, an open file, a frame of a video, a Pillow image, an array or a torch tensor; see
                `freeloc.images.decode.load_image`. Its EXIF orientation is applied.

        Raises:
            ImageError: the image cannot be read.
        """
        decoded, size = self._decode(image)
        result = self._result(self._maps_of_one(decoded, size, self._latency_network, alone=True), image)
        return with_image(result, decoded)

    def predict_many(self, images: Iterable[ImageSource]) -> Generator[Localization, None, None]:
        """Score and locate every class in many images, in order.

        The call takes the first two images and compiles the network. Later images are decoded while the network
        runs on earlier ones. Memory use does not grow with the number of images.

        Args:
            images: the images; see `predict`.

        Raises:
            ConfigurationError: ``images`` is a single image, or nothing that contains images.
            ImageError: an image cannot be read; raised when its result would be yielded.
        """
        outcomes = self.predict_stream(images)
        return (or_raise(outcome)[0] for outcome in outcomes)

    def predict_stream(
        self, images: Iterable[ImageSource], *, with_images: bool = False, start: int = 0
    ) -> Generator[tuple[Localization, Image.Image | None] | ImageError, None, None]:
        """Score and locate every class in many images, in order, and continue after unreadable ones.

        Args:
            images: the images; see `predict`.
            with_images: whether to yield the decoded images as well, so that they need not be decoded again. They
                remain in memory until they are yielded.
            start: number of images at the beginning whose results are not needed. The results of the others are
                exactly those of a call without ``start``, even if the network runs images in batches.

        Yields:
            The result and, if requested, the upright image in mode RGB, reduced by a factor of 2, 4 or 8 if it is
            a large JPEG. If an image cannot be read, the error is yielded instead.

        Raises:
            ConfigurationError: ``images`` is a single image, or nothing that contains images.
        """
        check_image_list(images)

        def finish(
            source: ImageSource, image: Image.Image | None, maps: list[ScoreMap]
        ) -> tuple[Localization, Image.Image | None]:
            return self._result(maps, source), image

        return self._stream(images, finish, keep_images=with_images, start=start)

    def score_maps(self, image: ImageSource) -> list[ScoreMap]:
        """Return the score maps of one image, one per scale.

        Raises:
            ImageError: the image cannot be read.
        """
        return self._maps_of_one(*self._decode(image), self._latency_network, alone=True)

    def score_maps_many(self, images: Iterable[ImageSource]) -> Generator[list[ScoreMap], None, None]:
        """Return a generator of the score maps of many images, in order; see `predict_many`.

        Raises:
            ConfigurationError: ``images`` is a single image, or nothing that contains images.
            ImageError: an image cannot be read; raised when its result would be yielded.
        """
        check_image_list(images)
        return (or_raise(outcome) for outcome in self._stream(images, lambda _source, _image, maps: maps))

    def prepare(self, *, many: bool = False) -> Provenance:
        """Compile the network now rather than at the first prediction, and return the origin of all results.

        Args:
            many: whether the network will predict several images in one call.
        """
        _ = self._throughput_network if many else self._latency_network
        return self._provenance

    def start_preparing(self, *, many: bool = False) -> None:
        """Start compiling the network in a thread, if that takes little time; the first prediction waits for it.

        Args:
            many: see `prepare`.
        """
        self._loader.start(streams=self._streams(many=many))

    @check_arguments
    def localize(
        self, maps: Sequence[ScoreMap], *, path: Path | None = None, mode: LocationMode | None = None
    ) -> Localization:
        """Compute the result for an image from its score maps.

        Args:
            maps: the score maps, one per scale.
            path: the image's file, stored in the result.
            mode: how points are located; default: the mode in ``options``.

        Raises:
            ConfigurationError: there are no maps, or an argument has the wrong type or is unknown.
        """
        if not maps:
            raise ConfigurationError("maps is empty: pass the score maps of one image", parameter="maps")
        result = localize(
            maps,
            self.classes,
            mode=mode or self.options.location,
            point=self.options.point,
            pooling=self.pooling,
            decision=self.decision,
            path=path,
        )
        return replace(result, peak_threshold=self.options.peak_threshold)

    @cached_property
    def _latency_network(self) -> Network:
        """The network for a single image, all of whose cores compute one or two canvases at the same time."""
        return self._loader.compile(streams=self._streams(many=False))

    @cached_property
    def _throughput_network(self) -> Network:
        """The network for many images, which processes a different canvas on each core."""
        return self._loader.compile(streams=self._streams(many=True))

    def _streams(self, *, many: bool) -> int | None:
        return None if many else scale_streams(self.pyramid.scales, self._early_exit)

    def _select(self, maps: list[ScoreMap]) -> list[ScoreMap]:
        """Return the maps of the chosen classes; the early exit considers all classes, so scores do not change."""
        return maps if self._selection is None else [part.select(self._selection) for part in maps]

    @cached_property
    def _provenance(self) -> Provenance:
        # Both networks have the same runtime and precision, so one that has been compiled is asked.
        network: Network = self.__dict__.get("_throughput_network") or self._latency_network
        return Provenance.of(self._source.identity, self.options, self.pyramid.scales, network)

    def _result(self, maps: Sequence[ScoreMap], source: ImageSource) -> Localization:
        return replace(self.localize(maps), provenance=self._provenance, **origin_of(source))

    def _decode(self, source: ImageSource) -> tuple[Image.Image, Size]:
        return load_for_scale(source, self.pyramid.decode_scale)

    def _maps_of_one(
        self, image: Image.Image, size: Size, network: Network, *, alone: bool
    ) -> list[ScoreMap]:
        grids, make_input = self.pyramid.grids(size, self._source.layout), partial(self._scale_input, image)
        return self._select(run_scales(grids, make_input, network, self._early_exit, alone=alone))

    def _scale_input(self, image: Image.Image, grid: Grid) -> ScaleInput:
        return ScaleInput.of(grid, make_canvas(image, grid, self._source.pad_color))

    def _stream(
        self,
        images: Iterable[ImageSource],
        finish: Callable[[ImageSource, Image.Image | None, list[ScoreMap]], Result],
        *,
        keep_images: bool = False,
        start: int = 0,
    ) -> Generator[Result | ImageError, None, None]:
        """Compile the network; return the results of ``finish``, called in a thread, from image ``start`` on."""
        images = iter(images)
        if not (first := list(islice(images, 2))):
            none: tuple[Result, ...] = ()
            return (result for result in none)
        alone = len(first) == 1
        network = self._latency_network if alone else self._throughput_network
        threads = network.threads
        # Decoded images and frames are large, so at most one per thread is kept in memory.
        is_large = keep_images or any(isinstance(source, VideoFrame) for source in first)
        depth = threads if is_large else None

        def prepare(source: ImageSource) -> tuple[_Context, Iterator[ScaleInput]]:
            image, size = self._decode(source)
            grids = self.pyramid.grids(size, self._source.layout)
            return (source, image if keep_images else None), map(partial(self._scale_input, image), grids)

        def attempt(source: ImageSource) -> Result | ImageError:
            try:
                image, size = self._decode(source)
                maps = self._maps_of_one(image, size, network, alone=alone)
                return finish(source, image if keep_images else None, maps)
            except ImageError as error:
                return error.without_traceback()

        def complete(outcome: tuple[_Context, list[ScoreMap]] | ImageError) -> Result | ImageError:
            return (
                outcome if isinstance(outcome, ImageError) else finish(*outcome[0], self._select(outcome[1]))
            )

        sources = chain(first, images)
        if network.batch == 1:
            return prefetch(attempt, islice(sources, start, None), threads=threads, depth=depth)
        # A result may depend on the images that share its batch, so a batch is never divided.
        window = window_start(start, network)
        outcomes = run_scales_many(islice(sources, window, None), prepare, network, self._early_exit)
        return prefetch(complete, islice(outcomes, start - window, None), threads=threads, depth=depth)


_Context: TypeAlias = tuple[ImageSource, Image.Image | None]
"""The source of an image and, if requested, the decoded image."""
