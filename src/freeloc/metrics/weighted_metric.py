"""Interface of metrics with weighted images, and means over classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array

__all__ = ["WeightedMetric", "class_means", "mean_over_classes"]


class WeightedMetric(ABC):
    """A metric with one value for each of K classes, computed over N images, which can be weighted.

    An image with an integer weight w counts as w copies of that image; the bootstrap relies on this.
    """

    @property
    @abstractmethod
    def n_images(self) -> int:
        """Number of images, N."""

    @abstractmethod
    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """Compute the metric of every class for B weightings of the images.

        Args:
            weights: (B, N), non-negative.

        Returns:
            (B, K) float64; NaN where the metric of a class is undefined for a weighting.
        """

    @cached_property
    def per_class(self) -> Float64Array:
        """(K,) float64 value of every class; NaN where it is undefined. Read-only."""
        values: Float64Array = self.values(np.ones((1, self.n_images)))[0]
        values.setflags(write=False)
        return values

    @property
    def mean(self) -> float:
        """Mean over the classes that have a value."""
        return mean_over_classes(self.per_class)

    def _weight_rows(self, weights: npt.ArrayLike) -> Float64Array:
        weight = np.asarray(weights, dtype=np.float64)
        if weight.ndim != 2 or weight.shape[1] != self.n_images:
            raise ValueError(f"weights have shape {weight.shape}, not (B, {self.n_images})")
        return weight


def class_means(values: npt.ArrayLike) -> Float64Array:
    """Average (..., K) values over the last axis, ignoring NaN; NaN where all K are NaN."""
    array = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(array)
    count = known.sum(axis=-1)
    total = np.where(known, array, 0.0).sum(axis=-1)
    means: Float64Array = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return means


def mean_over_classes(values: npt.ArrayLike) -> float:
    """Average (K,) values of classes, ignoring NaN (classes without positives); NaN if all are NaN."""
    return float(class_means(np.asarray(values, dtype=np.float64).reshape(-1)))
