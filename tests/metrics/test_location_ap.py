from __future__ import annotations

import dataclasses
from random import Random
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc._literals import BoxDistance, FlaggedBoxPolicy
from freeloc.errors import FreelocError
from freeloc.geometry.size import Size
from freeloc.metrics.average_precision import classification_ap
from freeloc.metrics.center_baseline import center_points
from freeloc.metrics.ground_truth import GroundTruth
from freeloc.metrics.location_ap import LocationAccumulator, LocationOptions, location_ap, location_outcomes
from freeloc.metrics.point_matching import Outcome

law = settings(max_examples=40)

SIZE = Size(200, 100)
BOX = [40, 30, 80, 60]
HIT, MISS, IGNORED, ABSENT = Outcome.HIT, Outcome.MISS, Outcome.IGNORED, Outcome.ABSENT


def one(
    point: tuple[float, float], objects: GroundTruth, size: Size = SIZE, label: int = 1, **options: Any
) -> int:
    """The outcome of one point for one class on one image."""
    found = location_outcomes([[point]], [size], objects, [[label]], LocationOptions(**options))
    return int(found[0, 0])


def scene(seed: int, n: int = 8, k: int = 3) -> dict[str, Any]:
    """Random images with whole-number coordinates, so that moving them is exact."""
    rng = np.random.default_rng(seed)
    objects = []
    for _ in range(n):
        m = int(rng.integers(0, 5))
        corner = rng.integers(0, 80, (m, 2))
        boxes = np.concatenate([corner, corner + rng.integers(1, 40, (m, 2))], axis=1)
        objects.append(
            GroundTruth.build(boxes, rng.integers(0, k, m), rng.random(m) < 0.25, rng.random(m) < 0.25)
        )
    labels = rng.integers(-1, 2, (n, k))
    for row, item in zip(labels, objects, strict=True):
        row[item.label] = rng.choice([1, 1, 1, 0], len(item.label))
    return {
        "points": rng.integers(0, 120, (n, k, 2)).astype(float),
        "sizes": [Size(120 + int(rng.integers(0, 500)), 120) for _ in range(n)],
        "objects": objects,
        "labels": labels,
        "scores": rng.integers(0, 5, (n, k)).astype(float),
    }


def joined(given_scene: dict[str, Any]) -> dict[str, Any]:
    """The same scene with the boxes of all images in one ground truth."""
    arguments = dict(given_scene)
    return arguments | {"ground_truth": GroundTruth.concatenate(arguments.pop("objects"))}


def reference_outcomes(
    points: Any, sizes: Any, objects: Any, labels: Any, options: LocationOptions
) -> np.ndarray:
    """Section 6 of the paper, written out prediction by prediction."""
    outcomes = np.full(labels.shape, ABSENT)
    for (i, c), label in np.ndenumerate(labels):
        margin = options.tolerance
        if options.tolerance_frame == "normalized":
            margin *= max(sizes[i].width, sizes[i].height) / 500
        item, (x, y), reached = objects[i], points[i, c], []
        for m in np.flatnonzero(item.label == c):
            x1, y1, x2, y2 = item.boxes[m]
            dx, dy = max(x1 - x, x - x2, 0), max(y1 - y, y - y2, 0)
            if (max(dx, dy) if options.distance == "box" else (dx**2 + dy**2) ** 0.5) <= margin:
                flagged = options.difficult if item.difficult[m] else "hit"
                reached.append(options.crowd if item.crowd[m] else flagged)
        if label == 1:
            outcomes[i, c] = HIT if "hit" in reached else IGNORED if "ignore" in reached else MISS
        elif label == 0:
            outcomes[i, c] = IGNORED
    return outcomes


