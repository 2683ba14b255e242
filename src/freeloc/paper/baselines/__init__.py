"""What others do with boxes, on the same features: rows that freeloc's own are compared with.

Nothing here is a way to train from tags, and no weights come from outside.
"""

from freeloc.paper.baselines.linear_svm import LinearSVMs, SvmOptions, fit_linear_svms
from freeloc.paper.baselines.region_detector import Detector, DetectorOptions, train_detector
from freeloc.paper.baselines.region_features import RegionFeatures, RegionOptions

__all__ = [
    "Detector",
    "DetectorOptions",
    "LinearSVMs",
    "RegionFeatures",
    "RegionOptions",
    "SvmOptions",
    "fit_linear_svms",
    "train_detector",
]
