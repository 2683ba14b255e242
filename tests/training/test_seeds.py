"""Seeds: different for every purpose, whatever the seed of the run."""

from __future__ import annotations

import pytest
import torch

from freeloc.training.seeds import SeedPurpose, derive_seed


def test_seeds_differ_for_every_seed_epoch_and_purpose() -> None:
    mixed = [
        derive_seed(seed, epoch, use) for seed in range(20) for epoch in range(50) for use in SeedPurpose
    ]
    assert len(set(mixed)) == len(mixed)


@pytest.mark.parametrize("seed", [20240229123456, 2**63 - 1, 2**64, 10**30, -1])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    for purpose in SeedPurpose:
        torch.Generator().manual_seed(derive_seed(seed, 15, purpose))


def test_purposes_fit_into_their_range() -> None:
    assert all(0 <= purpose < 8 for purpose in SeedPurpose)
