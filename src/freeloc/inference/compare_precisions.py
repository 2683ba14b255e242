"""Measure on this machine how fast a model predicts in each precision.

The precision "auto" follows from the kind of CPU (`freeloc.runtime.processors`). This comparison shows whether it
is the fastest on a machine that was not measured.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from freeloc._literals import InferencePrecision, Preset
from freeloc._typing import Uint8Array
from freeloc._validation import Count, check_arguments
from freeloc.inference.localizer import Localizer
from freeloc.inference.network_loader import ModelSource
from freeloc.io.progress import track
from freeloc.runtime import cpu_supports_int8, int8_is_fastest
from freeloc.runtime.hardware import cpu_name, cpu_supports_bfloat16, usable_cores
from freeloc.runtime.processors import explain_precision, processor_kind

__all__ = ["COMPARED_PRESETS", "PrecisionComparison", "compare_precisions"]

COMPARED_PRESETS: tuple[Preset, ...] = ("fast", "balanced", "best")
"""Presets that are measured. The time of "balanced" depends on what the images show, which is noise here."""

_IMAGE_SIZE = (375, 500)
_IMAGES, _ROUNDS = 8, 3

_TOLERANCE = 1.1
"""Ratio above which a time counts as longer than another, in spite of noise."""


@dataclass(frozen=True, slots=True)
class PrecisionComparison:
    """Times per image in each precision.

    Attributes:
        model: name of the model file.
        processor: name of the CPU.
        cores: number of cores used.
        kind: kind of the CPU, which determines the precision "auto".
        auto: the precision that "auto" is on this CPU.
        reason: why it is that precision.
        would_gain_from_int8: whether "auto" would be int8 if the model had an int8 network.
        milliseconds: for each precision, the median milliseconds per image of 500×375 pixels by preset, when many
            images are predicted.
    """

    model: str
    processor: str
    cores: int
    kind: str
    auto: str
    reason: str
    would_gain_from_int8: bool
    milliseconds: Mapping[str, Mapping[str, float]]

    @property
    def fastest(self) -> str:
        """The precision with the shortest time per image, over all presets."""
        return min(self.milliseconds, key=self._total)

    @property
    def auto_is_fastest(self) -> bool:
        """Whether no precision is faster than "auto" by more than the noise of the measurement."""
        return self._total(self.auto) <= _TOLERANCE * self._total(self.fastest)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {**asdict(self), "fastest": self.fastest, "auto_is_fastest": self.auto_is_fastest}

    def _total(self, precision: str) -> float:
        return sum(self.milliseconds[precision].values())


@check_arguments
def compare_precisions(
    model: str | Path, *, images: Count = _IMAGES, rounds: Count = _ROUNDS, quiet: bool = False
) -> PrecisionComparison:
    """Measure how fast a model predicts on the CPU, in each precision that the model and the CPU have.

    The precisions alternate, so that other programs slow down all of them alike. The images are generated.

    Args:
        model: a model file, a run folder, or a name; see `freeloc.models.registry.find_model`.
        images: number of images that are predicted in each round.
        rounds: number of rounds; the median counts.
        quiet: whether to hide progress.

    Raises:
        ConfigurationError: a number is not positive.
        ModelError: the model does not exist or is damaged.
        BackboneError: the backbone's weights cannot be loaded.
    """
    source = ModelSource.from_file(model)
    stored = source.header.int8 is not None
    has_int8 = stored and source.has_current_int8()
    samples = _images(images)
    localizers = {
        (precision, preset): Localizer(source, preset=preset, runtime="openvino", precision=precision)
        for precision in _precisions(has_int8=has_int8)
        for preset in COMPARED_PRESETS
    }
    for localizer in localizers.values():
        _seconds(localizer, samples[:2])  # builds and compiles the network
    runs = [key for _ in range(rounds) for key in localizers]
    seconds: dict[tuple[InferencePrecision, Preset], list[float]] = {key: [] for key in localizers}
    for key in track(runs, "comparing precisions", len(runs), quiet=quiet):
        seconds[key].append(_seconds(localizers[key], samples))
    milliseconds: dict[str, dict[str, float]] = {}
    for (precision, preset), values in seconds.items():
        milliseconds.setdefault(precision, {})[preset] = round(1e3 * median(values) / images, 1)
    auto = Localizer(source, runtime="openvino").prepare(many=True).precision
    return PrecisionComparison(
        source.identity.name or "",
        cpu_name(),
        usable_cores(),
        processor_kind().name,
        auto,
        explain_precision(auto, has_int8=has_int8 if has_int8 or not stored else None),
        not has_int8 and int8_is_fastest(),
        milliseconds,
    )


def _precisions(*, has_int8: bool) -> list[InferencePrecision]:
    found: list[InferencePrecision] = ["float32"]
    if cpu_supports_bfloat16():
        found.append("bfloat16")
    if has_int8 and cpu_supports_int8():
        found.append("int8")
    return found


def _seconds(localizer: Localizer, images: Sequence[Uint8Array]) -> float:
    started = time.perf_counter()
    for _result in localizer.predict_many(images):
        pass
    return time.perf_counter() - started


def _images(count: int) -> list[Uint8Array]:
    """Return images of noise; what they show matters only for the time of "balanced"."""
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*_IMAGE_SIZE, 3), np.uint8) for _ in range(count)]
