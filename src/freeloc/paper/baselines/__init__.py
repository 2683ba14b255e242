"""Baselines trained on boxes, with the same features as freeloc's models.

They are for comparison only: they are not trained from tags and load no external weights.
"""

from freeloc.paper.baselines.region_detector import DetectorOptions, RegionDetector, train_detector
from freeloc.paper.baselines.region_features import RegionFeatures, RegionOptions

__all__ = ["DetectorOptions", "RegionDetector", "RegionFeatures", "RegionOptions", "train_detector"]