def reference_ap(outcomes: np.ndarray, scores: np.ndarray) -> float:
    """Area under the raised precision-recall curve of one class, threshold by threshold."""
    ranked = [(s, o) for s, o in zip(scores, outcomes, strict=True) if o != IGNORED]
    positives = sum(outcome in (HIT, MISS) for _, outcome in ranked)
    if not positives:
        return float("nan")
    curve = [(0.0, 0.0)]
    for threshold in sorted({score for score, _ in ranked}, reverse=True):
        above = [outcome for score, outcome in ranked if score >= threshold]
        true_positives = above.count(HIT)
        false_positives = above.count(MISS) + above.count(ABSENT)
        false_negatives = positives - true_positives
        recall = true_positives / (true_positives + false_negatives)
        curve.append((recall, true_positives / (true_positives + false_positives)))
    steps = range(1, len(curve))
    return sum((curve[j][0] - curve[j - 1][0]) * max(p for _, p in curve[j:]) for j in steps)


all_options = st.builds(
    LocationOptions,
    tolerance=st.integers(0, 40).map(float),
    tolerance_frame=st.sampled_from(["original", "normalized"]),
    distance=st.sampled_from(get_args(BoxDistance)),
    difficult=st.sampled_from(get_args(FlaggedBoxPolicy)),
    crowd=st.sampled_from(get_args(FlaggedBoxPolicy)),
)
seeds = st.integers(0, 2**32 - 1)


def test_hand_worked_images() -> None:
    # Four images, one class. Ranked by score:
    #   A  0.9  present, point in the box     true positive
    #   B  0.8  absent                        false positive
    #   C  0.7  present, point far off        false positive, and its object is missed
    #   D  0.6  present, point in the box     true positive
    # 3 positives (A, C, D). Precision 1, 1/2, 1/3, 2/4 at recall 1/3, 1/3, 1/3, 2/3: recall never reaches 1.
    # Area under the raised curve: 1/3 · 1 + 1/3 · 2/4 = 1/2. Classification of the same scores: precision
    # 1, 1/2, 2/3, 3/4 at recall 1/3, 1/3, 2/3, 1, so 1/3 · (1 + 3/4 + 3/4) = 5/6.
    inside, outside = [[60, 45]], [[150, 45]]
    there, empty = GroundTruth.build([BOX], [0]), GroundTruth.build()
    labels, scores = [[1], [-1], [1], [1]], [[0.9], [0.8], [0.7], [0.6]]
    result = location_ap(
        [inside, inside, outside, inside],
        [SIZE] * 4,
        GroundTruth.concatenate([there, empty, there, there]),
        labels,
        scores,
    )
    assert result.outcomes[:, 0].tolist() == [HIT, ABSENT, MISS, HIT]
    assert result.per_class == pytest.approx([1 / 2])
    assert result.mean == pytest.approx(1 / 2)
    assert classification_ap(scores, labels) == pytest.approx([5 / 6])
    curve = result.ranking.curve(0)
    assert curve.precision == pytest.approx([1, 1 / 2, 1 / 3, 2 / 4])
    assert curve.recall == pytest.approx([1 / 3, 1 / 3, 1 / 3, 2 / 3])
    assert curve.n_positives == 3


@pytest.mark.parametrize(
    ("point", "outcome"),
    [
        ((60, 45), HIT),  # inside
        ((40, 30), HIT),  # on the corner
        ((22, 45), HIT),  # 18 pixels to the left of the edge at 40: boundaries are inclusive
        ((21.99, 45), MISS),
        ((98, 45), HIT),  # 18 pixels to the right of the edge at 80
        ((98.01, 45), MISS),
        ((60, 78), HIT),  # 18 pixels below the edge at 60
        ((60, 78.01), MISS),
        ((98, 78), HIT),  # the corner of the grown box, 18·√2 from the box itself
        ((np.nan, np.nan), MISS),  # no location given
    ],
)
def test_tolerance_grows_the_box(point: tuple[float, float], outcome: Outcome) -> None:
    assert one(point, GroundTruth.build([BOX], [0])) == outcome


def test_euclidean_distance_rounds_the_corners() -> None:
    there = GroundTruth.build([BOX], [0])
    # From the corner (80, 60): 12 across and 5 down is 13 away.
    assert one((92, 65), there, distance="euclidean", tolerance=13) == HIT
    assert one((92, 65), there, distance="euclidean", tolerance=12.99) == MISS
    assert one((92, 65), there, distance="box", tolerance=12) == HIT


