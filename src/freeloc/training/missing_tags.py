"""Expect that tags are missing, and ignore the classes that an image probably has without being tagged with them.

People forget tags. A class that is present but not tagged counts as absent in training, and the head learns to
score such images low. Before training, each image is therefore scored by linear classifiers of its mean
feature that were fitted without it, and the scores are calibrated to probabilities g of the tag. If tags are
missing at random, a fraction c of the images of a class is tagged, and the mean of g over the tagged images
estimates c (Elkan and Noto, Learning classifiers from only positive and unlabeled data, KDD 2008). An image
without the tag then has the class with the odds (1 − c) / c · g / (1 − g). If these are high, the image says
nothing about the class. Images of which a tag is unknown (label 0) are left out for its class.

This takes some seconds. The paper assumes complete tags.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from freeloc._typing import BoolArray, Float64Array
from freeloc.datasets.dataset import ABSENT, IGNORE, PRESENT, Labels
from freeloc.datasets.folds import stratified_folds
from freeloc.models.platt_scaling import fit_calibration

__all__ = ["ignore_missing_tags", "probably_missing"]

_FOLDS: Final = 5

_RIDGE: Final = 3.0
"""Penalty of the linear classifiers, in units of the mean variance of the features."""

_MIN_TAGGED: Final = 0.3
"""Minimum fraction of a class's images that are assumed to be tagged; limits the effect of a poor estimate."""

_MIN_ODDS: Final = 0.3
"""Minimum odds at which a class without a tag is ignored. Ignoring a class that is absent costs little, while a
missing tag counts as a wrong one."""

_MIN_SEPARATION: Final = 0.75
"""Minimum probability that a tagged image is scored higher than one without the tag. For a class that the
classifiers cannot tell apart, the estimate of c means nothing. On Pascal VOC with 60% of the tags removed, the
lowest is 0.80."""


def ignore_missing_tags(features: Float64Array, labels: Labels, seed: int = 0) -> Labels:
    """Return labels in which the classes that an image probably lacks by mistake are 0.

    Args:
        features: (N, C) mean features of the images, standardized.
        labels: (N, K) int8 labels: −1, 0 or +1.
        seed: seed for dividing the images into folds.
    """
    changed = labels.copy()
    changed[probably_missing(features, labels, seed)] = IGNORE
    return changed


def probably_missing(features: Float64Array, labels: Labels, seed: int = 0) -> BoolArray:
    """Return the (N, K) pairs of images and classes whose tag is probably missing; see `ignore_missing_tags`.

    With fewer than ten images, or for a class that is present in fewer than two, none is.
    """
    missing = np.zeros(labels.shape, np.bool_)
    if len(labels) < 2 * _FOLDS:
        return missing
    scores = _out_of_fold_scores(features, labels, seed)
    tag_probabilities = fit_calibration(scores, labels).probabilities(scores).astype(np.float64)
    for label in range(labels.shape[1]):
        tagged = labels[:, label] == PRESENT
        absent = labels[:, label] == ABSENT
        if np.count_nonzero(tagged) < 2 or not absent.any():
            continue
        if _separation(scores[tagged, label], scores[absent, label]) < _MIN_SEPARATION:
            continue
        g = tag_probabilities[:, label]
        c = np.clip(g[tagged].mean(), _MIN_TAGGED, 1.0)
        odds = (1 - c) / c * g / np.maximum(1 - g, 1e-9)
        missing[:, label] = absent & (odds >= _MIN_ODDS)
    return missing


def _separation(tagged: Float64Array, absent: Float64Array) -> float:
    """Return the probability that a tagged image has a higher score than an absent one; ties count as half."""
    ordered = np.sort(absent)
    below = np.searchsorted(ordered, tagged, "left") + np.searchsorted(ordered, tagged, "right")
    return float(below.mean() / (2 * len(ordered)))


def _out_of_fold_scores(features: Float64Array, labels: Labels, seed: int) -> Float64Array:
    """Return (N, K) scores of ridge regressions to the tags that were fitted without the image that they score.

    A class is fitted to the images of which its tag is known; without any, its scores are 0.
    """
    assigned = stratified_folds(labels, _FOLDS, seed)
    scores = np.zeros(labels.shape)
    # Classes that are known in the same images are fitted together: without unknown tags, these are all classes.
    patterns, pattern = np.unique(labels != IGNORE, axis=1, return_inverse=True)
    for fold in range(_FOLDS):
        inner = assigned != fold
        for index, known in enumerate(patterns.T):
            fitted, chosen = inner & known, np.flatnonzero(pattern.ravel() == index)
            if fitted.any():
                targets = (labels[np.ix_(fitted, chosen)] == PRESENT).astype(np.float64)
                rate, mean = targets.mean(axis=0), features[fitted].mean(axis=0)
                weights = _ridge(features[fitted] - mean, targets - rate)
                scores[np.ix_(~inner, chosen)] = (features[~inner] - mean) @ weights + rate
    return scores


def _ridge(centered: Float64Array, targets: Float64Array) -> Float64Array:
    """Return the (C, K) weights of ridge regressions from (N, C) features to (N, K) targets, both centered."""
    images, width = centered.shape
    # With fewer images than features, the same weights follow from the smaller matrix of products of images.
    few = images < width
    gram = centered @ centered.T if few else centered.T @ centered
    gram[np.diag_indices_from(gram)] += _RIDGE * max(np.trace(gram) / width, 1e-9)
    solved = np.linalg.solve(gram, targets if few else centered.T @ targets)
    weights: Float64Array = (centered.T @ solved if few else solved).astype(np.float64, copy=False)
    return weights
