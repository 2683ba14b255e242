"""Baselines that are trained on boxes, on the same features as freeloc's models.

They serve for comparison; they are not trained from tags, and use no external weights.
"""

from freeloc.paper.baselines.region_detector import DetectorOptions, RegionDetector, train_detector
from freeloc.paper.baselines.region_features import RegionFeatures, RegionOptions

__all__ = ["DetectorOptions", "RegionDetector", "RegionFeatures", "RegionOptions", "train_detector"]