def test_normalized_tolerance_follows_the_longest_side() -> None:
    # 18 pixels of an image 500 wide are 36 pixels of one 1000 wide, and 9 of one 250 high.
    there = GroundTruth.build([BOX], [0])
    for size, reach in ((Size(1000, 400), 36.0), (Size(200, 250), 9.0)):
        assert one((80 + reach, 45), there, size, tolerance_frame="normalized") == HIT
        assert one((80 + reach + 0.01, 45), there, size, tolerance_frame="normalized") == MISS


@pytest.mark.parametrize(("fate", "outcome"), [("hit", HIT), ("ignore", IGNORED), ("miss", MISS)])
def test_flagged_boxes_follow_their_option(fate: FlaggedBoxPolicy, outcome: Outcome) -> None:
    far = [150, 30, 180, 60]
    difficult = GroundTruth.build([BOX, far], [0, 0], difficult=[True, False])
    assert one((60, 45), difficult, difficult=fate) == outcome
    crowd = GroundTruth.build([BOX, far], [0, 0], crowd=[True, False])
    assert one((60, 45), crowd, crowd=fate) == outcome
    # The plain box is a hit and the background a miss, regardless of the option.
    assert one((160, 45), difficult, difficult=fate) == HIT
    assert one((115, 95), difficult, difficult=fate) == MISS
    # A box with both flags is a crowd.
    both = GroundTruth.build([BOX], [0], [True], [True])
    assert one((60, 45), both, crowd=fate, difficult="miss") == outcome


def test_the_better_fate_wins_where_boxes_overlap() -> None:
    both = GroundTruth.build([BOX, BOX], [0, 0], difficult=[True, False], crowd=[False, True])
    assert one((60, 45), both, difficult="miss", crowd="ignore") == IGNORED
    assert one((60, 45), both, difficult="hit", crowd="ignore") == HIT


def test_defaults_of_the_flags() -> None:
    assert one((60, 45), GroundTruth.build([BOX], [0], difficult=[True])) == HIT
    assert one((60, 45), GroundTruth.build([BOX], [0], crowd=[True])) == IGNORED


def test_labels_decide_presence_and_other_classes_do_not_help() -> None:
    there = GroundTruth.build([BOX], [0])
    assert one((60, 45), there, label=-1) == ABSENT
    assert one((60, 45), there, label=0) == IGNORED
    assert one((60, 45), GroundTruth.build()) == MISS
    outcomes = location_outcomes([[(60, 45), (60, 45)]], [SIZE], there, [[1, 1]])
    assert outcomes.tolist() == [[HIT, MISS]]


def test_an_ignored_pair_leaves_the_ranking_altogether() -> None:
    # The highest-ranked point lies only on a difficult box. If ignored, one perfect prediction remains (AP
    # 1); as a miss, it ranks first: precision 0, 1/2 at recall 0, 1/2, so AP 1/4; as a hit, AP 1.
    objects = GroundTruth.concatenate(
        [GroundTruth.build([BOX], [0], difficult=[True]), GroundTruth.build([BOX], [0])]
    )
    for fate, expected in (("ignore", 1.0), ("miss", 0.25), ("hit", 1.0)):
        options = LocationOptions(difficult=fate)  # type: ignore[arg-type]
        result = location_ap(
            [[[60, 45]]] * 2, [SIZE] * 2, objects, [[1], [1]], [[2.0], [1.0]], options=options
        )
        assert result.mean == pytest.approx(expected)
        assert result.ranking.positives.sum() == (1 if fate == "ignore" else 2)


def test_ranking_by_response() -> None:
    # Image 1 is a hit, and image 2 lacks the class. By score, the hit ranks first; by response, second.
    points, objects = (
        [[[60, 45]]] * 2,
        GroundTruth.concatenate([GroundTruth.build([BOX], [0]), GroundTruth.build()]),
    )
    arguments = (points, [SIZE] * 2, objects, [[1], [-1]], [[2.0], [1.0]])
    by_response = LocationOptions(ranking="response")
    assert location_ap(*arguments, [[0.1], [0.2]]).mean == 1
    assert location_ap(*arguments, [[0.1], [0.2]], by_response).mean == 0.5
    with pytest.raises(FreelocError, match="responses is None"):
        location_ap(*arguments, options=by_response)


