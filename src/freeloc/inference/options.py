"""Options for prediction."""

from __future__ import annotations

from dataclasses import dataclass

from freeloc._class_names import check_class_names
from freeloc._literals import InferencePrecision, LocationMode, PointKind, Preset, Runtime
from freeloc._validation import Count, Fraction, check_fields
from freeloc.errors import ConfigurationError
from freeloc.geometry.pyramid import check_scales
from freeloc.inference.presets import PRESETS, ScalePlan
from freeloc.runtime import check_runtime, gpu_available, int8_is_fastest

__all__ = ["LocalizerOptions"]


@dataclass(frozen=True, slots=True)
class LocalizerOptions:
    """Options of `freeloc.inference.localizer.Localizer`.

    Attributes:
        scales: the scales at which images are scored; default: the model's scales.
        preset: "fast", "balanced" or "best" instead of ``scales``; see `freeloc.inference.presets`.
        location: how points are located, "fused" or "paper"; see `freeloc.inference.fusion.localize`.
        runtime: the library that runs the network.
        precision: the arithmetic of the network. "auto" is the fastest one on this CPU: the model's int8
            network, if it has one, or bfloat16 or float32 (`freeloc.runtime.processors`). "int8" requires a model
            with an int8 network (`freeloc.quantize`) and runs in OpenVINO; on a CPU on which int8 networks are
            inaccurate, "auto" is used instead.
        batch: maximum number of canvases of equal shape that torch runs in one batch; default: 32 on a GPU and 1
            on a CPU. OpenVINO always runs canvases one by one.
        classes: the classes of the results, in this order; default: all classes of the model. Classes that the
            model does not have are left out, and the log names them.
        point: which place of an object its point is. Points that are located as in the paper are "salient".
        peak_threshold: minimum value of a peak, as a fraction of the map's maximum, unless
            `freeloc.inference.result.Localization.peaks` is called with another one.

    Raises:
        ConfigurationError: an option has the wrong type or is unknown or out of range, or two options contradict
            each other.
    """

    scales: tuple[float, ...] | None = None
    preset: Preset | None = None
    location: LocationMode = "fused"
    runtime: Runtime = "auto"
    precision: InferencePrecision = "auto"
    batch: Count | None = None
    classes: tuple[str, ...] | None = None
    point: PointKind = "salient"
    peak_threshold: Fraction = 0.5

    def __post_init__(self) -> None:
        check_fields(self)
        if self.classes is not None:
            object.__setattr__(self, "classes", check_class_names(self.classes))
        check_runtime(self.runtime, self.precision, allow_int8=True)
        if self.location == "paper" and self.point == "central":
            raise ConfigurationError(
                "location is paper, but only fused points can be central: specify fused or salient points",
                parameter="point",
            )
        if self.scales is not None:
            self._check_scales(self.scales)

    def _check_scales(self, scales: tuple[float, ...]) -> None:
        if self.preset is not None:
            raise ConfigurationError(
                "scales and preset both choose the scales: specify only one of them", parameter="preset"
            )
        if len(set(scales)) < len(scales):
            values = ", ".join(f"{scale:g}" for scale in scales)
            raise ConfigurationError(f"scales are {values}: list each scale only once", parameter="scales")
        check_scales("scales", scales)

    @property
    def uses_openvino(self) -> bool:
        """Whether OpenVINO runs the network."""
        return self.runtime == "openvino" or (self.runtime == "auto" and not gpu_available())

    def scale_plan(self, model_scales: tuple[float, ...]) -> ScalePlan:
        """Return the scales at which a model's images are scored.

        Args:
            model_scales: the model's default scales.
        """
        if self.scales is not None:
            return ScalePlan(self.scales)
        return (None if self.preset is None else PRESETS[self.preset]) or ScalePlan(model_scales)

    def network_precision(self, *, has_int8: bool) -> InferencePrecision:
        """Return the network's precision: ``precision``, or "int8" instead of "auto" if that is fastest.

        Args:
            has_int8: whether the model has an int8 network.
        """
        if self.precision != "auto" or not has_int8 or not self.uses_openvino:
            return self.precision
        return "int8" if int8_is_fastest() else "auto"
