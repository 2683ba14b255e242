"""Options of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

from msgspec import Meta

from freeloc._literals import APFlavour
from freeloc._validation import Seed, check_fields
from freeloc.errors import ConfigurationError
from freeloc.metrics import BOX_IOU, CalibrationOptions, LocationOptions, PointingOptions
from freeloc.metrics.detection_ap import check_iou

__all__ = ["EvaluationOptions"]


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of the metrics; docs/metrics.md explains each default.

    Attributes:
        flavour: how a precision-recall curve is summarized as one number, for every average precision; the
            flavour of ``location`` is set to the same value.
        location: options of location AP.
        pointing: options of the pointing game.
        resamples: number of bootstrap resamples over images.
        seed: seed of the resampling.
        box_iou: IoU thresholds at which the boxes of detectors are evaluated.
        calibration: bins of the calibration error.

    Raises:
        ConfigurationError: an option has the wrong type or is unknown or out of range, or ``location`` has a
            different flavour.
    """

    flavour: APFlavour = "area"
    location: LocationOptions = field(default_factory=LocationOptions)
    pointing: PointingOptions = field(default_factory=PointingOptions)
    resamples: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    seed: Seed = 0
    box_iou: tuple[float, ...] = BOX_IOU
    calibration: CalibrationOptions = field(default_factory=CalibrationOptions)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.location.flavour not in {self.flavour, LocationOptions().flavour}:
            raise ConfigurationError(
                f"flavour is {self.flavour} but location.flavour is {self.location.flavour}: use one flavour "
                "for both",
                parameter="flavour",
            )
        for iou in self.box_iou:
            check_iou(iou)
        object.__setattr__(self, "location", replace(self.location, flavour=self.flavour))
