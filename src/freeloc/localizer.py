"""The thing a user holds: a trained model that says, for any photograph and class, how sure and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from freeloc.calibration import Calibration
from freeloc.canvas import lay_out
from freeloc.errors import FreelocError
from freeloc.geometry import CellLayout, Pyramid
from freeloc.localization import (
    SEARCH_VERSION,
    Localization,
    LocationMode,
    ScaleMap,
    localize,
    pooled_scores,
)
from freeloc.looking import Glance, Look, look_at, look_at_many
from freeloc.modelfile import ModelHeader
from freeloc.overlap import ahead
from freeloc.poolings import Pooling
from freeloc.presets import DOUBT, WITH_INT8, Preset, ScalePlan, chosen_plan
from freeloc.runtime import (
    Network,
    QuantizedGraph,
    Runtime,
    SearchPrecision,
    Tail,
    check_runtime,
    compile_kept,
    compile_network,
    compile_quantized,
    cpu_multiplies_int8,
    gpu_at_hand,
    graph_kept,
)

if TYPE_CHECKING:  # torch takes seconds to load, and a kept graph runs without it
    from freeloc.model import Model
    from freeloc.trunks.base import Trunk

__all__ = ["Localizer", "Photo"]

Photo: TypeAlias = str | Path | Image.Image | npt.NDArray[np.generic]
"""A photograph: a file, a Pillow image, or an array as `freeloc.photographs.load_photograph` takes it."""


class Localizer:
    """Scores, points and maps for photographs. Several threads may use one; the network serves them in turn.

    Args:
        model: a trained head.
        trunk: the trunk it was trained on.
        scales: the scales a photograph is looked at; default the model's own (the paper's six).
        preset: the same by name, see `freeloc.presets`: "fast", "balanced" or "best", the model's own.
        location: the way to the point, "fused" or "paper".
        runtime: who executes the network.
        precision: its arithmetic. "int8" needs a model that carries an int8 network (`freeloc.quantize`), and runs
            in OpenVINO; the presets "fast" and "balanced" take it by themselves where it is there and pays.
        batch: how many canvases of one shape torch is given at once, at most, when there are many photographs;
            default many on a GPU, one on a processor. OpenVINO is given one.

    Raises:
        FreelocError: the trunk is not the one the head was trained on, or the model carries no int8 network.

    Example:
        >>> localizer = Localizer.load("run/model.safetensors")  # doctest: +SKIP
        >>> result = localizer.predict("street.jpg")  # doctest: +SKIP
        >>> for found in result.present():  # doctest: +SKIP
        ...     print(found.name, found.probability, found.x, found.y)
    """

    def __init__(
        self,
        model: Model,
        trunk: Trunk,
        *,
        scales: tuple[float, ...] | None = None,
        preset: Preset | None = None,
        location: LocationMode = "fused",
        runtime: Runtime = "auto",
        precision: SearchPrecision = "auto",
        batch: int | None = None,
    ) -> None:
        check_runtime(runtime, precision, search=True)
        trunk = _same_trunk(model.adapted(trunk), model)
        meant = _meant(precision, preset, runtime, int8=model.int8 is not None)
        int8 = _wanted(model.int8) if meant == "int8" else None

        def compiled(streams: bool) -> Network:
            if meant == "int8":
                return compile_quantized(_wanted(int8), streams=streams)
            tail = _tail(model, trunk)
            return compile_network(
                trunk, tail, runtime=runtime, precision=meant, streams=streams, batch=batch
            )

        self._model = model
        self._hold(
            model, trunk.layout, trunk.fill, chosen_plan(model.scales, scales, preset), location, compiled
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
        precision: SearchPrecision = "auto",
        batch: int | None = None,
    ) -> Localizer:
        """Load a model together with its trunk.

        The first time, the network is traced and kept; from then on it starts without torch being loaded. An
        int8 network comes with the model and needs no first time.

        Args:
            model: a ``.safetensors`` file of ``freeloc train``, the run folder that holds it, or a name such as
                "voc20", see `freeloc.registry.find_model`.
            weights: local weight file of the trunk, where it is not the embedded one.
            scales: see the class.
            preset: see the class.
            location: see the class.
            runtime: see the class.
            precision: see the class.
            batch: see the class.

        Raises:
            FreelocError: the model is missing, damaged or of a newer format, or the trunk's weights cannot be
                had.
        """
        header = ModelHeader.read(model)
        check_runtime(runtime, precision, search=True)
        if weights is None and header.layout is not None and header.fill is not None:
            chosen = chosen_plan(header.scales, scales, preset)
            meant = _meant(precision, preset, runtime, int8=header.int8 is not None)
            kept = meant == "int8" or (_on_processor(runtime) and graph_kept(_graph_name(header)))
            if kept:
                return _KeptLocalizer(header, header.layout, header.fill, chosen, location, meant)
        from freeloc.model import Model
        from freeloc.trunks import load_trunk

        loaded = Model.load(header.path)
        return cls(
            loaded,
            load_trunk(loaded.trunk, weights),
            scales=scales,
            preset=preset,
            location=location,
            runtime=runtime,
            precision=precision,
            batch=batch,
        )

    def _hold(
        self,
        facts: Model | ModelHeader,
        layout: CellLayout,
        fill: tuple[int, int, int],
        plan: ScalePlan,
        location: LocationMode,
        compiled: Callable[[bool], Network],
    ) -> None:
        if location not in {"fused", "paper"}:
            raise FreelocError(f"--location {location} is unknown: choose fused or paper")
        self.location: LocationMode = location
        self.pyramid = Pyramid(plan.scales, facts.padding)
        self._glance = Glance(plan.glance, self._in_doubt)
        self._facts = facts
        self._layout = layout
        self._fill = fill
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
        return self._facts.classes

    @property
    def pooling(self) -> Pooling:
        """How a scale's map becomes a score."""
        return self._facts.pooling

    @property
    def threshold(self) -> float:
        """Probability from which a class counts as present, where the model has no calibration."""
        return self._facts.threshold

    @property
    def calibration(self) -> Calibration | None:
        """How scores become probabilities, with a threshold per class; None leaves the paper's equation 2."""
        return self._facts.calibration

    def predict(self, photo: Photo) -> Localization:
        """Scores, points and maps of every class for one photograph.

        Args:
            photo: a file, a Pillow image, or an array; turned upright by its EXIF orientation.

        Raises:
            FreelocError: the photograph cannot be read.
        """
        return self.localize(self.score_maps(photo), photo)

    def predict_many(self, photos: Iterable[Photo]) -> Iterator[Localization]:
        """Like `predict` for many photographs, in order; decoding overlaps, memory stays flat.

        Raises:
            FreelocError: a photograph cannot be read; raised when its turn comes.
        """
        for outcome in self.try_many(photos):
            if isinstance(outcome, FreelocError):
                raise outcome
            yield outcome

    def try_many(self, photos: Iterable[Photo]) -> Iterator[Localization | FreelocError]:
        """Like `predict_many`, but a photograph that cannot be read gives its error instead of raising it."""

        def attempt(photo: Photo) -> Localization | FreelocError:
            try:
                return self.localize(self._score_maps(photo, network), photo)
            except FreelocError as error:
                return error

        def finish(found: tuple[Photo, list[ScaleMap] | FreelocError]) -> Localization | FreelocError:
            photo, maps = found
            return maps if isinstance(maps, FreelocError) else self.localize(maps, photo)

        network, photos = self._network_for(photos)
        if network.batch == 1:
            yield from ahead(attempt, photos, threads=network.threads)
        else:
            yield from ahead(finish, self._in_batches(photos, network), threads=network.threads)

    def score_maps_many(self, photos: Iterable[Photo]) -> Iterator[list[ScaleMap]]:
        """Like `score_maps` for many photographs, in order; decoding overlaps, memory stays flat."""
        network, photos = self._network_for(photos)
        if network.batch == 1:
            yield from ahead(lambda photo: self._score_maps(photo, network), photos, threads=network.threads)
            return
        for _, maps in self._in_batches(photos, network):
            if isinstance(maps, FreelocError):
                raise maps
            yield maps

    def score_maps(self, photo: Photo) -> list[ScaleMap]:
        """The raw score maps of one photograph, one per scale looked at, cut to the cells that look at it."""
        return self._score_maps(photo, self._latency)

    def localize(
        self, maps: list[ScaleMap], photo: Photo | None = None, *, mode: LocationMode | None = None
    ) -> Localization:
        """Scores and points from raw maps, the way this localizer was asked to, or the way of ``mode``."""
        return localize(
            maps,
            self.classes,
            mode=mode or self.location,
            pooling=self.pooling,
            path=Path(photo) if isinstance(photo, str | Path) else None,
            calibration=self.calibration,
            threshold=self.threshold,
            level=self._facts.level,
        )

    @cached_property
    def _latency(self) -> Network:
        """The network for a single photograph: all cores work on it."""
        return self._compiled(False)

    @cached_property
    def _streams(self) -> Network:
        """The network for many photographs: every core works on one of its own."""
        return self._compiled(True)

    def _network_for(self, photos: Iterable[Photo]) -> tuple[Network, Iterable[Photo]]:
        """The network that is done with all the photographs soonest; a stream each is no help to a single one."""
        waiting = iter(photos)
        first = list(islice(waiting, 2))
        return self._streams if len(first) > 1 else self._latency, chain(first, waiting)

    def _score_maps(self, photo: Photo, network: Network) -> list[ScaleMap]:
        return look_at(self._looks(photo), network, self._glance)

    def _in_batches(
        self, photos: Iterable[Photo], network: Network
    ) -> Iterator[tuple[Photo, list[ScaleMap] | FreelocError]]:
        return look_at_many(photos, self._looks, network, self._glance)

    def _looks(self, photo: Photo) -> Iterator[Look]:
        return (
            Look.of(grid, canvas) for grid, canvas in lay_out(photo, self.pyramid, self._layout, self._fill)
        )

    def _in_doubt(self, found: Sequence[ScaleMap]) -> bool:
        """Whether a glance leaves a class undecided; see `freeloc.presets.ScalePlan`."""
        return bool(np.abs(pooled_scores(found, self.pooling)).min() < DOUBT)


