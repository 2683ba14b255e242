"""Baselines trained on annotated boxes, with the same features as freeloc's models.

They serve only for comparison, because they need boxes and not just tags. They load no external weights.
"""

from freeloc.paper.baselines.region_detector import DetectorOptions, RegionDetector, train_detector
from freeloc.paper.baselines.region_features import RegionFeatures, RegionOptions

__all__ = ["DetectorOptions", "RegionDetector", "RegionFeatures", "RegionOptions", "train_detector"]
