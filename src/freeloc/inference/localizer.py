"""The thing a user holds: a trained model that says, for any image and class, how sure and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import ImageSource
from freeloc.inference.decision import DecisionRule
from freeloc.inference.fusion import localize, pooled_scores
from freeloc.inference.multiscale import EarlyExit, ScaleInput, run_scales, run_scales_many
from freeloc.inference.presets import INT8_PRESETS, UNDECIDED_SCORE, Preset, ScalePlan, select_scales
from freeloc.inference.result import Localization, LocationMode
from freeloc.inference.score_map import SCORING_GRAPH_VERSION, ScoreMap
from freeloc.io.prefetch import prefetch
from freeloc.models.header import ModelFile, ModelHeader
from freeloc.runtime import (
    AppendedModule,
    InferencePrecision,
    Network,
    QuantizedGraph,
    Runtime,
    check_runtime,
    compile_cached,
    compile_network,
    compile_quantized,
    cpu_supports_int8,
    gpu_available,
    is_graph_cached,
)

if TYPE_CHECKING:  # torch takes seconds to load, and a kept graph runs without it
    from freeloc.models.model import Model
    from freeloc.nn.backbones.base import Backbone

__all__ = ["ImageSource", "Localizer"]


class Localizer:
    """Scores, points and maps for images. Several threads may use one; the network serves them in turn.

    Args:
        model: a trained head.
        backbone: the backbone it was trained on.
        scales: the scales an image is looked at; default the model's own (the paper's six).
        preset: the same by name, see `freeloc.inference.presets`: "fast", "balanced" or "best", the model's own.
        location: the way to the point, "fused" or "paper".
        runtime: who executes the network.
        precision: its arithmetic. "int8" needs a model that carries an int8 network (`freeloc.quantize`), and runs
            in OpenVINO; the presets "fast" and "balanced" take it by themselves where it is there and pays.
        batch: how many canvases of one shape torch is given at once, at most, when there are many images;
            default many on a GPU, one on a processor. OpenVINO is given one.

    Raises:
        FreelocError: the backbone is not the one the head was trained on, or the model carries no int8 network.

    Example:
        >>> localizer = Localizer.load("run/model.safetensors")  # doctest: +SKIP
        >>> result = localizer.predict("street.jpg")  # doctest: +SKIP
        >>> for found in result.present():  # doctest: +SKIP
        ...     print(found.name, found.probability, found.x, found.y)
    """

    def __init__(
        self,
        model: Model,
        backbone: Backbone,
        *,
        scales: tuple[float, ...] | None = None,
        preset: Preset | None = None,
        location: LocationMode = "fused",
        runtime: Runtime = "auto",
        precision: InferencePrecision = "auto",
        batch: int | None = None,
    ) -> None:
        check_runtime(runtime, precision, allow_int8=True)
        backbone = _same_backbone(model.adapt_backbone(backbone), model.header)
        meant = _meant(precision, preset, runtime, int8=model.int8 is not None)
        int8 = _wanted(model.int8) if meant == "int8" else None

        def compiled(streams: bool) -> Network:
            if meant == "int8":
                return compile_quantized(_wanted(int8), streams=streams)
            tail = _tail(model, backbone)
            return compile_network(
                backbone, tail, runtime=runtime, precision=meant, streams=streams, batch=batch
            )

        self._model = model
        self._hold(
            model.header,
            backbone.layout,
            backbone.pad_color,
            select_scales(model.header.scales, scales, preset),
            location,
            compiled,
        )

    @classmethod
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
        batch: int | None = None,
    ) -> Localizer:
        """Load a model together with its backbone.

        The first time, the network is traced and kept; from then on it starts without torch being loaded. An
        int8 network comes with the model and needs no first time.

        Args:
            model: a ``.safetensors`` file of ``freeloc train``, the run folder that holds it, or a name such as
                "voc20", see `freeloc.models.registry.find_model`.
            weights: local weight file of the backbone, where it is not the embedded one.
            scales: see the class.
            preset: see the class.
            location: see the class.
            runtime: see the class.
            precision: see the class.
            batch: see the class.

        Raises:
            FreelocError: the model is missing, damaged or of a newer format, or the backbone's weights cannot be
                had.
        """
        file = ModelFile.open(model)
        header = file.header
        check_runtime(runtime, precision, allow_int8=True)
        if weights is None and header.layout is not None and header.pad_color is not None:
            chosen = select_scales(header.scales, scales, preset)
            meant = _meant(precision, preset, runtime, int8=header.int8 is not None)
            kept = meant == "int8" or (
                _on_processor(runtime) and is_graph_cached(_graph_name(header, file.content_hash))
            )
            if kept:
                return _CachedGraphLocalizer(file, header.layout, header.pad_color, chosen, location, meant)
        from freeloc.models.model import Model
        from freeloc.nn.backbones.registry import load_backbone

        loaded = Model.load(file.path)
        return cls(
            loaded,
            load_backbone(loaded.header.backbone, weights),
            scales=scales,
            preset=preset,
            location=location,
            runtime=runtime,
            precision=precision,
            batch=batch,
        )

    def _hold(
        self,
        header: ModelHeader,
        layout: CellLayout,
        pad_color: tuple[int, int, int],
        plan: ScalePlan,
        location: LocationMode,
        compiled: Callable[[bool], Network],
    ) -> None:
        if location not in {"fused", "paper"}:
            raise FreelocError(f"--location {location} is unknown: choose fused or paper")
        self.location: LocationMode = location
        self.pyramid = Pyramid(plan.scales, header.padding)
        self._glance = EarlyExit(plan.glance, self._in_doubt)
        self._header = header
        self._layout = layout
        self._fill = pad_color
        self._compiled = compiled

    @property
    def model(self) -> Model:
        """The trained head and what belongs to it."""
        return self._model

    def save(self, path: str | Path) -> None:
        """Write the model file, as a whole."""
        self.model.save(path)

    @property
    def classes(self) -> tuple[str, ...]:
        """The K class names, in the order of all arrays."""
        return self._header.classes

    @property
    def pooling(self) -> str:
        """How a scale's map becomes a score."""
        return self._header.pooling

    @cached_property
    def decision(self) -> DecisionRule:
        """Calibration and thresholds of the model."""
        return DecisionRule(self._header.calibration, self._header.threshold, self._header.box_threshold)

    def predict(self, image: ImageSource) -> Localization:
        """Scores, points and maps of every class for one image.

        Args:
            image: an image; see `freeloc.images.decode.load_image`.

        Raises:
            FreelocError: the image cannot be read.
        """
        return self.localize(self.score_maps(image), image)

    def predict_many(self, images: Iterable[ImageSource]) -> Iterator[Localization]:
        """Like `predict` for many images, in order; decoding overlaps, memory stays flat.

        Raises:
            FreelocError: an image cannot be read; raised when its turn comes.
        """
        for outcome in self.try_many(images):
            if isinstance(outcome, FreelocError):
                raise outcome
            yield outcome

    def try_many(self, images: Iterable[ImageSource]) -> Iterator[Localization | FreelocError]:
        """Like `predict_many`, but an image that cannot be read gives its error instead of raising it."""

        def attempt(image: ImageSource) -> Localization | FreelocError:
            try:
                return self.localize(self._score_maps(image, network), image)
            except FreelocError as error:
                return error

        def finish(found: tuple[ImageSource, list[ScoreMap] | FreelocError]) -> Localization | FreelocError:
            image, maps = found
            return maps if isinstance(maps, FreelocError) else self.localize(maps, image)

        network, images = self._network_for(images)
        if network.batch == 1:
            yield from prefetch(attempt, images, threads=network.threads)
        else:
            yield from prefetch(finish, self._in_batches(images, network), threads=network.threads)

    def score_maps_many(self, images: Iterable[ImageSource]) -> Iterator[list[ScoreMap]]:
        """Like `score_maps` for many images, in order; decoding overlaps, memory stays flat."""
        network, images = self._network_for(images)
        if network.batch == 1:
            yield from prefetch(
                lambda image: self._score_maps(image, network), images, threads=network.threads
            )
            return
        for _, maps in self._in_batches(images, network):
            if isinstance(maps, FreelocError):
                raise maps
            yield maps

    def score_maps(self, image: ImageSource) -> list[ScoreMap]:
        """The raw score maps of one image, one per scale looked at, cut to the cells that look at it."""
        return self._score_maps(image, self._latency)

    def localize(
        self, maps: list[ScoreMap], image: ImageSource | None = None, *, mode: LocationMode | None = None
    ) -> Localization:
        """Scores and points from raw maps, the way this localizer was asked to, or the way of ``mode``."""
        return localize(
            maps,
            self.classes,
            mode=mode or self.location,
            pooling=self.pooling,
            path=Path(image) if isinstance(image, str | Path) else None,
            decision=self.decision,
        )

    @cached_property
    def _latency(self) -> Network:
        """The network for a single image: all cores work on it."""
        return self._compiled(False)

    @cached_property
    def _streams(self) -> Network:
        """The network for many images: every core works on one of its own."""
        return self._compiled(True)

    def _network_for(self, images: Iterable[ImageSource]) -> tuple[Network, Iterable[ImageSource]]:
        """The network that is done with all the images soonest; a stream each is no help to a single one."""
        waiting = iter(images)
        first = list(islice(waiting, 2))
        return self._streams if len(first) > 1 else self._latency, chain(first, waiting)

    def _score_maps(self, image: ImageSource, network: Network) -> list[ScoreMap]:
        return run_scales(self._looks(image), network, self._glance)

    def _in_batches(
        self, images: Iterable[ImageSource], network: Network
    ) -> Iterator[tuple[ImageSource, list[ScoreMap] | FreelocError]]:
        return run_scales_many(images, self._looks, network, self._glance)

    def _looks(self, image: ImageSource) -> Iterator[ScaleInput]:
        return (
            ScaleInput.of(grid, canvas)
            for grid, canvas in load_canvases(image, self.pyramid, self._layout, self._fill)
        )

    def _in_doubt(self, found: Sequence[ScoreMap]) -> bool:
        """Whether a glance leaves a class undecided; see `freeloc.inference.presets.ScalePlan`."""
        return bool(np.abs(pooled_scores(found, self.pooling)).min() < UNDECIDED_SCORE)


