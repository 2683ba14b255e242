"""Metrics: average precision, pointing game and calibration error, with bootstrap intervals.

All metrics are functions of NumPy arrays and do not depend on how predictions were computed. Accumulators accept
images one by one. docs/metrics.md defines every metric and every option.
"""

from freeloc._literals import APFlavour, Binning, BoxDistance, FlaggedBoxPolicy
from freeloc.metrics.average_precision import (
    average_precision,
    classification_ap,
    classification_ranking,
    ranked_average_precision,
)
from freeloc.metrics.bootstrap import (
    BootstrapResult,
    Interval,
    PairedBootstrap,
    bootstrap_intervals,
    paired_bootstrap,
)
from freeloc.metrics.calibration_error import (
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
from freeloc.metrics.center_baseline import center_points
from freeloc.metrics.detection_ap import (
    BOX_IOU,
    DetectionRanking,
    detection_ap,
    detection_ranking,
    detection_rankings,
)
from freeloc.metrics.detections import Detections, best_boxes
from freeloc.metrics.ground_truth import GroundTruth
from freeloc.metrics.location_ap import (
    LocationAccumulator,
    LocationOptions,
    LocationResult,
    location_ap,
    location_outcomes,
    location_ranking,
)
from freeloc.metrics.point_depth import point_depths
from freeloc.metrics.point_matching import Outcome
from freeloc.metrics.pointing_game import (
    HitCounts,
    PointingAccumulator,
    PointingOptions,
    PointingResult,
    pointing_game,
    pointing_outcomes,
    union_area,
)
from freeloc.metrics.precision_recall import PrecisionRecallCurve, precision_recall_curve
from freeloc.metrics.ranking import Ranking
from freeloc.metrics.weighted_metric import WeightedMetric, mean_over_classes

__all__ = [
    "BOX_IOU",
    "APFlavour",
    "Binning",
    "BootstrapResult",
    "BoxDistance",
    "BrierScore",
    "CalibrationError",
    "CalibrationOptions",
    "CalibrationResult",
    "DetectionRanking",
    "Detections",
    "FlaggedBoxPolicy",
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
    "average_precision",
    "best_boxes",
    "bootstrap_intervals",
    "brier_score",
    "calibration_error",
    "center_points",
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
    "point_depths",
    "pointing_game",
    "pointing_outcomes",
    "precision_recall_curve",
    "ranked_average_precision",
    "reliability_bins",
    "union_area",
]
