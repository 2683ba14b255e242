"""Recipes: the paper's numbers, names, and what is refused."""

from __future__ import annotations

import dataclasses
import json

import pytest

from freeloc.errors import FreelocError
from freeloc.training.recipe import RECIPES, Recipe, named_recipe


class TestNames:
    def test_every_recipe_carries_its_name(self) -> None:
        assert {name: recipe.name for name, recipe in RECIPES.items()} == {name: name for name in RECIPES}

    def test_the_papers_numbers(self) -> None:
        paper = named_recipe("paper")
        # Section 4: padded to a square, mini-batches of 16, scales from 0.7 to 1.4, six scales at test time.
        assert paper.padding == "square"
        assert paper.batch_size == 16
        assert (min(paper.scales), max(paper.scales)) == (0.7, 1.4)
        assert paper.test_scales == (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
        assert paper.cell_fraction == 1
        # Section 3: FCa has 2048 outputs and scores are max-pooled; the paper starts from random weights.
        assert (paper.hidden, paper.pooling, paper.warm_epochs) == (2048, "max", 0)

    def test_cam_is_one_linear_layer_on_full_images(self) -> None:
        cam = named_recipe("cam")
        assert (cam.hidden, cam.pooling, cam.scales, cam.test_scales) == (0, "average", (1.0,), (1.0,))

    def test_an_unknown_name(self) -> None:
        with pytest.raises(FreelocError, match="--recipe papr is unknown: choose one of default, paper, cam"):
            named_recipe("papr")


class TestChanges:
    def test_a_change_of_none_keeps_the_recipes_own(self) -> None:
        assert named_recipe("paper", epochs=None, batch_size=None) == RECIPES["paper"]

    def test_a_change_leaves_the_rest_and_the_original(self) -> None:
        before = dataclasses.asdict(RECIPES["paper"])
        changed = named_recipe("paper", epochs=3, scales=(1.0,), batch_size=None)
        assert dataclasses.asdict(changed) == before | {"epochs": 3, "scales": (1.0,)}
        assert dataclasses.asdict(RECIPES["paper"]) == before

    def test_zero_is_a_change(self) -> None:
        assert named_recipe("default", hidden=0, weight_decay=0.0).hidden == 0

    def test_epochs_that_are_given_are_meant(self) -> None:
        assert named_recipe("default", batch_size=3).least_steps == RECIPES["default"].least_steps > 0
        assert named_recipe("default", epochs=3).least_steps == 0
        assert named_recipe("default", epochs=3, least_steps=70).least_steps == 70

    def test_recipes_do_not_change_in_place(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            RECIPES["default"].epochs = 3  # type: ignore[misc]

    def test_a_recipe_can_be_written_down(self) -> None:
        for recipe in RECIPES.values():
            assert json.loads(json.dumps(dataclasses.asdict(recipe)))["name"] == recipe.name


class TestRefused:
    @pytest.mark.parametrize(
        ("option", "value"),
        [
            *(("epochs", 0), ("epochs", -2), ("batch_size", 0)),
            *(("learning_rate", 0.0), ("learning_rate", -1.0), ("learning_rate", float("nan"))),
            *(("feature_dropout", 1.0), ("feature_dropout", -0.1), ("hidden_dropout", 1.5)),
            *(("warmup", 1.0), ("momentum", 1.0), ("momentum", float("nan"))),
            *(("warm_epochs", -1), ("least_steps", -1), ("scales", ())),
            *(("cell_fraction", 0.0), ("cell_fraction", 1.1), ("cell_fraction", float("nan"))),
        ],
    )
    def test_out_of_range(self, option: str, value: object) -> None:
        with pytest.raises(FreelocError, match=f"--{option.replace('_', '-')}"):
            named_recipe("default", **{option: value})

    @pytest.mark.parametrize("scales", [{}, {"scales": (1.0,)}, {"test_scales": (1.0,)}, {"scales": (0.7,)}])
    def test_full_images_are_looked_at_once(self, scales: dict[str, tuple[float, ...]]) -> None:
        with pytest.raises(FreelocError, match="--pooling full looks at an image once, at scale 1"):
            Recipe(pooling="full", **scales)
        assert named_recipe("cam", pooling="full").pooling == "full"

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            *(("epochs", 1), ("batch_size", 1), ("learning_rate", 1e-9)),
            *(
                ("feature_dropout", 0.0),
                ("hidden_dropout", 0.999),
                ("momentum", 0.0),
                ("warm_epochs", 0),
                ("cell_fraction", 1.0),
            ),
        ],
    )
    def test_just_within_range(self, option: str, value: object) -> None:
        assert getattr(Recipe(**{option: value}), option) == value