class _CachedGraphLocalizer(Localizer):
    """Runs the model's int8 network, or the graph that an earlier localizer kept.

    Torch is loaded only if the latter turns out damaged.
    """

    def __init__(
        self,
        file: ModelFile,
        layout: CellLayout,
        pad_color: tuple[int, int, int],
        plan: ScalePlan,
        location: LocationMode,
        precision: InferencePrecision,
    ) -> None:
        int8 = _wanted(file.int8_graph()) if precision == "int8" else None

        def compiled(streams: bool) -> Network:
            if precision == "int8":
                return compile_quantized(_wanted(int8), streams=streams)
            network = compile_cached(
                _graph_name(file.header, file.content_hash), precision=precision, streams=streams
            )
            if network is None:
                tail = _tail(self.model, self._backbone)
                network = compile_network(
                    self._backbone, tail, runtime="openvino", precision=precision, streams=streams
                )
            return network

        self._file = file
        self._hold(file.header, layout, pad_color, plan, location, compiled)

    @cached_property
    def model(self) -> Model:
        """The trained head and what belongs to it, read from its file."""
        from freeloc.models.model import Model

        return Model.load(self._file.path)

    @cached_property
    def _backbone(self) -> Backbone:
        from freeloc.nn.backbones.registry import load_backbone

        return _same_backbone(self.model.adapt_backbone(load_backbone(self._header.backbone)), self._header)


