"""The thing a user holds: a trained model that says, for any photograph and class, how sure and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from freeloc.canvas import lay_out
from freeloc.errors import FreelocError
from freeloc.features import valid_map
from freeloc.geometry import Pyramid
from freeloc.localization import Localization, LocationMode, ScaleMap, fusion_lattice, localize
from freeloc.model import Model
from freeloc.overlap import ahead
from freeloc.search import WindowSearch
from freeloc.trunks import load_trunk
from freeloc.trunks.base import Trunk
from freeloc.trunks.runtime import Network, Precision, Runtime, Tail, compile_network

__all__ = ["Localizer", "Photo"]

Photo: TypeAlias = str | Path | Image.Image | npt.NDArray[np.generic]
"""A photograph: a file, a Pillow image, or an (H, W) or (H, W, 3) array."""


class Localizer:
    """Scores, points and maps for photographs. Several threads may use one; the network serves them in turn.

    Args:
        model: a trained head.
        trunk: the trunk it was trained on.
        scales: the scales a photograph is looked at; default the model's own (the paper's six).
        location: the way to the point, "fused" or "paper".
        runtime: who executes the network.
        precision: its arithmetic.

    Raises:
        FreelocError: the trunk is not the one the head was trained on.

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
        location: LocationMode = "fused",
        runtime: Runtime = "auto",
        precision: Precision = "auto",
    ) -> None:
        if trunk.fingerprint != model.trunk_fingerprint:
            raise FreelocError(
                f"the model was trained on other weights of trunk {model.trunk} than those at hand: "
                "give the same weights with --weights"
            )
        if location not in {"fused", "paper"}:
            raise FreelocError(f"--location {location} is unknown: choose fused or paper")
        self.model = model
        self.location: LocationMode = location
        self.pyramid = Pyramid(model.scales if scales is None else tuple(scales), model.padding)
        self._trunk = trunk
        self._runtime: Runtime = runtime
        self._precision: Precision = precision
        self._network = self._compiled(streams=False)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        weights: str | Path | None = None,
        scales: tuple[float, ...] | None = None,
        location: LocationMode = "fused",
        runtime: Runtime = "auto",
        precision: Precision = "auto",
    ) -> Localizer:
        """Load a model file, or a run folder's, together with its trunk.

        Args:
            path: a ``.safetensors`` file of ``freeloc train``, or the run folder that holds it.
            weights: local weight file of the trunk, where it is not the embedded one.
            scales: see the class.
            location: see the class.
            runtime: see the class.
            precision: see the class.

        Raises:
            FreelocError: the file is missing, damaged or of a newer format, or the trunk's weights cannot be
                had.
        """
        model = Model.load(path)
        trunk = load_trunk(model.trunk, weights)
        return cls(model, trunk, scales=scales, location=location, runtime=runtime, precision=precision)

    def save(self, path: str | Path) -> None:
        """Write the model file, as a whole."""
        self.model.save(path)

    @property
    def classes(self) -> tuple[str, ...]:
        """The K class names, in the order of all arrays."""
        return self.model.classes

    @property
    def threshold(self) -> float:
        """Probability from which a class counts as present."""
        return self.model.threshold

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
                return self.localize(self._score_maps(photo, self._streams), photo)
            except FreelocError as error:
                return error

        yield from ahead(attempt, photos, threads=self._streams.threads)

    def score_maps_many(self, photos: Iterable[Photo]) -> Iterator[list[ScaleMap]]:
        """Like `score_maps` for many photographs, in order; decoding overlaps, memory stays flat."""
        network = self._streams
        yield from ahead(lambda photo: self._score_maps(photo, network), photos, threads=network.threads)

    def score_maps(self, photo: Photo) -> list[ScaleMap]:
        """The raw score maps of one photograph, one per scale, cut to the cells that look at it."""
        return self._score_maps(photo, self._network)

    def localize(self, maps: list[ScaleMap], photo: Photo | None = None) -> Localization:
        """Scores and points from raw maps, the way this localizer was asked to."""
        path = Path(photo) if isinstance(photo, str | Path) else None
        return localize(maps, self.classes, mode=self.location, pooling=self.model.pooling, path=path)

    @cached_property
    def _streams(self) -> Network:
        """The network for many photographs: every core works on one of its own."""
        return self._compiled(streams=True)

    def _compiled(self, *, streams: bool) -> Network:
        # With every canvas come the mask of its padding (two axes) and the lattice's field (three).
        tail = Tail(WindowSearch(self._trunk.projection, self.model.head), extras=(2, 3))
        return compile_network(
            self._trunk, tail, runtime=self._runtime, precision=self._precision, streams=streams
        )

    def _score_maps(self, photo: Photo, network: Network) -> list[ScaleMap]:
        found = []
        for grid, canvas in lay_out(photo, self.pyramid, self._trunk.layout, self._trunk.fill):
            field = grid.sampling_field(fusion_lattice(grid.photo))
            values, peaks, aligned = network.run(canvas, grid.padding_mask(), field)
            found.append(ScaleMap(valid_map(values, grid), grid, peaks, aligned))
        return found
