"""Seeds of the generators of a training run."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["SeedPurpose", "derive_seed"]


class SeedPurpose(IntEnum):
    """Purpose of a generator; each has a separate seed in every epoch."""

    BATCHES = 0
    """Order of the images, and scales of the mini-batches."""
    DROPOUT = 1
    """Dropout, and the cells that a step uses."""
    WARM_START = 2
    """Order of the images in the warm start."""
    RESCALING = 3
    """Images and scales for rescaling the pooled scores in the warm start."""


def derive_seed(seed: int, epoch: int, purpose: SeedPurpose) -> int:
    """Return the seed for one purpose in one epoch."""
    return ((seed * 1_000_003 + epoch) * 8 + purpose) % 2**63
