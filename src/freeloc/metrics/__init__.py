"""What the numbers mean: average precision, location average precision, pointing game, their intervals.

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
from freeloc.metrics.detection import DetectionRanking, Detections, box_overlap, detection_ranking
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
    "APFlavour",
    "BootstrapResult",
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
    "Tally",
    "bootstrap_intervals",
    "box_overlap",
    "centre_points",
    "classification_ap",
    "classification_ranking",
    "detection_ranking",
    "location_ap",
    "location_outcomes",
    "location_ranking",
    "mean_over_classes",
    "paired_bootstrap",
    "pointing_game",
    "pointing_outcomes",
    "precision_recall_curve",
    "ranked_average_precision",
    "union_area",
]
