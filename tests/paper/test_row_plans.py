"""Which model each row has, in the faster protocol and to the letter of the paper."""

from __future__ import annotations

from dataclasses import asdict
from typing import get_args

import pytest

from freeloc.errors import ConfigurationError
from freeloc.geometry.pyramid import Pyramid
from freeloc.paper import ROWS, select_rows
from freeloc.paper.aggregate_maps import Aggregate
from freeloc.paper.published_numbers import published_for
from freeloc.paper.row_plans import (
    LETTER,
    MODELS,
    NEAREST_TO_PAPER,
    draws_scales,
    letter_recipe,
    paper_recipe,
)
from freeloc.training.recipe import Recipe

PAPERS = ("full", "weak", "single", "masked", "masked_outside")


def test_without_letter_no_model_is_trained_to_the_letter() -> None:
    assert select_rows(None) == tuple(row for row in ROWS.values() if not row.on_request)
    assert {row.protocol for row in ROWS.values()} == {"faster", "own", None}
    assert not any(draws_scales(row.model) for row in ROWS.values() if row.model)


def test_the_letter_changes_the_papers_rows_alone() -> None:
    for row, letter in zip(ROWS.values(), select_rows(ROWS, letter=True), strict=True):
        changed = {name for name, value in asdict(row).items() if asdict(letter)[name] != value}
        if row.protocol == "faster":
            assert changed == {"scores_from" if row.key == "center" else "model"}
            assert letter.scored_by == f"{row.scored_by}{LETTER}"
            assert (letter.protocol, letter.file) == ("letter", f"{row.key}-letter")
        else:
            assert not changed
            assert letter.file == row.key
    # K is scored by J; L, boxes and poolings that the paper does not have keep their models.
    rows = {row.key: row for row in select_rows(None, letter=True)}
    assert [key for key, row in rows.items() if row.protocol != "letter"] == [
        *("own", "detector", "extents", "pool_max", "pool_lse", "pool_topk", "pool_average"),
    ]
    assert rows["center"].scored_by == rows["weak"].model == "weak-letter"


def test_a_model_to_the_letter_has_what_section_4_states() -> None:
    paper = Recipe.named("paper")
    for key in PAPERS:
        faster, letter = MODELS[key], MODELS[f"{key}{LETTER}"]
        assert letter == letter_recipe(faster)
        assert (letter.cell_fraction, letter.resize) == (1.0, "paper")
        assert letter.padding == ("stride" if key == "full" else "paper")
        # What the paper does not state, and what the rows compare.
        for name in ("epochs", "learning_rate", "min_steps", "supervision", "pooling", "warm_start_epochs"):
            assert getattr(letter, name) == getattr(faster, name)
        assert draws_scales(f"{key}{LETTER}") == (key not in ("full", "single"))
        assert letter.scales == ((1.0,) if key in ("full", "single") else (0.7, 1.4))
    weak = MODELS["weak-letter"]
    assert (weak.padding, weak.resize, weak.cell_fraction) == (
        paper.padding,
        paper.resize,
        paper.cell_fraction,
    )
    assert paper_recipe().cell_fraction < 1


def test_rows_read_maps_from_the_canvases_of_their_models() -> None:
    rows = {row.key: row for row in select_rows(None, letter=True)}
    assert rows["weak"].pyramid == Pyramid(rows["weak"].scales, "paper", "paper")
    assert rows["full"].pyramid == Pyramid((1.0,), "stride", "paper")
    for key in ("own", "detector"):
        assert rows[key].pyramid == Pyramid(rows[key].scales)
    assert all(row.pyramid == Pyramid(row.scales) for row in ROWS.values())


def test_of_the_plain_aggregates_only_the_one_nearest_to_the_paper_is_computed_unasked() -> None:
    aggregates = {key: row for key, row in ROWS.items() if row.aggregate is not None}
    assert len(aggregates) == 2 * len(get_args(Aggregate)) == len({row.title for row in aggregates.values()})
    assert {(row.aggregate, row.logistic) for row in aggregates.values()} == {
        (aggregate, logistic) for aggregate in get_args(Aggregate) for logistic in (False, True)
    }
    assert [row.key for row in select_rows(None) if row.key in aggregates] == [NEAREST_TO_PAPER]
    assert set(published_for("voc2012", NEAREST_TO_PAPER)) == {"box_ap_50", "box_ap_30", "box_ap_10"}
    assert not published_for("voc2012", "proposals")
    assert [row.key for row in select_rows(list(aggregates))] == list(aggregates)


def test_chosen_rows() -> None:
    assert [row.key for row in select_rows(("center", "full"), letter=True)] == ["full", "weak", "center"]
    with pytest.raises(ConfigurationError, match="there is no row called 'best'"):
        select_rows(("best",), letter=True)
