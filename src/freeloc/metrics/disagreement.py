"""Find labels that are probably wrong: a model is sure of the opposite.

The rule is that of confident learning (Northcutt, Jiang, Chuang, Confident Learning: Estimating Uncertainty in
Dataset Labels, JAIR 2021), applied to each class separately. The thresholds are means of the probabilities
themselves, so the probabilities need not be calibrated. They must come from a model that was not trained on the
images: a model fits wrong labels of its training images as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Disagreement", "find_disagreements"]

_SURE = 0.7
"""Minimum probability of a confident prediction; if the model is poor, the means alone would be close to 0.5."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A label that contradicts a confident prediction.

    Attributes:
        image: index of the image.
        label: index of the class.
        is_present: whether the class is labeled as present.
        probability: predicted probability of the class.
        strength: how far the probability is beyond the threshold, from 0 to 1.
    """

    image: int
    label: int
    is_present: bool
    probability: float
    strength: float


def find_disagreements(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> list[Disagreement]:
    """Find the labels that confident predictions contradict, most confident first.

    A label "absent" is contradicted if the probability is at least 0.7 and at least the mean probability of the
    class over the images in which it is labeled as present. A label "present" is contradicted if the probability
    is at most 0.3 and at most the mean over the images in which the class is labeled as absent.

    Args:
        probabilities: (N, K), computed by a model that was not trained on these images.
        labels: (N, K) +1 present, −1 absent, 0 ignored.
    """
    probability, label = np.asarray(probabilities, np.float64), np.asarray(labels)
    found = []
    for k in range(label.shape[1] if label.ndim > 1 else 0):
        present, absent = np.flatnonzero(label[:, k] > 0), np.flatnonzero(label[:, k] < 0)
        if not (len(present) and len(absent)):
            continue
        values = probability[:, k]
        high = max(_SURE, float(values[present].mean()))
        low = min(1 - _SURE, float(values[absent].mean()))
        found += [
            Disagreement(int(n), k, False, float(values[n]), float(values[n] - high) / max(1 - high, 1e-9))
            for n in absent
            if values[n] >= high
        ]
        found += [
            Disagreement(int(n), k, True, float(values[n]), float(low - values[n]) / max(low, 1e-9))
            for n in present
            if values[n] <= low
        ]
    return sorted(found, key=lambda item: (-item.strength, item.image, item.label))
