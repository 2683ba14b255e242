"""Regions and parts of maps, compared with walks from position to position."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.inference.regions import find_regions, split_at_peaks

stacks = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=3, max_dims=3, max_side=6),
    elements=st.sampled_from([0, 1, 2, 3, 4]),
)
maps = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.floats(0, 1, width=16),
)


def flooded(values: np.ndarray, floor: float) -> set[tuple[float, tuple[int, int, int, int]]]:
    """Return the peak and edges of every connected region, found by walking from position to position."""
    left = {(int(r), int(c)) for r, c in np.argwhere(values >= floor)}
    parts = set()
    while left:
        todo, part = [left.pop()], []
        while todo:
            r, c = todo.pop()
            part.append((r, c))
            for near in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
                if near in left:
                    left.remove(near)
                    todo.append(near)
        rows, cols = zip(*part, strict=True)
        height = max(float(values[place]) for place in part)
        parts.add((height, (min(cols), min(rows), max(cols) + 1, max(rows) + 1)))
    return parts


@given(stacks, st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0]), min_size=1, unique=True))
def test_regions_of_each_map_at_each_level(values: np.ndarray, levels: list[float]) -> None:
    found = find_regions(values, levels)
    for owner, of_map in enumerate(values):
        maximum = of_map.max()
        for level in levels:
            own = (found.owner == owner) & (found.level == level)
            seen = {
                (round(float(peak) * float(maximum), 3), tuple(map(int, edges)))
                for peak, edges in zip(found.peak[own], found.edges[own], strict=True)
            }
            assert seen == (flooded(of_map, level * maximum) if maximum > 0 else set())
            assert own.sum() == len(seen)


def test_no_maps_have_no_regions() -> None:
    for nothing in (np.zeros((0, 4, 5), np.float32), np.full((2, 4, 5), np.nan, np.float32)):
        assert find_regions(nothing, [0.5]).edges.shape == (0, 4)


def climbed(values: np.ndarray, distance: int) -> np.ndarray:
    """Return for each position the index of the peak that is reached by moving to the highest one nearby."""
    order = {tuple(place): rank for rank, place in enumerate(np.argwhere(values > -1))}
    result = np.zeros(values.shape, int)
    for start in np.ndindex(*values.shape):
        place, last = start, None
        while place != last:
            r, c = last = place
            near = [
                (i, j)
                for i in range(max(0, r - distance), min(values.shape[0], r + distance + 1))
                for j in range(max(0, c - distance), min(values.shape[1], c + distance + 1))
            ]
            place = max(near, key=lambda at: (values[at], order[at]))
        result[start] = place[0] * values.shape[1] + place[1]
    return result


@given(maps, st.integers(1, 3), st.sampled_from([0.0, 0.3, 0.8]))
def test_parts_are_where_steps_to_the_highest_position_lead(
    values: np.ndarray, distance: int, min_height: float
) -> None:
    parts = split_at_peaks(values, distance=distance, min_height=min_height, count=100)
    peaks = climbed(values, distance)
    heights = {int(p): values.ravel()[p] for p in np.unique(peaks)}
    high = [p for p, height in heights.items() if height / max(values.max(), 1e-9) >= min_height]
    if values.max() <= 0 or len(high) < 2:
        assert parts == []
        return
    assert [part.height for part in parts] == sorted((part.height for part in parts), reverse=True)
    expected = {np.where(peaks == p, values, 0).tobytes() for p in high}
    assert {part.values.tobytes() for part in parts} == {
        np.frombuffer(content, values.dtype).astype(np.float32).tobytes() for content in expected
    }


def test_only_the_highest_peaks_are_parts() -> None:
    values = np.zeros((5, 31), np.float32)
    values[2, [3, 15, 27]] = [0.6, 1.0, 0.9]
    two = split_at_peaks(values, distance=2, min_height=0.3, count=2)
    assert [int(np.argmax(part.values[2])) for part in two] == [15, 27]
    assert [part.height for part in two] == pytest.approx([1.0, 0.9])
    assert split_at_peaks(values, distance=2, min_height=0.95, count=2) == []
    assert split_at_peaks(np.zeros((4, 4), np.float32), distance=2, min_height=0.3, count=2) == []
