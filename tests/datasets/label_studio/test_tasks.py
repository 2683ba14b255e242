"""The vote of several annotators."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from freeloc.datasets.label_studio.tasks import Annotation, Task

ANNOTATIONS = st.lists(
    st.builds(
        Annotation,
        annotator=st.sampled_from("abc"),
        updated=st.integers(10, 99).map(str),
        ground_truth=st.booleans(),
        tags=st.lists(st.sampled_from(("cat", "dog", "gnu")), unique=True),
    ),
    max_size=6,
    unique_by=lambda annotation: annotation.updated,
)


@given(ANNOTATIONS)
def test_the_majority_of_latest_annotations_decides(annotations: list[Annotation]) -> None:
    present, divided = Task(1, {}, annotations).labels()
    truths = [each for each in annotations if each.ground_truth]
    voters = [max(truths, key=lambda each: int(each.updated))] if truths else []
    if not truths:
        for name in "abc":
            own = [each for each in annotations if each.annotator == name]
            voters += [max(own, key=lambda each: int(each.updated))] if own else []
    for tag in ("cat", "dog", "gnu"):
        share = Fraction(sum(tag in each.tags for each in voters), len(voters)) if voters else Fraction(0)
        assert (tag in present, tag in divided) == (share > Fraction(1, 2), share == Fraction(1, 2))


@given(ANNOTATIONS.filter(bool), st.randoms())
def test_the_order_of_the_file_does_not_matter(annotations: list[Annotation], random: object) -> None:
    mixed = list(annotations)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert Task(1, {}, mixed).labels() == Task(1, {}, annotations).labels()
    assert Task(1, {}, mixed).deciding()[-1] is Task(1, {}, annotations).deciding()[-1]
