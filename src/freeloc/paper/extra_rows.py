"""Rows of scores alone: results of other systems, and late fusions of rows.

The paper's best result combines two systems of Table 1, A and E. It does not say how. Here, the scores of each
class are first standardized over the images, so that neither the unit nor the offset of a system's scores matters,
and then averaged.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from freeloc._typing import Float64Array
from freeloc._validation import Name, check_fields
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.voc.results import read_classification_results
from freeloc.errors import ConfigurationError
from freeloc.evaluation.collect import Predictions
from freeloc.io.folders import expand_user
from freeloc.io.text import check_exists
from freeloc.paper.row_plans import ROWS, RowPlan

__all__ = ["AddedRow", "FusedRow", "check_extra_rows", "fuse_rows", "fuse_scores", "read_added_rows"]


@dataclass(frozen=True, slots=True)
class AddedRow:
    """A row of scores that another system computed.

    Attributes:
        name: name of the row.
        path: folder with classification results in the format of the VOC devkit, comp1 or comp2; or one of the
            files, which also finds the others of its set.

    Raises:
        ConfigurationError: a field has the wrong type, or the name is empty.
    """

    name: Name
    path: Path

    def __post_init__(self) -> None:
        check_fields(self, {"name": "add_row", "path": "add_row"})

    @classmethod
    def parse(cls, text: str) -> AddedRow:
        """Return the row that ``NAME=FOLDER`` or ``NAME=FILE`` describes.

        Raises:
            ConfigurationError: the text has another form.
        """
        name, _, path = (part.strip() for part in text.partition("="))
        if not (name and path):
            raise ConfigurationError(
                f"add_row is {text!r}: write NAME=FOLDER or NAME=FILE, such as NUS-HCP=results/VOC2012/Main",
                parameter="add_row",
            )
        return cls(name, Path(path))

    @property
    def plan(self) -> RowPlan:
        """Definition of the row for tables."""
        return _score_row(self.name, "weak")


@dataclass(frozen=True, slots=True)
class FusedRow:
    """A row of scores that are fused from other rows.

    Attributes:
        name: name of the row.
        members: keys or names of the fused rows, at least two.

    Raises:
        ConfigurationError: a field has the wrong type, a name is empty, or there are fewer members.
    """

    name: Name
    members: tuple[Name, ...]

    def __post_init__(self) -> None:
        check_fields(self, {"name": "fuse", "members": "fuse"})
        if len(self.members) < 2:
            raise ConfigurationError(
                f"{self.name!r} fuses {list(self.members)}: name at least two rows, such as weak and own",
                parameter="fuse",
            )

    @classmethod
    def parse(cls, text: str) -> FusedRow:
        """Return the row that ``NAME=ROW,ROW`` describes.

        Raises:
            ConfigurationError: the text has another form.
        """
        name, _, rest = (part.strip() for part in text.partition("="))
        members = tuple(part.strip() for part in rest.split(",") if part.strip())
        if not name or len(members) < 2:
            raise ConfigurationError(
                f"fuse is {text!r}: write NAME=ROW,ROW with at least two rows, such as G+E=weak,NUS-HCP",
                parameter="fuse",
            )
        return cls(name, members)

    @property
    def plan(self) -> RowPlan:
        """Definition of the row for tables; it is compared with its first member."""
        return _score_row(self.name, self.members[0])


def _score_row(name: str, against: str) -> RowPlan:
    return RowPlan(name, "", name, None, (), box_supervision=None, against=against)


def check_extra_rows(rows: Sequence[RowPlan], added: Sequence[AddedRow], fused: Sequence[FusedRow]) -> None:
    """Check, before a long computation starts, that names are unique and that fused rows exist.

    Args:
        rows: the other rows of the study.
        added: the added rows.
        fused: the fused rows; each may fuse the earlier ones.

    Raises:
        ConfigurationError: a name is taken, or a member does not exist or has no score for every image.
    """
    with_scores = {row.key for row in rows if row.box_method is None}
    taken: set[str] = set(ROWS)
    extra: tuple[AddedRow | FusedRow, ...] = (*added, *fused)
    for one in extra:
        parameter = "fuse" if isinstance(one, FusedRow) else "add_row"
        if one.name in taken:
            raise ConfigurationError(
                f"there are two rows called {one.name!r}: choose another name", parameter=parameter
            )
        if isinstance(one, FusedRow):
            _check_members(one, with_scores)
        taken.add(one.name)
        with_scores.add(one.name)


def _check_members(fused: FusedRow, known: Collection[str]) -> None:
    for member in fused.members:
        if member not in known:
            what = "has no scores of its own for every image" if member in ROWS else "does not exist"
            if member in ROWS and ROWS[member].box_method is None:
                what = "is not among the chosen rows"
            raise ConfigurationError(
                f"{fused.name!r} fuses the row {member!r}, which {what}: choose among {', '.join(sorted(known))}",
                parameter="fuse",
            )


def read_added_rows(added: Sequence[AddedRow], dataset: Dataset) -> dict[str, Predictions]:
    """Read the scores of added rows, by name.

    Args:
        added: the rows.
        dataset: the evaluation images, to which the results must refer.

    Raises:
        DatasetError: the results cannot be read, or lack a class or an image.
    """
    found = {}
    for row in added:
        path = expand_user(row.path)
        check_exists(path, "results of other systems")
        found[row.name] = Predictions(row.name, (), read_classification_results(path, dataset), {}, {})
    return found


def fuse_rows(fused: Sequence[FusedRow], predictions: Mapping[str, Predictions]) -> dict[str, Predictions]:
    """Return the fused scores, by name; each row may fuse the earlier ones."""
    known, found = dict(predictions), {}
    for row in fused:
        scores = fuse_scores([np.asarray(known[member].scores, np.float64) for member in row.members])
        known[row.name] = found[row.name] = Predictions(row.name, (), scores, {}, {})
    return found


def fuse_scores(scores: Sequence[Float64Array]) -> Float64Array:
    """Average the scores of several systems, after standardizing each class of each system over the images.

    Args:
        scores: (N, K) finite scores of each system.

    Returns:
        (N, K) averages. A class for which a system gives all images the same score adds 0.

    Example:
        >>> fuse_scores([np.array([[0.0], [10.0]]), np.array([[3.0], [1.0]])]).tolist()
        [[0.0], [0.0]]
    """
    total = np.zeros(scores[0].shape)
    for values in scores:
        centered = values - values.mean(axis=0)
        # The deviation of equal values may be above 0 through rounding.
        varies = values.max(axis=0) > values.min(axis=0)
        total += np.divide(centered, values.std(axis=0), out=np.zeros_like(centered), where=varies)
    fused: Float64Array = total / len(scores)
    return fused
