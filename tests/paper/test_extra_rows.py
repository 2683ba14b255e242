"""Rows of other systems and late fusion, against AP computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.errors import ConfigurationError, DatasetError, MissingDatasetError
from freeloc.evaluation.annotations import Annotations
from freeloc.evaluation.options import EvaluationOptions
from freeloc.geometry.size import Size
from freeloc.metrics import GroundTruth
from freeloc.paper.extra_rows import (
    AddedRow,
    FusedRow,
    check_extra_rows,
    fuse_rows,
    fuse_scores,
    read_added_rows,
)
from freeloc.paper.measured_rows import compare_rows, measure_points
from freeloc.paper.row_plans import ROWS

IMAGES = ("a", "b", "c", "d")
DOGS = (1, -1, 1, -1)
OPTIONS = EvaluationOptions(resamples=20)
SYSTEMS = {"A": (4.0, 3.0, 1.0, 0.0), "E": (0.001, 0.0, 0.002, 0.001)}
"""Scores of two systems: A confuses b with c, E is right, and the units differ by a thousand."""


@pytest.fixture(scope="module")
def data() -> Dataset:
    samples = [
        Sample(Path(f"{name}.jpg"), np.array([label], np.int8), ())
        for name, label in zip(IMAGES, DOGS, strict=True)
    ]
    return Dataset("made", ("dog",), tuple(samples))


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> tuple[AddedRow, ...]:
    rows = []
    for comp, (name, scores) in enumerate(SYSTEMS.items(), start=1):
        folder = tmp_path_factory.mktemp(name)
        lines = [f"{image} {score}\n" for image, score in zip(IMAGES, scores, strict=True)]
        (folder / f"comp{comp}_cls_val_dog.txt").write_text("".join(reversed(lines)))
        rows.append(AddedRow(name, folder))
    return tuple(rows)


def test_fused_rows_have_the_ap_computed_by_hand(data: Dataset, added: tuple[AddedRow, ...]) -> None:
    """Precision at the two dogs: A finds a, then c after b; E finds c, then a, tied with d; together, a, then c."""
    fusion = (FusedRow("A+E", ("A", "E")), FusedRow("again", ("A+E", "E")))
    predictions = read_added_rows(added, data)
    predictions |= fuse_rows(fusion, predictions)
    truth = GroundTruth.build(np.zeros((0, 4)), [], [], [])
    annotations = Annotations((Size(9, 9),) * 4, data.labels, GroundTruth.concatenate([truth] * 4))
    plans = [*(row.plan for row in added), *(row.plan for row in fusion)]
    rows = [measure_points(plan, predictions[plan.key], annotations, OPTIONS) for plan in plans]
    values = {row.plan.key: row.measures["classification"].mean.estimate for row in rows}
    assert values == pytest.approx(
        {"A": 1 / 2 + 1 / 2 * 2 / 3, "E": 1 / 2 + 1 / 2 * 2 / 3, "A+E": 1, "again": 1}
    )
    assert all(row.measures.keys() == {"classification"} for row in rows)
    # The fused row is compared with its first member.
    (*_, fused, _) = compare_rows(rows, OPTIONS)
    assert fused.plan.against == "A"
    assert fused.differences["classification"].mean.estimate == pytest.approx(1 / 6)


def test_neither_unit_nor_offset_of_a_system_matters() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 7, 3))
    fused = fuse_scores([first, second])
    np.testing.assert_allclose(fuse_scores([1000 * first - 5, 0.01 * second + 7]), fused, atol=1e-12)
    standard = [(part - part.mean(axis=0)) / part.std(axis=0) for part in (first, second)]
    np.testing.assert_allclose(fused, np.mean(standard, axis=0), atol=1e-12)
    constant = np.full((7, 3), 0.1)
    np.testing.assert_allclose(fuse_scores([first, constant]), standard[0] / 2, atol=1e-12)


@pytest.mark.parametrize(
    ("rows", "fused", "message"),
    [
        (
            ("weak",),
            FusedRow("x", ("weak", "other")),
            "'other', which does not exist: choose among A, E, weak",
        ),
        (("weak",), FusedRow("x", ("weak", "full")), "'full', which is not among the chosen rows"),
        (
            ("weak", "detector"),
            FusedRow("x", ("weak", "detector")),
            "has no scores of its own for every image",
        ),
        (("weak",), FusedRow("A", ("weak", "E")), "two rows called 'A'"),
        (("weak",), FusedRow("own", ("weak", "E")), "two rows called 'own'"),
        (("weak",), FusedRow("x", ("x", "E")), "'x', which does not exist"),
    ],
)
def test_wrong_names_are_refused(
    added: tuple[AddedRow, ...], rows: tuple[str, ...], fused: FusedRow, message: str
) -> None:
    plans = [ROWS[key] for key in rows]
    check_extra_rows(plans, added, (FusedRow("fine", ("weak", "A")), FusedRow("also", ("fine", "E"))))
    with pytest.raises(ConfigurationError, match=message) as caught:
        check_extra_rows(plans, added, (fused,))
    assert caught.value.parameter == "fuse"


def test_the_words_of_the_command_line() -> None:
    assert AddedRow.parse(" NUS-HCP = a=b/c ") == AddedRow("NUS-HCP", Path("a=b/c"))
    assert FusedRow.parse("A+E=A, E,weak") == FusedRow("A+E", ("A", "E", "weak"))
    for text in ("NUS", "=x", "NUS="):
        with pytest.raises(ConfigurationError, match="write NAME=FOLDER"):
            AddedRow.parse(text)
    for text in ("A+E", "A+E=A", "=A,E"):
        with pytest.raises(ConfigurationError, match="write NAME=ROW,ROW"):
            FusedRow.parse(text)


@pytest.mark.parametrize("members", [(), ("weak",), ("weak", ""), "weak", None])
def test_a_fused_row_has_at_least_two_members(members: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FusedRow("x", members)
    assert caught.value.parameter == "fuse"


def test_rows_have_names_and_paths() -> None:
    assert AddedRow("x", "results").path == Path("results")  # type: ignore[arg-type]
    for name, path in (("", "results"), ("x", None)):
        with pytest.raises(ConfigurationError) as caught:
            AddedRow(name, path)  # type: ignore[arg-type]
        assert caught.value.parameter == "add_row"


def test_results_must_be_there_and_complete(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(MissingDatasetError, match="gone"):
        read_added_rows([AddedRow("x", tmp_path / "gone")], data)
    with pytest.raises(DatasetError, match="contains no results"):
        read_added_rows([AddedRow("x", tmp_path)], data)
    (tmp_path / "comp1_cls_val_dog.txt").write_text("a 1\nb 2\nc 3\nd 4\n")
    # Two sets, as in the results that freeloc writes: one file names the set.
    (tmp_path / "comp2_cls_val_dog.txt").write_text("a 5\nb 6\nc 7\nd 8\n")
    with pytest.raises(DatasetError, match=r"several sets of results .*: specify one file of the set"):
        read_added_rows([AddedRow("x", tmp_path)], data)
    found = read_added_rows([AddedRow("x", tmp_path / "comp2_cls_val_dog.txt")], data)
    assert found["x"].scores[:, 0].tolist() == [5, 6, 7, 8]
    (tmp_path / "comp2_cls_val_dog.txt").unlink()
    (tmp_path / "comp1_cls_val_dog.txt").write_text("a 1\nb 2\nc 3\n")
    with pytest.raises(DatasetError, match="d has no score"):
        read_added_rows([AddedRow("x", tmp_path)], data)
