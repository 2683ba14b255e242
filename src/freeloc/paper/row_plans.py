"""Definitions of the table rows: for each row, its model, test scales and location mode.

The tables contain the paper's rows and some of freeloc's own. So that compared rows differ in only one respect,
the models of the paper's rows share one recipe, the models of the pooling rows share another, and all are trained
on the same images.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from freeloc._literals import LocationMode
from freeloc.errors import ConfigurationError
from freeloc.geometry.pyramid import TEST_SCALES
from freeloc.training.recipe import Recipe

__all__ = [
    "FINER",
    "MODELS",
    "ROWS",
    "WIDER",
    "BoxMethod",
    "RowPlan",
    "check_scorable",
    "paper_recipe",
    "point_rows",
    "select_rows",
]

BoxMethod = Literal["detector", "proposals", "maps"]
"""How the boxes of a row are computed: by a detector trained on boxes, by ranking proposals with score maps, or
from score maps alone."""

FINER = (0.5, 0.6, 0.7, 0.84, 1.0, 1.2, 1.4, 1.7, 2.0, 2.4, 2.8)
"""The paper's six test scales, plus one between each pair of adjacent scales."""

WIDER = (0.35, *TEST_SCALES, 3.4)
"""The paper's six test scales, plus one more at each end."""

POOLING_SCALES = (0.7, 1.0, 1.4)
"""Training and test scales for the comparison of poolings."""


def paper_recipe(**changes: Any) -> Recipe:
    """Return the recipe for the paper's rows: that of section 4 of the paper, modified to train faster.

    It differs from the recipe ``paper`` as follows:

    - Canvases are padded to a multiple of the backbone's stride, and the padding is masked. This yields the same
      windows with less computation.
    - Three scales cover the paper's range. They are the scales of freeloc's own recipe, so that both recipes use
      the same cached features.
    - Each step uses a third of the cells, which halves the training time.
    - The minimum number of steps, which matters for small datasets, is that of freeloc's own recipe.
    - The learning rate, which the paper does not state, is high enough that half of the epochs suffice.
    """
    default = Recipe.named("default")
    recipe = replace(
        Recipe.named("paper"),
        padding=default.padding,
        resize=default.resize,
        scales=default.scales,
        cell_fraction=default.cell_fraction,
        epochs=8,
        min_steps=default.min_steps,
        learning_rate=0.004,
    )
    return replace(recipe, **changes)


def pooling_recipe(pooling: str) -> Recipe:
    """Return a variant of freeloc's own recipe with the given pooling, fewer steps and a narrower head."""
    default = Recipe.named("default")
    short = replace(default, epochs=4, min_steps=default.min_steps // 2, hidden=512)
    return replace(short, pooling=pooling, scales=POOLING_SCALES, test_scales=POOLING_SCALES)


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
"""The recipe of each model, by model key."""


@dataclass(frozen=True, slots=True)
class RowPlan:
    """One row of the tables.

    Attributes:
        key: name on the command line and in files.
        letter: letter of the row in the paper; "" if it has none.
        title: name shown in tables.
        model: key in `MODELS` of the model whose maps are read; None for rows that do not use maps.
        scales: test scales.
        mode: how points are located.
        box_supervision: whether boxes were used in training; None if it is not known.
        against: key of the row that this row is compared with; None if it is not compared.
        group: table that contains the row.
        box_method: how boxes are computed; None for point rows.
    """

    key: str
    letter: str
    title: str
    model: str | None
    scales: tuple[float, ...] = TEST_SCALES
    mode: LocationMode = "paper"
    box_supervision: bool | None = False
    against: str | None = "weak"
    group: str = "paper"
    box_method: BoxMethod | None = None

    @property
    def scored_by(self) -> str | None:
        """Key of the model that determines the scores; None if no model in `MODELS` does."""
        return "weak" if self.key == "centre" else self.model


ROWS: Mapping[str, RowPlan] = {
    row.key: row
    for row in (
        RowPlan("full", "F/H", "full images", "full", (1.0,)),
        RowPlan("weak", "G/J", "weakly supervised", "weak", against=None),
        RowPlan("own", "", "freeloc's own recipe, fused location", "own", mode="fused"),
        RowPlan("masked", "I", "masked pooling", "masked", box_supervision=True),
        RowPlan(
            "masked_outside",
            "I′",
            "masked pooling, penalized outside",
            "masked_outside",
            box_supervision=True,
            against="masked",
        ),
        RowPlan("centre", "K", "center prediction", None),
        RowPlan(
            "detector",
            "L",
            "R-CNN recipe on the same features",
            None,
            box_supervision=True,
            box_method="detector",
        ),
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
            box_method="proposals",
        ),
        RowPlan(
            "extents",
            "",
            "freeloc's own, from score maps alone",
            "own",
            against="proposals",
            group="extents",
            box_method="maps",
        ),
        RowPlan("pool_max", "", "maximum", "pool_max", POOLING_SCALES, against=None, group="pooling"),
        RowPlan(
            "pool_lse", "", "log-sum-exp", "pool_lse", POOLING_SCALES, against="pool_max", group="pooling"
        ),
        RowPlan(
            "pool_topk",
            "",
            "top and bottom k (WILDCAT)",
            "pool_topk",
            POOLING_SCALES,
            against="pool_max",
            group="pooling",
        ),
        RowPlan(
            "pool_average", "", "average", "pool_average", POOLING_SCALES, against="pool_max", group="pooling"
        ),
    )
}
"""All rows by key, in table order."""


def select_rows(keys: Collection[str] | None) -> tuple[RowPlan, ...]:
    """Return the rows with the given keys, in table order; None selects all rows.

    The row "centre" uses the scores of the row "weak", so selecting it also selects "weak".

    Raises:
        ConfigurationError: a key is unknown.
    """
    if keys is None:
        return tuple(ROWS.values())
    if unknown := sorted(set(keys) - set(ROWS)):
        raise ConfigurationError(
            f"there is no row called {unknown[0]!r}: choose one of {', '.join(ROWS)}", parameter="rows"
        )
    selected = set(keys)
    if "centre" in selected:
        selected.add("weak")
    return tuple(row for key, row in ROWS.items() if key in selected)


def check_scorable(rows: Sequence[RowPlan], *, has_labels: bool) -> None:
    """Check that no rows of boxes are chosen for images without annotations, of which only scores are written.

    Raises:
        ConfigurationError: one is.
    """
    boxes = [row.key for row in rows if row.box_method is not None]
    if boxes and not has_labels:
        raise ConfigurationError(
            f"the evaluation images have no annotations, so the boxes of the row {boxes[0]!r} cannot be "
            "evaluated: choose rows of scores",
            parameter="rows",
        )


def point_rows(rows: Sequence[RowPlan]) -> list[RowPlan]:
    """Return the rows whose points are located in the score maps of a model."""
    return [row for row in rows if row.model is not None and row.box_method is None]
