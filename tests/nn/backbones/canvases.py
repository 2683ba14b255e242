"""Canvases for backbones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    """Return a (1, height, width, 3) uint8 canvas of random pixels."""
    canvas = np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    return torch.from_numpy(canvas)
