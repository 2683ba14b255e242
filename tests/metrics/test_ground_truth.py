from __future__ import annotations

import numpy as np
import pytest

from freeloc.metrics import GroundTruth

BOX, OTHER = [1, 2, 3, 4], [5, 6, 7, 8]


def test_images_are_numbered_in_order() -> None:
    joined = GroundTruth.concatenate(
        [
            GroundTruth.build([BOX], [2], difficult=[True]),
            GroundTruth.build(),
            GroundTruth.build([OTHER, BOX], [0, 2], crowd=[True, False]),
        ]
    )
    assert joined.n_images == 3
    assert joined.image.tolist() == [0, 2, 2]
    assert joined.label.tolist() == [2, 0, 2]
    assert joined.boxes.tolist() == [BOX, OTHER, BOX]
    assert joined.difficult.tolist() == [True, False, False]
    assert joined.crowd.tolist() == [False, True, False]
    again = GroundTruth.concatenate([joined, joined])
    assert again.n_images == 6
    assert again.image.tolist() == [0, 2, 2, 3, 5, 5]


def test_boxes_of_one_pair() -> None:
    joined = GroundTruth.concatenate([GroundTruth.build([BOX], [1]), GroundTruth.build([OTHER, BOX], [1, 0])])
    assert joined.boxes_of(1, 1).tolist() == [OTHER]
    assert joined.boxes_of(0, 0).shape == (0, 4)


def test_nothing_is_no_image() -> None:
    empty = GroundTruth.concatenate([])
    assert (empty.n_images, len(empty.image), empty.boxes.shape) == (0, 0, (0, 4))


def test_arrays_are_checked() -> None:
    one = np.array([1], np.intp)
    flag = np.zeros(1, np.bool_)
    for image in (-1, 1):
        with pytest.raises(ValueError, match=r"image index outside 0\.\.0"):
            GroundTruth(np.array([image], np.intp), one, np.array([BOX], np.float64), flag, flag, 1)
    with pytest.raises(ValueError, match=r"class index outside 0\.\.0"):
        GroundTruth.build([BOX], [1]).check(1)
    with pytest.raises(ValueError, match="x1 ≤ x2"):
        GroundTruth.build([[3, 2, 1, 4]], [0])