def _on_processor(runtime: Runtime) -> bool:
    return runtime == "openvino" or (runtime == "auto" and not gpu_available())


def _meant(
    precision: InferencePrecision, preset: Preset | None, runtime: Runtime, *, int8: bool
) -> InferencePrecision:
    """The precision, where a preset counts on an int8 network and nothing else was asked for."""
    willing = precision == "auto" and preset in INT8_PRESETS and int8 and _on_processor(runtime)
    return "int8" if willing and cpu_supports_int8() else precision


def _wanted(int8: QuantizedGraph | None) -> QuantizedGraph:
    if int8 is None:
        raise FreelocError(
            "the model has no int8 network: make one with freeloc quantize MODEL IMAGES, or leave "
            "--precision int8 out"
        )
    return int8


def _same_backbone(backbone: Backbone, header: ModelHeader) -> Backbone:
    if backbone.fingerprint != header.backbone_fingerprint:
        raise FreelocError(
            f"the model was trained on other weights of backbone {header.backbone} than those at hand: "
            "give the same weights with --weights"
        )
    return backbone


def _tail(model: Model, backbone: Backbone) -> AppendedModule:
    from freeloc.inference.scoring_graph import scoring_tail

    name = None if model.content_hash is None else _graph_name(model.header, model.content_hash)
    return scoring_tail(backbone, model.head, name)


def _graph_name(header: ModelHeader, content_hash: str) -> str:
    return f"search{SCORING_GRAPH_VERSION}-{header.backbone_fingerprint[:16]}-{content_hash[:32]}"
