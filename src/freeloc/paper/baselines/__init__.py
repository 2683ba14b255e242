"""Baselines that are trained on boxes, on the same features as freeloc's models.

They are rows for comparison. They do not train from tags, and use no weights from elsewhere.
"""

from freeloc.paper.baselines.region_detector import DetectorOptions, RegionDetector, train_detector
from freeloc.paper.baselines.region_features import RegionFeatures, RegionOptions

__all__ = ["DetectorOptions", "RegionDetector", "RegionFeatures", "RegionOptions", "train_detector"]
