"""What the numbers mean: average precision, pointing game, calibration, their intervals.

Pure NumPy functions over arrays, and small accumulators for photographs that come one at a time. This room
knows nothing about how predictions were made. docs/metrics.md defines every metric and every option.

The function ``average_precision`` shares its module's name and is imported from there.
"""

from freeloc.metrics.average_precision import (
    APFlavour,
    PrecisionRecallCurve,
    Ranking,
    classification_ap,
    classification_ranking,
    mean_over_classes,
    precision_recall_curve,
    ranked_average_precision,
)
from freeloc.metrics.bootstrap import (
    BootstrapResult,
    Interval,
    PairedBootstrap,
    PhotographMetric,
    bootstrap_intervals,
    paired_bootstrap,
)
from freeloc.metrics.calibration import (
    Binning,
    BrierScore,
    CalibrationError,
    CalibrationOptions,
    CalibrationResult,
    ReliabilityBins,
    brier_score,
    calibration_error,
    measure_calibration,
    reliability_bins,
)
from freeloc.metrics.detection import (
    BOX_IOU,
    DetectionRanking,
    Detections,
    best_boxes,
    detection_ap,
    detection_ranking,
    detection_rankings,
)
from freeloc.metrics.location import (
    LocationAccumulator,
    LocationOptions,
    LocationResult,
    Objects,
    Outcome,
    centre_points,
    location_ap,
    location_outcomes,
    location_ranking,
)
from freeloc.metrics.pointing import (
    PointingAccumulator,
    PointingOptions,
    PointingResult,
    Tally,
    pointing_game,
    pointing_outcomes,
    union_area,
)

__all__ = [
    "BOX_IOU",
    "APFlavour",
    "Binning",
    "BootstrapResult",
    "BrierScore",
    "CalibrationError",
    "CalibrationOptions",
    "CalibrationResult",
    "DetectionRanking",
    "Detections",
    "Interval",
    "LocationAccumulator",
    "LocationOptions",
    "LocationResult",
    "Objects",
    "Outcome",
    "PairedBootstrap",
    "PhotographMetric",
    "PointingAccumulator",
    "PointingOptions",
    "PointingResult",
    "PrecisionRecallCurve",
    "Ranking",
    "ReliabilityBins",
    "Tally",
    "best_boxes",
    "bootstrap_intervals",
    "brier_score",
    "calibration_error",
    "centre_points",
    "classification_ap",
    "classification_ranking",
    "detection_ap",
    "detection_ranking",
    "detection_rankings",
    "location_ap",
    "location_outcomes",
    "location_ranking",
    "mean_over_classes",
    "measure_calibration",
    "paired_bootstrap",
    "pointing_game",
    "pointing_outcomes",
    "precision_recall_curve",
    "ranked_average_precision",
    "reliability_bins",
    "union_area",
]