@law
@given(seeds, all_options)
def test_equals_the_obvious_loops(seed: int, options: LocationOptions) -> None:
    given_scene = scene(seed)
    result = location_ap(**joined(given_scene), options=options)
    scores = given_scene.pop("scores")
    outcomes = reference_outcomes(**given_scene, options=options)
    ap = [reference_ap(outcomes[:, c], scores[:, c]) for c in range(3)]
    assert (result.outcomes == outcomes).all()
    assert result.per_class == pytest.approx(np.array(ap), nan_ok=True)


@law
@given(seeds, all_options, st.integers(0, 30))
def test_a_larger_tolerance_never_turns_a_hit_into_a_miss(
    seed: int, options: LocationOptions, more: int
) -> None:
    given_scene = scene(seed)
    del given_scene["scores"]
    wider = dataclasses.replace(options, tolerance=options.tolerance + more)
    before = location_outcomes(**joined(given_scene), options=options)
    after = location_outcomes(**joined(given_scene), options=wider)
    assert (after[before == HIT] == HIT).all()
    assert (after[before == IGNORED] != MISS).all()


@law
@given(seeds, st.sampled_from(["area", "11point"]), st.integers(0, 40))
def test_location_is_never_better_than_classification(seed: int, flavour: Any, tolerance: int) -> None:
    given_scene = scene(seed)
    options = LocationOptions(tolerance=tolerance, crowd="hit", flavour=flavour)
    where = location_ap(**joined(given_scene), options=options).per_class
    what = classification_ap(given_scene["scores"], given_scene["labels"], flavour)
    assert (np.isnan(where) == np.isnan(what)).all()
    assert (where[~np.isnan(where)] <= what[~np.isnan(what)] + 1e-12).all()


@law
@given(seeds, all_options)
def test_points_in_their_boxes_make_location_equal_classification(
    seed: int, options: LocationOptions
) -> None:
    given_scene = scene(seed)
    whole = [
        GroundTruth.build([[0, 0, size.width, size.height]] * 3, [0, 1, 2]) for size in given_scene["sizes"]
    ]
    given_scene |= {"objects": whole, "points": center_points(given_scene["sizes"], 3)}
    where = location_ap(**joined(given_scene), options=options).per_class
    what = classification_ap(given_scene["scores"], given_scene["labels"])
    assert where == pytest.approx(what, nan_ok=True)


@law
@given(seeds, all_options, st.integers(-300, 300), st.integers(-300, 300))
def test_moving_points_and_boxes_together_changes_nothing(
    seed: int, options: LocationOptions, dx: int, dy: int
) -> None:
    given_scene = scene(seed)
    before = location_ap(**joined(given_scene), options=options)
    moved = [
        dataclasses.replace(item, boxes=item.boxes + np.array([dx, dy, dx, dy]))
        for item in given_scene["objects"]
    ]
    given_scene |= {"points": given_scene["points"] + [dx, dy], "objects": moved}
    assert (location_ap(**joined(given_scene), options=options).outcomes == before.outcomes).all()


