"""List the backbones that have a name, and measure how fast they compute features on this computer.

Listing loads no backbone and no torch; only the benchmark does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from freeloc._literals import Precision, Runtime
from freeloc._log import NOTICE, get_logger
from freeloc._validation import check_arguments
from freeloc.errors import BackboneError, MissingDependencyError
from freeloc.features.entry_size import entry_bytes
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.io.progress import track
from freeloc.nn.backbones.catalog import CATALOG, BackboneFacts, find_facts
from freeloc.nn.backbones.registry import BACKBONE_ALIASES, BACKBONES, check_backbone

if TYPE_CHECKING:
    from freeloc.nn.backbones.base import Backbone

__all__ = ["BENCHMARK_IMAGE", "ListedBackbone", "backbones"]

_log = get_logger(__name__)

BENCHMARK_IMAGE: Final = Size(500, 375)
"""Size of the image whose features are measured, at scale 1: of the usual size in Pascal VOC."""

_RUNS: Final = 5
"""Number of times that a network is run; the median counts."""

_FAMILY: Final = ":NAME"
"""End of the names of families of backbones in the registry."""


@dataclass(frozen=True, slots=True)
class ListedBackbone:
    """A backbone and what is known about it.

    Attributes:
        name: the name by which it is chosen.
        loads: the full name, which model files store.
        facts: license, size, layout and source of the weights; None for backbones of other packages, and for
            networks of timm without a short name.
        milliseconds: measured time for the features of an image of 500×375 pixels; None if it was not measured.
    """

    name: str
    loads: str
    facts: BackboneFacts | None
    milliseconds: float | None = None

    @property
    def cache_bytes(self) -> int | None:
        """Size of the cached float16 features of an image of 500×375 pixels at scale 1; None if unknown."""
        if self.facts is None:
            return None
        grid = _grid(CellLayout(self.facts.stride, self.facts.offset, self.facts.window))
        return entry_bytes(grid.valid_rows * grid.valid_cols, self.facts.channels, "float16")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values, with the same keys for every backbone; unknown values are None."""
        facts = dict.fromkeys(field.name for field in fields(BackboneFacts))
        if self.facts is not None:
            facts = asdict(self.facts)
        own = {"cache_bytes": self.cache_bytes, "milliseconds": self.milliseconds}
        return {**facts, "name": self.name, "loads": self.loads, **own}


@check_arguments
def backbones(
    names: Sequence[str] | None = None,
    *,
    benchmark: bool = False,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    quiet: bool = False,
) -> tuple[ListedBackbone, ...]:
    """Return the backbones that have a name, with license, size, layout and source of the weights.

    Args:
        names: only these; any name that `freeloc.train` accepts as its backbone. Default: all of the catalog, and
            those of installed packages.
        benchmark: whether to measure the time for the features of an image of 500×375 pixels at scale 1, one image
            at a time. Weights are random where they are not installed, which takes as long.
        runtime: the library that runs the network.
        precision: arithmetic of the network.
        quiet: whether to hide progress.

    Without ``names``, backbones that cannot be created here are not measured, and the log says why.

    Raises:
        BackboneError: a name is unknown, or one of the names is that of a backbone that cannot be created.
        MissingDependencyError: one of the names requires an optional package that is not installed.
    """
    listed = [_listed(name) for name in (_all_names() if names is None else names)]
    if not benchmark:
        return tuple(listed)
    measured = []
    for item in track(listed, "measuring", len(listed), quiet=quiet):
        try:
            milliseconds = _measure(item.loads, runtime, precision)
        except (BackboneError, MissingDependencyError) as error:
            if names is not None:
                raise
            milliseconds = None
            _log.log(NOTICE, "%s is not measured: %s", item.name, error)
        measured.append(ListedBackbone(item.name, item.loads, item.facts, milliseconds))
    return tuple(measured)


def _all_names() -> list[str]:
    known = [facts.name for facts in CATALOG]
    return [*known, *(name for name in BACKBONES.names() if name not in known and not name.endswith(_FAMILY))]


def _listed(name: str) -> ListedBackbone:
    check_backbone(name)
    full = BACKBONE_ALIASES.get(name, name)
    return ListedBackbone(name, full, find_facts(full))


def _measure(name: str, runtime: Runtime, precision: Precision) -> float:
    """Return the milliseconds for the features of an image."""
    import numpy as np

    from freeloc.nn.backbones.untrained import create_untrained_backbone
    from freeloc.runtime import compile_network

    backbone: Backbone = create_untrained_backbone(name)
    # Graphs of random weights would only displace those of models from the cache.
    network = compile_network(backbone, runtime=runtime, precision=precision, cached=False)
    size = _grid(backbone.layout).canvas
    # What the canvas shows does not matter for the time.
    canvas = np.random.default_rng(0).integers(0, 256, (size.height, size.width, 3), dtype=np.uint8)
    network(canvas)
    seconds = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        network(canvas)
        seconds.append(time.perf_counter() - started)
    return round(1e3 * median(seconds), 1)


def _grid(layout: CellLayout) -> Grid:
    return Pyramid((1.0,)).grid(BENCHMARK_IMAGE, 1.0, layout)
