"""Seeds for the random number generators of a training run."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["SeedPurpose", "derive_seed"]


class SeedPurpose(IntEnum):
    """The purpose of a generator; each purpose has its own seed in every epoch."""

    BATCHES = 0
    """Order of the images, and scales of the mini-batches."""
    DROPOUT = 1
    """Dropout, and the cells drawn for a step."""
    WARM_START = 2
    """Order of the images in the warm start."""
    RESCALING = 3
    """Images and scales used to rescale the pooled scores in the warm start."""


def derive_seed(seed: int, epoch: int, purpose: SeedPurpose) -> int:
    """Return the seed for one purpose in one epoch."""
    return ((seed * 1_000_003 + epoch) * 8 + purpose) % 2**63
