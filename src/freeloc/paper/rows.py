"""Every row of the paper's tables, and freeloc's own: which model it asks, at which scales, and by which way.

Rows that compare one thing differ in that thing alone: all models of the paper's rows are trained by one recipe on
the same images, and all poolings by freeloc's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from freeloc.errors import FreelocError
from freeloc.geometry.pyramid import TEST_SCALES
from freeloc.inference.result import LocationMode
from freeloc.training.recipe import Recipe

__all__ = [
    "FINER",
    "MODELS",
    "ROWS",
    "WIDER",
    "BoxWay",
    "RowPlan",
    "chosen_rows",
    "paper_recipe",
    "points_of",
]

BoxWay = Literal["detector", "proposals", "maps"]
"""How a row of boxes finds them: trained on boxes, by scores inside proposals, or from score maps alone."""

FINER = (0.5, 0.6, 0.7, 0.84, 1.0, 1.2, 1.4, 1.7, 2.0, 2.4, 2.8)
"""The paper's six test scales, and one between any two."""

WIDER = (0.35, *TEST_SCALES, 3.4)
"""The paper's six test scales, and one beyond either end."""

POOLED = (0.7, 1.0, 1.4)
"""Scales of the pooling study, in training and in testing: it compares poolings, not the search over scales."""


def paper_recipe(**changes: Any) -> Recipe:
    """Section 4 of the paper, as the rows of its tables are trained here.

    Against the recipe ``paper``: canvases are padded to the backbone's stride and padding is masked, which
    gives the
    same windows for less work; three scales stand for the range, so that freeloc's own recipe shares their
    features; each step looks at a third of the cells, which halves the time; few images are passed over as
    often as by freeloc's own; and the learning rate, which the paper does not tell, is one at which half of the
    epochs suffice.
    """
    base, own = Recipe.named("paper"), Recipe.named("default")
    settled = replace(
        base,
        padding=own.padding,
        scales=own.scales,
        cell_fraction=own.cell_fraction,
        epochs=8,
        min_steps=own.min_steps,
        learning_rate=0.004,
    )
    return replace(settled, **changes)


def pooling_recipe(pooling: str) -> Recipe:
    """Freeloc's own recipe, shorter and a quarter as wide: the same for all poolings that are compared."""
    own = Recipe.named("default")
    short = replace(own, epochs=4, min_steps=own.min_steps // 2, hidden=512)
    return replace(short, pooling=pooling, scales=POOLED, test_scales=POOLED)


MODELS: Mapping[str, Recipe] = {
    "full": paper_recipe(pooling="full", scales=(1.0,), test_scales=(1.0,)),
    "weak": paper_recipe(),
    "single": paper_recipe(scales=(1.0,)),
    "masked": paper_recipe(supervision="masked"),
    "masked_outside": paper_recipe(supervision="masked_outside"),
    "own": Recipe.named("default"),
    "pool_max": pooling_recipe("max"),
    "pool_lse": pooling_recipe("lse"),
    "pool_topk": pooling_recipe("topk"),
    "pool_average": pooling_recipe("average"),
}
"""What is trained, and how."""


@dataclass(frozen=True, slots=True)
class RowPlan:
    """One row of the tables.

    Attributes:
        key: what the command line and files call it.
        letter: the paper's, where it has one.
        title: as tables have it.
        model: whose maps it reads, a key of `MODELS`; None for rows that are not read from maps.
        scales: at which scales they are read.
        mode: the way to the point.
        boxes: whether somebody saw boxes in training.
        against: the row it is tested against, image by image.
        group: the table it belongs to.
        extent: how it finds boxes; None for rows of points.
    """

    key: str
    letter: str
    title: str
    model: str | None
    scales: tuple[float, ...] = TEST_SCALES
    mode: LocationMode = "paper"
    boxes: bool = False
    against: str | None = "weak"
    group: str = "paper"
    extent: BoxWay | None = None


ROWS: Mapping[str, RowPlan] = {
    row.key: row
    for row in (
        RowPlan("full", "F/H", "full images", "full", (1.0,)),
        RowPlan("weak", "G/J", "weakly supervised", "weak", against=None),
        RowPlan("own", "", "freeloc's own recipe, fused location", "own", mode="fused"),
        RowPlan("masked", "I", "masked pooling", "masked", boxes=True),
        RowPlan(
            "masked_outside",
            "I′",
            "masked pooling, pushed down outside",
            "masked_outside",
            boxes=True,
            against="masked",
        ),
        RowPlan("centre", "K", "centre prediction", None),
        RowPlan("detector", "L", "R-CNN recipe on the same features", None, boxes=True, extent="detector"),
        RowPlan("single_train", "", "trained at scale 1 only", "single", group="ablation"),
        RowPlan("single_test", "", "tested at scale 1 only", "weak", (1.0,), group="ablation"),
        RowPlan("finer", "", "tested at finer scales", "weak", FINER, group="ablation"),
        RowPlan("wider", "", "tested at wider scales", "weak", WIDER, group="ablation"),
        RowPlan(
            "proposals",
            "",
            "scores inside selective-search boxes",
            "weak",
            against=None,
            group="extents",
            extent="proposals",
        ),
        RowPlan(
            "extents",
            "",
            "freeloc's own, from score maps alone",
            "own",
            against="proposals",
            group="extents",
            extent="maps",
        ),
        RowPlan("pool_max", "", "maximum", "pool_max", POOLED, against=None, group="pooling"),
        RowPlan("pool_lse", "", "log-sum-exp", "pool_lse", POOLED, against="pool_max", group="pooling"),
        RowPlan(
            "pool_topk",
            "",
            "top and bottom k (WILDCAT)",
            "pool_topk",
            POOLED,
            against="pool_max",
            group="pooling",
        ),
        RowPlan("pool_average", "", "average", "pool_average", POOLED, against="pool_max", group="pooling"),
    )
}
"""All rows, in the order of the tables."""


def chosen_rows(asked: Collection[str] | None) -> tuple[RowPlan, ...]:
    """Rows by key in the order of the tables, with the rows they are measured against; None means all.

    Raises:
        FreelocError: there is no such row.
    """
    if asked is None:
        return tuple(ROWS.values())
    if unknown := sorted(set(asked) - set(ROWS)):
        raise FreelocError(f"--rows has {unknown[0]}: choose among {', '.join(ROWS)}")
    wanted = set(asked)
    if "centre" in wanted:
        wanted.add("weak")  # whose image scores it takes
    return tuple(row for key, row in ROWS.items() if key in wanted)


def points_of(rows: Sequence[RowPlan]) -> list[RowPlan]:
    """Those rows whose points are read from maps of a model."""
    return [row for row in rows if row.model is not None and row.extent is None]
