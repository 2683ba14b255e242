"""The images of the figures of examples."""

from __future__ import annotations

import numpy as np

from freeloc.paper.example_selection import best_per_class, most_classes


def test_no_image_is_selected_twice_and_the_highest_score_comes_first() -> None:
    scores = np.array([[0.9, 0.95, 0.1], [0.5, 0.6, 0.2], [0.4, 0.7, 0.3]])
    everything = np.ones((3, 3), bool)
    # Image 0 is the best of two classes: it goes to the higher score, and class 0 gets the best one left.
    assert best_per_class(scores, everything, 3) == [(0, 1), (1, 0), (2, 2)]
    assert best_per_class(scores, everything, 1) == [(0, 1)]
    some = everything.copy()
    some[1:, 0] = False
    assert best_per_class(scores, some, 3) == [(0, 1), (2, 2)]
    assert best_per_class(scores, np.zeros((3, 3), bool), 3) == []


def test_equal_scores_are_in_the_order_of_the_classes() -> None:
    assert best_per_class(np.ones((4, 3)), np.ones((4, 3), bool), 10) == [(0, 0), (1, 1), (2, 2)]


def test_images_with_the_most_classes() -> None:
    labels = np.array([[1, -1, -1], [-1, -1, -1], [1, 1, 0], [1, -1, 1], [1, 1, 1]], np.int8)
    assert most_classes(labels, 3) == [4, 2, 3]
    assert most_classes(labels, 9) == [4, 2, 3, 0]  # an image without classes shows nothing