class _KeptLocalizer(Localizer):
    """Runs the model's int8 network, or the graph that an earlier localizer kept.

    Torch is loaded only if the latter turns out damaged.
    """

    def __init__(
        self,
        header: ModelHeader,
        layout: CellLayout,
        fill: tuple[int, int, int],
        plan: ScalePlan,
        location: LocationMode,
        precision: SearchPrecision,
    ) -> None:
        int8 = _wanted(header.int8_graph()) if precision == "int8" else None

        def compiled(streams: bool) -> Network:
            if precision == "int8":
                return compile_quantized(_wanted(int8), streams=streams)
            network = compile_kept(_graph_name(header), precision=precision, streams=streams)
            if network is None:
                tail = _tail(self.model, self._trunk)
                network = compile_network(
                    self._trunk, tail, runtime="openvino", precision=precision, streams=streams
                )
            return network

        self._header = header
        self._hold(header, layout, fill, plan, location, compiled)

    @cached_property
    def model(self) -> Model:
        """The trained head and what belongs to it, read from its file."""
        from freeloc.model import Model

        return Model.load(self._header.path)

    @cached_property
    def _trunk(self) -> Trunk:
        from freeloc.trunks import load_trunk

        return _same_trunk(self.model.adapted(load_trunk(self._header.trunk)), self._header)


