"""What others do with boxes, on the same features: rows that freeloc's own are compared with.

Nothing here is a way to train from tags, and no weights come from outside.
"""

from freeloc.baselines.detector import Detector, DetectorOptions, train_detector
from freeloc.baselines.regions import RegionFeatures, RegionOptions
from freeloc.baselines.svm import Machines, SvmOptions, fit_machines

__all__ = [
    "Detector",
    "DetectorOptions",
    "Machines",
    "RegionFeatures",
    "RegionOptions",
    "SvmOptions",
    "fit_machines",
    "train_detector",
]
