"""What the numbers mean: average precision, pointing game, calibration, their intervals.

Pure NumPy functions over arrays, and small accumulators for images that come one at a time. This room
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
    WeightedMetric,
    bootstrap_intervals,
    paired_bootstrap,
)
from freeloc.metrics.calibration_error import (
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
from freeloc.metrics.detection_ap import (
    BOX_IOU,
    DetectionRanking,
    Detections,
    best_boxes,
    detection_ap,
    detection_ranking,
    detection_rankings,
)
from freeloc.metrics.location_ap import (
    GroundTruth,
    LocationAccumulator,
    LocationOptions,
    LocationResult,
    Outcome,
    centre_points,
    location_ap,
    location_outcomes,
    location_ranking,
)
from freeloc.metrics.pointing_game import (
    HitCounts,
    PointingAccumulator,
    PointingOptions,
    PointingResult,
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
    "GroundTruth",
    "HitCounts",
    "Interval",
    "LocationAccumulator",
    "LocationOptions",
    "LocationResult",
    "Outcome",
    "PairedBootstrap",
    "PointingAccumulator",
    "PointingOptions",
    "PointingResult",
    "PrecisionRecallCurve",
    "Ranking",
    "ReliabilityBins",
    "WeightedMetric",
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