def _on_processor(runtime: Runtime) -> bool:
    return runtime == "openvino" or (runtime == "auto" and not gpu_at_hand())


def _meant(
    precision: SearchPrecision, preset: Preset | None, runtime: Runtime, *, int8: bool
) -> SearchPrecision:
    """The precision, where a preset counts on an int8 network and nothing else was asked for."""
    willing = precision == "auto" and preset in WITH_INT8 and int8 and _on_processor(runtime)
    return "int8" if willing and cpu_multiplies_int8() else precision


def _wanted(int8: QuantizedGraph | None) -> QuantizedGraph:
    if int8 is None:
        raise FreelocError(
            "the model has no int8 network: make one with freeloc quantize MODEL PHOTOGRAPHS, or leave "
            "--precision int8 out"
        )
    return int8


def _same_trunk(trunk: Trunk, facts: Model | ModelHeader) -> Trunk:
    if trunk.fingerprint != facts.trunk_fingerprint:
        raise FreelocError(
            f"the model was trained on other weights of trunk {facts.trunk} than those at hand: "
            "give the same weights with --weights"
        )
    return trunk


def _tail(model: Model, trunk: Trunk) -> Tail:
    from freeloc.search import search_tail

    return search_tail(trunk, model.head, None if model.content is None else _graph_name(model))


def _graph_name(facts: Model | ModelHeader) -> str:
    return f"search{SEARCH_VERSION}-{facts.trunk_fingerprint[:16]}-{str(facts.content)[:32]}"
