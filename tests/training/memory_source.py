"""A source of features in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from freeloc.features.arrays import Cells

CHANNELS = 4


class Memory:
    """Features in memory, drawn from index and scale; records every request."""

    threads = 3
    batch = 1

    def __init__(self, images: int, scales: tuple[float, ...] | None = (0.5, 1.0)) -> None:
        self.scales = scales
        self.requests: list[tuple[int, float]] = []
        self._count = images

    def __len__(self) -> int:
        return self._count

    def get(self, index: int, scale: float) -> Cells:
        self.requests.append((index, scale))
        rng = np.random.default_rng([index, round(scale * 1000)])
        return rng.normal(0, 1, (3 + index % 4, CHANNELS)).astype(np.float16)

    def get_many(self, indices: Sequence[int], scale: float) -> Sequence[Cells]:
        return [self.get(index, scale) for index in indices]
