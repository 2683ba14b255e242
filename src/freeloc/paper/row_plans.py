"""Definitions of the table rows: for each row, its model, test scales and location mode.

The tables contain the paper's rows and some of freeloc's own. So that compared rows differ in only one respect,
the models of the paper's rows share one recipe, the models of the pooling rows share another, and all are trained
on the same images.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from freeloc._literals import LocationMode
from freeloc.errors import ConfigurationError
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.paper.aggregate_maps import Aggregate
from freeloc.training.recipe import Recipe

__all__ = [
    "FINER",
    "LETTER",
    "MODELS",
    "NEAREST_TO_PAPER",
    "ROWS",
    "WIDER",
    "BoxMethod",
    "Protocol",
    "RowPlan",
    "check_drawn",
    "check_scorable",
    "draws_scales",
    "letter_recipe",
    "paper_recipe",
    "point_rows",
    "select_rows",
]

BoxMethod = Literal["detector", "proposals", "maps"]
"""How the boxes of a row are computed: by a detector trained on boxes, by ranking proposals with score maps, or
from score maps alone."""

Protocol = Literal["faster", "letter", "own"]
"""How the model of a row is trained: as in section 4 of the paper but faster (`paper_recipe`), as stated there
but for the order of padding and resizing (`letter_recipe`), or with freeloc's own recipe."""

LETTER = "-letter"
"""Suffix of the keys of models that are trained to the letter of the paper."""

NEAREST_TO_PAPER = "proposals_sum"
"""Key of the row of boxes that comes nearest to the paper's box mAP; docs/method.md has the measurements."""

FINER = (0.5, 0.6, 0.7, 0.84, 1.0, 1.2, 1.4, 1.7, 2.0, 2.4, 2.8)
"""The paper's six test scales, plus one between each pair of adjacent scales."""

WIDER = (0.35, *TEST_SCALES, 3.4)
"""The paper's six test scales, plus one more at each end."""

POOLING_SCALES = (0.7, 1.0, 1.4)
"""Training and test scales for the comparison of poolings."""


