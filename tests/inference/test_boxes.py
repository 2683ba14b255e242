"""Boxes around the high regions of maps, compared with known objects."""

from __future__ import annotations

import numpy as np
import pytest

from freeloc.errors import ConfigurationError, FreelocError
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size
from freeloc.inference.boxes import (
    BoxOptions,
    boxes_from_map,
)
from freeloc.inference.result import Localization
from freeloc.metrics import Detections
from freeloc.models.header import DEFAULT_BOX_THRESHOLD


def localization(values: np.ndarray, image: Size, scores: list[float], mode: str = "fused") -> Localization:
    lattice = Lattice(image, *values.shape[1:])
    count = len(values)
    return Localization(
        image,
        tuple(f"class{i}" for i in range(count)),
        np.array(scores, np.float32),
        np.zeros((count, 2)),
        values.max(axis=(1, 2)),
        values.astype(np.float32),
        lattice,
        mode,  # type: ignore[arg-type]
    )


def boxes_of(seen: Localization, levels: float | list[float] = DEFAULT_BOX_THRESHOLD) -> Detections:
    return boxes_from_map(seen.normalized_maps(), seen.probabilities, seen.lattice, levels)


def hill(shape: tuple[int, int], box: tuple[int, int, int, int], height: float) -> np.ndarray:
    """A map that is high inside a box and decreases around it."""
    rows, cols = np.indices(shape)
    x1, y1, x2, y2 = box
    away = np.maximum(
        0, np.maximum(np.maximum(x1 - cols, cols - x2 + 1), np.maximum(y1 - rows, rows - y2 + 1))
    )
    return height * np.exp(-0.9 * away)


def test_one_object_gets_one_box_around_it() -> None:
    values = hill((20, 30), (8, 5, 20, 12), 0.9)[None]
    found = boxes_of(localization(values, Size(300, 200), [3.0]), 0.5)
    assert found.label[0] == 0
    np.testing.assert_allclose(found.boxes[0], (80, 50, 200, 120))
    assert len(found.boxes) == 1
    assert found.score[0] == pytest.approx(1 / (1 + np.exp(-3.0)), rel=1e-6)


def test_two_objects_that_touch_low_down_get_two_boxes() -> None:
    one, other = hill((20, 40), (4, 5, 12, 14), 0.9), hill((20, 40), (18, 5, 28, 14), 0.8)
    found = boxes_of(localization(np.maximum(one, other)[None], Size(400, 200), [3.0]), 0.5)
    assert {tuple(box) for box in found.boxes[:2]} == {(40, 50, 120, 140), (180, 50, 280, 140)}
    assert found.score[0] > found.score[1]


def test_the_level_says_how_wide_boxes_are() -> None:
    values = hill((40, 40), (15, 15, 25, 25), 0.9)[None]
    seen = localization(values, Size(400, 400), [3.0])
    sides = [
        np.ptp(boxes_of(seen, box_threshold).boxes[0].reshape(2, 2), axis=0)[0]
        for box_threshold in (0.15, 0.3, 0.6)
    ]
    assert sides[0] > sides[1] > sides[2]
    per_class = localization(np.concatenate([values, values]), Size(400, 400), [3.0, 3.0])
    found = boxes_of(per_class, [0.15, 0.6])
    assert np.ptp(found.boxes[0].reshape(2, 2), axis=0)[0] == sides[0]
    first = int(np.flatnonzero(found.label == 1)[0])
    assert np.ptp(found.boxes[first].reshape(2, 2), axis=0)[0] == sides[2]


def test_improbable_classes_get_no_box_and_raw_maps_are_softened() -> None:
    raw = np.log(hill((20, 30), (8, 5, 20, 12), 0.9) / (1 - hill((20, 30), (8, 5, 20, 12), 0.9)))
    values = np.stack([raw, raw])
    found = boxes_of(localization(values, Size(300, 200), [2.0, -9.0], mode="paper"), 0.5)
    assert set(found.label) == {0}
    np.testing.assert_allclose(found.boxes[0], (80, 50, 200, 120))
    assert boxes_of(localization(np.zeros((2, 20, 30)), Size(300, 200), [3.0, 3.0])).boxes.shape == (0, 4)
    nothing = boxes_of(localization(values, Size(300, 200), [-9.0, -9.0], mode="paper"))
    assert nothing.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    "words", [{"levels": ()}, {"levels": (0.3, 1.0)}, {"bandwidth": 0.0}, {"max_boxes": 0}]
)
def test_options_that_draw_nothing_are_refused(words: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(words))} (is|contains) ") as raised:
        BoxOptions(**words)  # type: ignore[arg-type]
    assert raised.value.parameter == next(iter(words))


def test_a_localization_gives_its_boxes() -> None:
    one, other = hill((20, 40), (4, 5, 12, 14), 0.9), hill((20, 40), (18, 5, 28, 14), 0.8)
    seen = localization(np.maximum(one, other)[None], Size(400, 200), [3.0])
    found = seen.boxes("class0")
    everything = boxes_of(seen)
    assert [(box.x1, box.y1, box.x2, box.y2) for box in found] == [tuple(box) for box in everything.boxes]
    assert [box.score for box in found] == list(everything.score)
    assert seen.boxes("class0", count=1) == found[:1]
    with pytest.raises(FreelocError, match="count is 0: it must be at least 1"):
        seen.boxes("class0", count=0)
    with pytest.raises(FreelocError, match="does not have the class 'cow'"):
        seen.boxes("cow")
