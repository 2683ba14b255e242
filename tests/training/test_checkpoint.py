"""Checkpoints: writing, reading, and continuing as if never interrupted."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from freeloc.errors import OutputError, TrainingError
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.optimizer import make_optimizer
from freeloc.training.recipe import Recipe
from freeloc.training.run_setup import RunSetup
from tests.models.model_files import split, write_parts

SETUP = RunSetup(
    recipe={"epochs": 3, "scales": [0.5, 1 / 3], "resize": "once", "missing_tags": "none"},
    data="Köln",
    backbone="b",
    precision="openvino float32",
    training_precision="float32",
    seed=7,
    cache=None,
)


def new_head(seed: int = 0) -> AdaptationHead:
    torch.manual_seed(seed)
    head = AdaptationHead(HeadSettings(4, 3, hidden=5), standardized=True)
    head.set_standardization(torch.rand(4), torch.rand(4))
    return head


def steps(head: AdaptationHead, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    """Take some steps of SGD, each with a gradient determined by its number."""
    for step in range(first, last):
        optimizer.zero_grad()
        features = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        head(features).square().sum().backward()
        optimizer.step()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    head = new_head()
    optimizer = make_optimizer(head, Recipe(learning_rate=0.01))
    steps(head, optimizer, 0, 3)
    Checkpoint.of(2, SETUP, head, optimizer).save(tmp_path / "checkpoint.safetensors")
    return tmp_path / "checkpoint.safetensors"


class TestGoingOn:
    def test_bit_for_bit_as_if_never_stopped(self, path: Path) -> None:
        recipe = Recipe(learning_rate=0.01)
        straight = new_head()
        optimizer = make_optimizer(straight, recipe)
        steps(straight, optimizer, 0, 8)

        other = new_head(seed=99)
        optimizer = make_optimizer(other, recipe)
        Checkpoint.load(path).restore(other, optimizer)
        steps(other, optimizer, 3, 8)
        for key, value in straight.state_dict().items():
            assert torch.equal(other.state_dict()[key], value), key

    def test_momentum_matters(self, path: Path) -> None:
        # Without it the test above could pass on weights alone.
        found = Checkpoint.load(path)
        assert set(found.momentum) == {"fca.weight", "fca.bias", "fcb.weight", "fcb.bias"}
        assert all(float(value.abs().max()) > 0 for value in found.momentum.values())

    def test_a_restored_run_leaves_the_checkpoint_alone(self, path: Path) -> None:
        found = Checkpoint.load(path)
        before = {key: value.clone() for key, value in found.weights.items()}
        speed = {key: value.clone() for key, value in found.momentum.items()}
        head = new_head(seed=1)
        optimizer = make_optimizer(head, Recipe())
        found.restore(head, optimizer)
        steps(head, optimizer, 0, 2)
        assert all(torch.equal(found.weights[key], value) for key, value in before.items())
        assert all(torch.equal(found.momentum[key], value) for key, value in speed.items())

    def test_before_the_first_step_there_is_no_momentum(self, tmp_path: Path) -> None:
        head = new_head()
        Checkpoint.of(0, SETUP, head, make_optimizer(head, Recipe())).save(tmp_path / "c")
        found = Checkpoint.load(tmp_path / "c")
        assert found.momentum == {}
        optimizer = make_optimizer(head, Recipe())
        found.restore(head, optimizer)
        assert not optimizer.state


class TestFile:
    def test_everything_comes_back(self, path: Path) -> None:
        found = Checkpoint.load(path)
        assert (found.epochs_done, found.setup) == (2, SETUP)
        assert set(found.weights) == {"fca.weight", "fca.bias", "fcb.weight", "fcb.bias", "mean", "gain"}

    def test_of_a_run_from_before_fields_of_recipes_existed(self, path: Path) -> None:
        recipe = {
            name: value for name, value in SETUP.recipe.items() if name not in {"resize", "missing_tags"}
        }
        replace(Checkpoint.load(path), setup=replace(SETUP, recipe=recipe)).save(path)
        assert Checkpoint.load(path).setup.differences(SETUP) == []

    def test_the_same_state_gives_the_same_bytes(self, path: Path, tmp_path: Path) -> None:
        Checkpoint.load(path).save(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == path.read_bytes()

    def test_the_old_one_is_replaced(self, path: Path) -> None:
        head = new_head()
        Checkpoint.of(3, SETUP, head, make_optimizer(head, Recipe())).save(path)
        assert Checkpoint.load(path).epochs_done == 3
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]

    @pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
    def test_cut_short(self, path: Path, share: float) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(TrainingError, match=r"checkpoint\.safetensors cannot be read .*delete it"):
            Checkpoint.load(path)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"epochs_done": "3"}, "epochs_done: it must be a whole number, not text"),
            ({"epochs_done": None}, "epochs_done: it must be a whole number, not null"),
            ({"setup": {}}, "the field \\w+ is missing"),
            (
                {"setup": SETUP.to_dict() | {"recipe": [1]}},
                r"setup\.recipe: it must be an object, not a list",
            ),
            ({"setup": SETUP.to_dict() | {"cache": "int4"}}, "int4"),
        ],
    )
    def test_values_of_another_type(self, tmp_path: Path, changes: dict[str, object], reason: str) -> None:
        header = {"epochs_done": 3, "setup": SETUP.to_dict()} | changes
        metadata = {"freeloc-checkpoint": json.dumps(header)}
        save_file({"weights.x": torch.zeros(2)}, tmp_path / "c", metadata=metadata)
        with pytest.raises(TrainingError, match=rf"{tmp_path / 'c'} cannot be read \(.*{reason}"):
            Checkpoint.load(tmp_path / "c")

    def test_a_seed_of_any_size(self, tmp_path: Path) -> None:
        head, setup = new_head(), dataclasses.replace(SETUP, seed=10**30)
        Checkpoint.of(1, setup, head, make_optimizer(head, Recipe())).save(tmp_path / "c")
        assert Checkpoint.load(tmp_path / "c").setup == setup

    @pytest.mark.parametrize(
        "metadata",
        [
            None,
            {"freeloc": "{}"},
            {"freeloc-checkpoint": "{}"},
            {"freeloc-checkpoint": "7"},
            {"freeloc-checkpoint": "[" * 100_000},
            {"freeloc-checkpoint": "x" * 17 * 2**20},
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_another_safetensors_file(self, tmp_path: Path, metadata: dict[str, str] | None) -> None:
        save_file({"weights.x": torch.zeros(2)}, tmp_path / "other", metadata=metadata)
        with pytest.raises(TrainingError, match="cannot be read"):
            Checkpoint.load(tmp_path / "other")

    def test_gone(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match="cannot be read"):
            Checkpoint.load(tmp_path / "absent")

    def test_a_pickle_is_not_run(self, tmp_path: Path) -> None:
        marker = tmp_path / "marker"

        class Trap:
            def __reduce__(self) -> tuple[object, ...]:
                return os.mkdir, (str(marker),)

        (tmp_path / "c").write_bytes(pickle.dumps(Trap()))
        with pytest.raises(TrainingError, match="cannot be read"):
            Checkpoint.load(tmp_path / "c")
        assert not marker.exists()

    @settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data())
    def test_any_damage_is_told_in_one_sentence_or_harmless(self, path: Path, data: st.DataObject) -> None:
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(damaged)
        try:
            with suppress(TrainingError):
                Checkpoint.load(path)
        finally:
            path.write_bytes(whole)

    def test_every_flipped_bit_is_noticed(self, path: Path) -> None:
        whole, sound = path.read_bytes(), Checkpoint.load(path)
        for position in range(len(whole)):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << position % 8
            path.write_bytes(damaged)
            with suppress(TrainingError):
                # A flipped bit may turn a blank into another one, which changes nothing.
                found = Checkpoint.load(path)
                assert (found.epochs_done, found.setup) == (sound.epochs_done, sound.setup)
                for stored, wanted in ((found.weights, sound.weights), (found.momentum, sound.momentum)):
                    assert all(torch.equal(stored[key], value) for key, value in wanted.items())
        path.write_bytes(whole)

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        head = new_head()
        made = Checkpoint.of(1, SETUP, head, make_optimizer(head, Recipe()))
        (tmp_path / "taken").write_text("x")
        for place in (tmp_path / "taken" / "c", tmp_path / ("x" * 256)):
            with pytest.raises(OutputError, match="cannot write"):
                made.save(place)


@pytest.mark.parametrize("form", [{"shape": [4, 5]}, {"dtype": "I32"}])
def test_a_tensor_of_another_form_is_damage(path: Path, form: dict[str, object]) -> None:
    """The input that the fuzzer found: the same bytes with the axes swapped."""
    header, tensors = split(path.read_bytes())
    header["momentum.fca.weight"] |= form
    write_parts(path, header, tensors)
    with pytest.raises(TrainingError, match="does not match its checksum"):
        Checkpoint.load(path)