def paper_recipe(**changes: Any) -> Recipe:
    """Return the recipe for the paper's rows: that of section 4 of the paper, modified to train faster.

    It differs from the recipe ``paper`` as follows:

    - Images are resized once, and the padding is ignored. This needs less computation, and the cached features
      are those of freeloc's own recipe.
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


def letter_recipe(recipe: Recipe) -> Recipe:
    """Return a recipe from `paper_recipe` that follows section 4 of the paper, with the exceptions below.

    - Images are resized to 500 pixels first, and all windows of the paper's square are pooled, padding included.
      Training on full images has no windows, and the paper does not say how they are padded: padding is ignored.
    - Each step uses all cells.
    - Unless there is a single scale, the scale of each mini-batch is drawn uniformly between 0.7 and 1.4; see
      `draws_scales`.

    Exceptions: the paper pads an image to 500×500 pixels and resizes the padded square. Here, the image is resized
    and then padded; with a backbone without windows, up to a multiple of its stride. Products may be computed in
    bfloat16.

    The learning rate and the number of epochs, which the paper does not state, are kept.
    """
    paper = Recipe.named("paper")
    return replace(
        recipe,
        resize=paper.resize,
        padding=recipe.padding if recipe.pooling == "full" else paper.padding,
        cell_fraction=paper.cell_fraction,
        scales=recipe.scales if len(recipe.scales) == 1 else (min(paper.scales), max(paper.scales)),
    )


def draws_scales(model: str) -> bool:
    """Return whether the training scales of a model in `MODELS` are drawn from a range."""
    return model.endswith(LETTER) and len(MODELS[model].scales) > 1


def pooling_recipe(pooling: str) -> Recipe:
    """Return a variant of freeloc's own recipe with the given pooling, fewer steps and a narrower head."""
    default = Recipe.named("default")
    short = replace(default, epochs=4, min_steps=default.min_steps // 2, hidden=512)
    return replace(short, pooling=pooling, scales=POOLING_SCALES, test_scales=POOLING_SCALES)


_FASTER: Mapping[str, Recipe] = {
    "full": paper_recipe(pooling="full", scales=(1.0,), test_scales=(1.0,)),
    "weak": paper_recipe(),
    "single": paper_recipe(scales=(1.0,)),
    "masked": paper_recipe(supervision="masked"),
    "masked_outside": paper_recipe(supervision="masked_outside"),
}

MODELS: Mapping[str, Recipe] = {
    **_FASTER,
    "own": Recipe.named("default"),
    "pool_max": pooling_recipe("max"),
    "pool_lse": pooling_recipe("lse"),
    "pool_topk": pooling_recipe("topk"),
    "pool_average": pooling_recipe("average"),
    **{f"{key}{LETTER}": letter_recipe(recipe) for key, recipe in _FASTER.items()},
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
        aggregate: aggregate of the map by which proposals are ranked; None ranks them by contrast.
        logistic: whether ``aggregate`` is that of the map after the logistic function, not of raw scores.
        on_request: whether the row is computed only if its key is given.
        scores_from: key in `MODELS` of the model that determines the scores, if it is not ``model``.
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
    scores_from: str | None = None
    aggregate: Aggregate | None = None
    logistic: bool = True
    on_request: bool = False

    @property
    def scored_by(self) -> str | None:
        """Key of the model that determines the scores; None if no model in `MODELS` does."""
        return self.scores_from or self.model

    @property
    def protocol(self) -> Protocol | None:
        """How the model that determines the scores is trained; None if no model in `MODELS` does."""
        if self.scored_by is None:
            return None
        return (
            "letter" if self.scored_by.endswith(LETTER) else "faster" if self.scored_by in _FASTER else "own"
        )

    @property
    def file(self) -> str:
        """Name of the file that caches the row's predictions or boxes."""
        return f"{self.key}{LETTER}" if self.protocol == "letter" else self.key

    @property
    def pyramid(self) -> Pyramid:
        """The scales of the row, and how the canvases are made from which its model's maps are computed."""
        trained = Pyramid() if self.model is None else MODELS[self.model].pyramid
        return trained.with_scales(self.scales)

    def to_the_letter(self) -> RowPlan:
        """Return the row with a model that is trained to the letter of the paper, if it is one of the paper's."""
        if self.protocol != "faster":
            return self
        return replace(
            self,
            model=self.model and f"{self.model}{LETTER}",
            scores_from=self.scores_from and f"{self.scores_from}{LETTER}",
        )


_AGGREGATES: Mapping[Aggregate, str] = {
    "sum": "sum",
    "mean": "mean",
    "max": "maximum",
    "sum_over_side": "sum over the square root of the area",
}


def _aggregate_rows() -> Iterator[RowPlan]:
    """Yield a row for each plain aggregate of scores inside proposals, before and after the logistic function."""
    for aggregate, name in _AGGREGATES.items():
        for logistic, values in ((False, "raw scores"), (True, "probabilities")):
            key = f"proposals_{aggregate}" if logistic else f"proposals_{aggregate}_raw"
            yield RowPlan(
                key,
                "",
                f"selective-search boxes, by {name} of {values}",
                "weak",
                against="proposals",
                group="extents",
                box_method="proposals",
                aggregate=aggregate,
                logistic=logistic,
                on_request=key != NEAREST_TO_PAPER,
            )


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
        RowPlan("center", "K", "center prediction", None, scores_from="weak"),
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
            "selective-search boxes, by contrast inside and around",
            "weak",
            against=None,
            group="extents",
            box_method="proposals",
        ),
        *_aggregate_rows(),
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


def select_rows(keys: Collection[str] | None, *, letter: bool = False) -> tuple[RowPlan, ...]:
    """Return the rows with the given keys, in table order; None selects all rows but those on request.

    The row "center" uses the scores of the row "weak", so selecting it also selects "weak".

    Args:
        keys: the keys.
        letter: whether the models of the paper's rows are trained to the letter of the paper (`letter_recipe`).

    Raises:
        ConfigurationError: there are no keys, or a key is unknown.
    """
    keys = [key for key, row in ROWS.items() if not row.on_request] if keys is None else keys
    if not keys:
        raise ConfigurationError(f"rows is empty: choose one or more of {', '.join(ROWS)}", parameter="rows")
    if unknown := sorted(set(keys) - set(ROWS)):
        raise ConfigurationError(
            f"there is no row called {unknown[0]!r}: choose one of {', '.join(ROWS)}", parameter="rows"
        )
    selected = set(keys)
    if "center" in selected:
        selected.add("weak")
    chosen = (row for key, row in ROWS.items() if key in selected)
    return tuple(row.to_the_letter() if letter else row for row in chosen)


def check_drawn(rows: Sequence[RowPlan], *, cache_drawn: bool) -> None:
    """Check that features at drawn scales are stored only if the models of some rows draw scales.

    Args:
        rows: the rows.
        cache_drawn: whether the features are to be stored.

    Raises:
        ConfigurationError: they are, and no row is trained to the letter of the paper.
    """
    if cache_drawn and not any(row.protocol == "letter" for row in rows):
        raise ConfigurationError(
            "cache_drawn is True, but no row is trained to the letter of the paper, so no scales are drawn: train "
            "rows to the letter, or leave it out",
            parameter="cache_drawn",
        )


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
