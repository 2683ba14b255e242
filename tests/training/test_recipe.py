"""Recipes: the paper's values, names, and rejected values."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.errors import ConfigurationError
from freeloc.io.typed_json import convert_json
from freeloc.models.header import ModelFile
from freeloc.models.registry import find_model
from freeloc.training.recipe import RECIPES, Recipe


class TestNames:
    def test_every_recipe_carries_its_name(self) -> None:
        assert {name: recipe.name for name, recipe in RECIPES.items()} == {name: name for name in RECIPES}

    def test_the_papers_numbers(self) -> None:
        paper = Recipe.named("paper")
        # Section 4: 500 pixels first, padded to a square whose windows are all pooled, mini-batches of 16, scales from 0.7 to 1.4, six scales at test time.
        assert (paper.resize, paper.padding) == ("paper", "paper")
        assert paper.batch_size == 16
        assert (min(paper.scales), max(paper.scales)) == (0.7, 1.4)
        assert paper.test_scales == (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
        assert paper.cell_fraction == 1
        # Section 3: FCa has 2048 outputs and scores are max-pooled; the paper starts from random weights.
        assert (paper.hidden, paper.pooling, paper.warm_start_epochs) == (2048, "max", 0)

    def test_cam_is_one_linear_layer_on_full_images(self) -> None:
        cam = Recipe.named("cam")
        assert (cam.hidden, cam.pooling, cam.scales, cam.test_scales) == (0, "average", (1.0,), (1.0,))

    def test_an_unknown_name(self) -> None:
        with pytest.raises(
            ConfigurationError, match="there is no recipe called 'papr': choose one of default, paper, cam"
        ):
            Recipe.named("papr")


class TestChanges:
    def test_a_change_of_none_changes_nothing(self) -> None:
        assert Recipe.named("paper", epochs=None, batch_size=None) == RECIPES["paper"]

    def test_a_change_leaves_the_rest_and_the_original(self) -> None:
        before = dataclasses.asdict(RECIPES["paper"])
        changed = Recipe.named("paper", epochs=3, scales=(1.0,), batch_size=None)
        assert dataclasses.asdict(changed) == before | {"epochs": 3, "scales": (1.0,)}
        assert dataclasses.asdict(RECIPES["paper"]) == before

    def test_zero_is_a_change(self) -> None:
        assert Recipe.named("default", hidden=0, weight_decay=0.0).hidden == 0

    def test_changed_epochs_are_exact(self) -> None:
        assert Recipe.named("default", batch_size=3).min_steps == RECIPES["default"].min_steps > 0
        assert Recipe.named("default", epochs=3).min_steps == 0
        assert Recipe.named("default", epochs=3, min_steps=70).min_steps == 70

    def test_recipes_do_not_change_in_place(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            RECIPES["default"].epochs = 3  # type: ignore[misc]

    def test_a_recipe_can_be_written_down(self) -> None:
        for recipe in RECIPES.values():
            assert json.loads(json.dumps(dataclasses.asdict(recipe)))["name"] == recipe.name


class TestResolved:
    @settings(max_examples=50)
    @given(st.integers(1, 3000), st.integers(1, 64), st.integers(1, 20), st.integers(0, 2000))
    def test_few_images_get_more_epochs(self, images: int, batch: int, epochs: int, minimum: int) -> None:
        recipe = Recipe(batch_size=batch, epochs=epochs, min_steps=minimum).resolved(images)
        assert recipe.batch_size == min(batch, images)
        steps = recipe.epochs * recipe.steps_per_epoch(images)
        assert recipe.epochs >= epochs
        assert steps >= minimum or recipe.epochs == 100
        # No more than necessary.
        assert recipe.epochs == epochs or steps - recipe.steps_per_epoch(images) < minimum

    def test_resolving_twice_changes_nothing(self) -> None:
        recipe = Recipe(min_steps=500).resolved(40)
        assert (recipe.batch_size, recipe.epochs) == (16, 100)
        assert recipe.resolved(40) == recipe


class TestErrors:
    @pytest.mark.parametrize(
        ("option", "value"),
        [
            *(("epochs", 0), ("epochs", -2), ("batch_size", 0)),
            *(("learning_rate", 0.0), ("learning_rate", -1.0), ("learning_rate", float("nan"))),
            *(("feature_dropout", 1.0), ("feature_dropout", -0.1), ("hidden_dropout", 1.5)),
            *(("warmup_fraction", 1.0), ("momentum", 1.0), ("momentum", float("nan"))),
            *(("warm_start_epochs", -1), ("min_steps", -1)),
            *(("cell_fraction", 0.0), ("cell_fraction", 1.1), ("cell_fraction", float("nan"))),
            *(("learning_rate", float("inf")), ("weight_decay", -1e-3), ("weight_decay", float("nan"))),
            *(("warm_start_learning_rate", 0.0), ("warm_start_learning_rate", float("nan"))),
            *(("hidden", -1), ("hidden", 10**7), ("epochs", 10**30), ("batch_size", 10**30)),
            *(("epochs", "3"), ("epochs", 2.5), ("epochs", True), ("learning_rate", "0.1"), ("hidden", 1.0)),
            *(("padding", "x"), ("schedule", "x"), ("gradient", "x"), ("supervision", "x"), ("padding", 1)),
            *(("test_scales", ()), ("scales", ()), ("scales", 1.0), ("test_scales", "1"), ("scales", ("1",))),
            *(("name", 3), ("name", ""), ("name", "x" * 2000), ("pooling", 3), ("trainable_backbone", 7)),
        ],
    )
    def test_out_of_range(self, option: str, value: object) -> None:
        changes: dict[str, Any] = {option: value}
        with pytest.raises(ConfigurationError, match=f"^{option} ") as caught:
            dataclasses.replace(RECIPES["default"], **changes)
        assert caught.value.parameter == option

    @pytest.mark.parametrize("name", ["scales", "test_scales"])
    def test_scales_are_checked(self, name: str) -> None:
        for scales, message in (
            ((), f"^{name} is empty"),
            ((0,), f"^{name} contains 0: specify scales between"),
            ((1.0, float("nan")), f"^{name} is .*nan.*: it must be a tuple of finite numbers"),
            (tuple(0.5 + n / 100 for n in range(101)), f"^{name} is .* at most 100 long"),
        ):
            with pytest.raises(ConfigurationError, match=message) as caught:
                Recipe.named("default", **{name: scales})
            assert caught.value.parameter == name
        with pytest.raises(ConfigurationError, match="^test_scales .*: list each scale only once"):
            Recipe(test_scales=(1.0, 1.0))

    def test_a_field_that_does_not_exist(self) -> None:
        with pytest.raises(
            ConfigurationError, match="a recipe has no field called 'lr': choose among name, epochs"
        ):
            Recipe.named("default", lr=0.1)
        with pytest.raises(ConfigurationError, match="^name is 3: it must be a string"):
            Recipe.named(3)  # type: ignore[arg-type]

    def test_lists_and_whole_numbers_are_converted(self) -> None:
        recipe = Recipe(scales=[1, 2], learning_rate=1)  # type: ignore[arg-type]
        assert (recipe.scales, recipe.learning_rate) == ((1.0, 2.0), 1.0)
        assert {type(value) for value in (*recipe.scales, recipe.learning_rate)} == {float}

    @pytest.mark.parametrize("scales", [{}, {"scales": (1.0,)}, {"test_scales": (1.0,)}, {"scales": (0.7,)}])
    def test_full_image_pooling_requires_scale_1(self, scales: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match="pooling 'full' uses scale 1 only"):
            Recipe(pooling="full", **scales)
        assert Recipe.named("cam", pooling="full").pooling == "full"

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            *(("epochs", 1), ("batch_size", 1), ("learning_rate", 1e-9)),
            *(
                ("feature_dropout", 0.0),
                ("hidden_dropout", 0.999),
                ("momentum", 0.0),
                ("warm_start_epochs", 0),
                ("cell_fraction", 1.0),
            ),
        ],
    )
    def test_just_within_range(self, option: str, value: object) -> None:
        changes: dict[str, Any] = {option: value}
        assert getattr(Recipe(**changes), option) == value


def test_the_recipe_of_the_shipped_model_can_be_used_again() -> None:
    stored = ModelFile.open(find_model("voc20")).header.manifest["recipe"]
    recipe = convert_json(stored, Recipe)
    # The model is older than two of the fields.
    assert json.loads(json.dumps(dataclasses.asdict(recipe))) == {
        "resize": "once",
        "missing_tags": "none",
        **stored,
    }