@law
@given(seeds, all_options, st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(seed: int, options: LocationOptions, random: Random) -> None:
    given_scene = scene(seed)
    before = location_ap(**joined(given_scene), options=options).per_class
    order = list(range(8))
    random.shuffle(order)
    for name, value in given_scene.items():
        given_scene[name] = value[order] if isinstance(value, np.ndarray) else [value[i] for i in order]
    after = location_ap(**joined(given_scene), options=options).per_class
    assert np.array_equal(before, after, equal_nan=True)


@law
@given(seeds, all_options, st.floats(), st.floats(-50, 250))
def test_pairs_labelled_zero_change_nothing(
    seed: int, options: LocationOptions, score: float, place: float
) -> None:
    given_scene = scene(seed)
    before = location_ap(**joined(given_scene), options=options).per_class
    zero = given_scene["labels"] == 0
    given_scene["scores"][zero] = score
    given_scene["points"][zero] = place
    after = location_ap(**joined(given_scene), options=options).per_class
    assert np.array_equal(before, after, equal_nan=True)


@law
@given(seeds, all_options, st.booleans())
def test_one_at_a_time_equals_all_together(seed: int, options: LocationOptions, respond: bool) -> None:
    given_scene = scene(seed)
    responses = -given_scene["scores"] if respond else None
    options = dataclasses.replace(options, ranking="response" if respond else "score")
    accumulator = LocationAccumulator(options)
    for i in range(8):
        accumulator.add(
            **{
                name: given_scene[many][i]
                for name, many in (("points", "points"), ("size", "sizes"), ("ground_truth", "objects"))
            },
            labels=given_scene["labels"][i],
            scores=given_scene["scores"][i],
            responses=None if responses is None else responses[i],
        )
    together = location_ap(**joined(given_scene), responses=responses, options=options)
    streamed = accumulator.compute()
    assert (streamed.outcomes == together.outcomes).all()
    assert np.array_equal(streamed.per_class, together.per_class, equal_nan=True)
    assert streamed.options == options


def test_the_accumulator_keeps_its_own_copy() -> None:
    accumulator, scores = LocationAccumulator(), np.array([1.0])
    accumulator.add([[60, 45]], SIZE, GroundTruth.build([BOX], [0]), [1], scores)
    scores[0] = -5.0
    accumulator.add([[60, 45]], SIZE, GroundTruth.build(), [-1], scores)
    assert accumulator.compute().mean == 1


def test_the_accumulator_refuses() -> None:
    accumulator = LocationAccumulator()
    with pytest.raises(FreelocError, match="no image"):
        accumulator.compute()
    with pytest.raises(FreelocError, match="NaN"):
        accumulator.add([[60, 45]], SIZE, GroundTruth.build(), [-1], [np.nan])
    accumulator.add([[60, 45]], SIZE, GroundTruth.build(), [-1], [0.0])
    with pytest.raises(ValueError, match="2 classes, but earlier images have 1"):
        accumulator.add([[60, 45]] * 2, SIZE, GroundTruth.build(), [-1, -1], [0.0, 0.0])


def test_no_images_have_no_outcomes() -> None:
    assert location_outcomes(
        np.zeros((0, 2, 2)), [], GroundTruth.concatenate([]), np.zeros((0, 2))
    ).shape == (0, 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ranking", "confidence"),
        ("tolerance_frame", "canvas"),
        ("distance", "l1"),
        ("difficult", "drop"),
        ("crowd", "drop"),
        ("flavour", "auc"),
        ("tolerance", -1.0),
        ("tolerance", float("nan")),
    ],
)
def test_options_are_checked_by_name(field: str, value: Any) -> None:
    with pytest.raises(FreelocError, match=rf"{field}( of location AP)? is .*: (choose one of|it must be)"):
        LocationOptions(**{field: value})


def test_arrays_are_checked() -> None:
    there = GroundTruth.build([BOX], [0])
    with pytest.raises(ValueError, match=r"must be \(N, K, 2\)"):
        location_outcomes([[60, 45]], [SIZE], there, [[1]])
    with pytest.raises(ValueError, match="number of sizes, 2"):
        location_outcomes([[[60, 45]]], [SIZE] * 2, there, [[1]])
    with pytest.raises(ValueError, match="labels"):
        location_outcomes([[[60, 45]]], [SIZE], there, [[2]])
    with pytest.raises(ValueError, match=r"outside 0\.\.0"):
        location_outcomes([[[60, 45]]], [SIZE], GroundTruth.build([BOX], [1]), [[1]])
    with pytest.raises(ValueError, match="x1 ≤ x2"):
        GroundTruth.build([[10, 0, 5, 5]], [0])
    with pytest.raises(ValueError, match=r"\(M, 4\)"):
        GroundTruth.build([BOX], [0, 1])
