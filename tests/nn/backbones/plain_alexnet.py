"""An AlexNet-like network of fixed size, written plainly in NumPy: one window in, the values of FC7 out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional


@dataclass(frozen=True)
class Plain:
    """A convolution as Caffe describes it, and what follows it.

    Attributes:
        stride: stride of the convolution.
        pad: zeros on each side.
        after: what follows the rectifier, in order: ("pool", kernel, stride) and ("lrn", size, alpha, beta, k).
    """

    stride: int = 1
    pad: int = 0
    after: Sequence[tuple[float | str, ...]] = ()


def plain_network(
    image: np.ndarray, weights: Mapping[str, np.ndarray], layers: Sequence[Plain]
) -> np.ndarray:
    """Return the values of FC7.

    Args:
        image: (3, side, side), normalized.
        weights: weights and biases of conv1 to conv5, fc6 and fc7; those of fc6 and fc7 are matrices.
        layers: C1 to C5.
    """
    values = image.astype(np.float64)
    for number, layer in enumerate(layers, start=1):
        values = convolve(values, weights[f"conv{number}.weight"], layer.stride, layer.pad)
        values = np.maximum(values + weights[f"conv{number}.bias"][:, None, None], 0)
        for kind, *numbers in layer.after:
            if kind == "pool":
                values = pool(values, int(numbers[0]), int(numbers[1]))
            else:
                values = respond(values, *(float(number) for number in numbers))
    flat = values.ravel()
    for name in ("fc6", "fc7"):
        flat = np.maximum(weights[f"{name}.weight"].astype(np.float64) @ flat + weights[f"{name}.bias"], 0)
    return flat


def convolve(values: np.ndarray, weight: np.ndarray, stride: int, pad: int) -> np.ndarray:
    """Convolve each group of channels by itself."""
    groups = len(values) // weight.shape[1]
    parts = zip(np.split(values, groups), np.split(weight, groups), strict=True)
    return np.concatenate(
        [
            functional.conv2d(
                torch.tensor(part)[None], torch.tensor(kernels.astype(np.float64)), stride=stride, padding=pad
            )[0].numpy()
            for part, kernels in parts
        ]
    )


def pool(values: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Take maxima as Caffe does: the last square may extend beyond the map."""
    side = values.shape[-1]
    count = -(-(side - kernel) // stride) + 1
    starts = [stride * index for index in range(count)]
    return np.stack(
        [
            np.stack([values[:, y : y + kernel, x : x + kernel].max(axis=(1, 2)) for x in starts], axis=-1)
            for y in starts
        ],
        axis=1,
    )


def respond(values: np.ndarray, size: float, alpha: float, beta: float, k: float) -> np.ndarray:
    """Normalize each value by its neighboring channels."""
    result = np.empty_like(values)
    reach = int(size) // 2
    for channel in range(len(values)):
        near = values[max(0, channel - reach) : channel + reach + 1]
        result[channel] = values[channel] / (k + alpha / size * (near**2).sum(axis=0)) ** beta
    return result
