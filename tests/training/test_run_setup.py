"""The setup of a run: plain JSON, compared by field, read with type checks."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from freeloc.datasets import TagRules
from freeloc.training.recipe import RECIPES, Recipe
from freeloc.training.run_setup import RunSetup

SETUP = RunSetup(
    recipe=RunSetup.plain_recipe(RECIPES["paper"]),
    data="d",
    backbone="b",
    precision="openvino float32",
    training_precision="float32",
    seed=7,
    cache="int8",
)


def test_json_restores_an_equal_setup() -> None:
    assert RunSetup.from_json(json.loads(json.dumps(SETUP.to_dict()))) == SETUP


@pytest.mark.parametrize("name", ["resize", "missing_tags"])
def test_runs_from_before_a_field_existed_can_be_resumed(name: str) -> None:
    setup = dataclasses.replace(SETUP, recipe=RunSetup.plain_recipe(RECIPES["default"]))
    values = setup.to_dict()
    del values["recipe"][name]
    assert setup.differences(RunSetup.from_json(values)) == []


def test_runs_of_the_first_version_have_every_field_of_the_recipe() -> None:
    """A field that is added to recipes needs the value that describes earlier runs, or none can be resumed."""
    first = {
        *("name", "epochs", "batch_size", "scales", "test_scales", "padding", "warm_start_epochs"),
        *(
            "warm_start_learning_rate",
            "hidden",
            "feature_dropout",
            "hidden_dropout",
            "pooling",
            "supervision",
        ),
        *("cell_fraction", "gradient", "learning_rate", "momentum", "weight_decay", "schedule"),
        *("warmup_fraction", "trainable_backbone", "projection_learning_rate", "backbone_learning_rate"),
        "min_steps",
    }
    values = SETUP.to_dict()
    values["recipe"] = {name: value for name, value in values["recipe"].items() if name in first}
    assert RunSetup.from_json(values).recipe.keys() == {field.name for field in dataclasses.fields(Recipe)}


def test_the_recipe_is_plain_json() -> None:
    recipe = RunSetup.plain_recipe(RECIPES["paper"])
    assert recipe == json.loads(json.dumps(recipe))
    assert recipe["scales"] == [0.7, 0.84, 1.0, 1.18, 1.4]
    assert recipe.keys() == {field.name for field in dataclasses.fields(Recipe)}


def test_differences_name_the_fields() -> None:
    assert SETUP.differences(SETUP) == []
    other = dataclasses.replace(SETUP, seed=8, data="e", cache=None, precision="torch float32")
    assert [tuple(difference) for difference in SETUP.differences(other)] == [
        ("data", "the data (the images, their tags, or the classes)"),
        ("runtime", "runtime and precision (torch float32, now openvino float32)"),
        ("seed", "seed (8, now 7)"),
        ("cache_features", "cache_features (False, now True)"),
    ]


def test_storing_the_features_of_drawn_scales_is_no_difference() -> None:
    live = dataclasses.replace(SETUP, cache=None)
    stored = dataclasses.replace(SETUP, cache="float16", draw_scales=True)
    assert live.differences(stored) == stored.differences(live) == []
    fixed = dataclasses.replace(stored, draw_scales=False)
    coarse = dataclasses.replace(stored, cache="int8")
    for other in (fixed, coarse):
        assert live.differences(other)
        assert stored.differences(other)


def test_differences_name_the_fields_of_the_recipe() -> None:
    recipe = RunSetup.plain_recipe(Recipe(epochs=3, scales=(0.7, 1.0)))
    here = dataclasses.replace(SETUP, recipe=recipe)
    there = dataclasses.replace(
        SETUP, recipe=recipe | {"name": "own", "epochs": 10, "scales": [1.0], "added_later": 1}
    )
    assert [tuple(difference) for difference in here.differences(there)] == [
        ("epochs", "epochs (10, now 3)"),
        ("scales", "scales (1.0, now 0.7, 1.0)"),
        ("added_later", "added_later (1, now None)"),
    ]
    renamed = dataclasses.replace(SETUP, recipe=recipe | {"name": "own"})
    assert [difference.parameter for difference in here.differences(renamed)] == ["recipe"]


def test_rules_for_tags_are_compared_one_by_one() -> None:
    rules = TagRules(aliases={"puppy": "dog"}, min_images=5)
    here = dataclasses.replace(SETUP, tag_rules=rules.to_dict(), data="e")
    assert RunSetup.from_json(json.loads(json.dumps(here.to_dict()))) == here
    # The reason for other data comes first.
    assert [tuple(difference) for difference in here.differences(SETUP)] == [
        ("aliases", "the aliases"),
        ("min_images", "min_images (0, now 5)"),
        ("data", "the data (the images, their tags, or the classes)"),
    ]
    folded = dataclasses.replace(SETUP, tag_rules=TagRules(fold_case=True, untagged="unknown").to_dict())
    assert [tuple(difference) for difference in SETUP.differences(folded)] == [
        ("fold_case", "fold_case (True, now False)"),
        ("untagged", "untagged (unknown, now absent)"),
    ]


@pytest.mark.parametrize(
    "changes",
    [{"seed": "7"}, {"seed": 7.5}, {"recipe": None}, {"data": 3}, {"cache": "int4"}, {"precision": None}],
)
def test_values_of_the_wrong_type_are_rejected(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="it must be|is not one of"):
        RunSetup.from_json(SETUP.to_dict() | changes)


def test_the_manifest_contains_the_setup() -> None:
    manifest = SETUP.to_dict() | {"data": {"fingerprint": "d", "images": 3}, "resumed": False}
    assert RunSetup.from_manifest(manifest) == SETUP


@pytest.mark.parametrize("data", [None, "d", {}, {"fingerprint": 3}, ["d"]])
def test_an_incomplete_manifest_contains_none(data: object) -> None:
    assert RunSetup.from_manifest(SETUP.to_dict() | {"data": data}) is None
    assert RunSetup.from_manifest({}) is None
