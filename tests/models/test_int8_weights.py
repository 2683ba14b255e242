"""Whether an int8 network was created from the weights of its model, in memory and in files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from freeloc.models.header import ModelFile
from freeloc.models.int8_weights import FLOAT_WEIGHTS, has_current_int8
from freeloc.models.model import Model
from freeloc.models.registry import find_model
from freeloc.runtime import QuantizedGraph
from tests.fuzz.networks import make_model
from tests.models.model_files import rewrite, split
from tests.runtime.networks import Patches

BACKBONE = Patches()
CHANGES = {"body.0.bias": torch.linspace(-1, 1, 5)}
GRAPH = QuantizedGraph(b"<net></net>", b"weights")


def quantized(*, trained: bool = False) -> Model:
    """Return a model with an int8 network, which nothing here runs, and with or without changes of its backbone."""
    model = make_model(BACKBONE, ("cat", "dog"), hidden=4)
    if trained:
        header = dataclasses.replace(
            model.header,
            backbone_base=BACKBONE.fingerprint,
            backbone_fingerprint=BACKBONE.with_weights(CHANGES).fingerprint,
        )
        model = Model(header, model.head, {key: value.clone() for key, value in CHANGES.items()})
    facts = {"images": 3, FLOAT_WEIGHTS: model.float_weights_digest()}
    return dataclasses.replace(model, header=dataclasses.replace(model.header, int8=facts), int8=GRAPH)


def without_digest(model: Model) -> Model:
    return model.with_header(int8={"images": 3})


def is_current_everywhere(model: Model, path: Path) -> bool:
    """Return whether the network is current in memory, after checking that it is the same in a file."""
    found = model.has_current_int8()
    model.save(path)
    assert has_current_int8(ModelFile.open(path)) == found
    return found


def change_head(model: Model) -> None:
    with torch.no_grad():
        model.head.fcb.weight[1, 2] += 1e-3


def change_bias(model: Model) -> None:
    with torch.no_grad():
        model.head.fcb.bias.add_(1)


def change_backbone(model: Model) -> None:
    model.backbone_changes["body.0.bias"][3] += 1e-3


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_it_belongs_to_the_weights_from_which_it_was_created(
    tmp_path: Path, trained: bool, half: bool
) -> None:
    model = quantized(trained=trained)
    model = model.to_float16(BACKBONE) if half else model
    assert is_current_everywhere(model, tmp_path / "m")


@pytest.mark.parametrize("change", [change_head, change_bias, change_backbone])
def test_changed_weights_are_noticed(tmp_path: Path, change: Callable[[Model], None]) -> None:
    model = quantized(trained=True)
    change(model)
    assert not is_current_everywhere(model, tmp_path / "m")
    if change is not change_backbone:  # which now has another fingerprint than its header says
        rounded = model.to_float16(BACKBONE)
        assert not is_current_everywhere(rounded, tmp_path / "m"), "rounding does not make it fit"


def test_rounding_to_float16_renews_the_digest() -> None:
    model = quantized()
    rounded = model.to_float16(BACKBONE)
    assert model.header.int8 is not None
    assert rounded.header.int8 is not None
    assert rounded.header.int8[FLOAT_WEIGHTS] != model.header.int8[FLOAT_WEIGHTS]
    assert {**rounded.header.int8, FLOAT_WEIGHTS: ""} == {**model.header.int8, FLOAT_WEIGHTS: ""}
    again = rounded.to_float16(BACKBONE)
    assert again.header.int8 == rounded.header.int8, "the weights were already rounded"


def test_nothing_is_checked_without_a_digest(tmp_path: Path) -> None:
    for change in (change_head, change_backbone):
        model = without_digest(quantized(trained=True))
        change(model)
        assert is_current_everywhere(model, tmp_path / "m")
    rounded = without_digest(quantized()).to_float16(BACKBONE)
    assert rounded.header.int8 == {"images": 3}, "nobody knows the weights"
    plain = make_model(BACKBONE, ("cat", "dog"), hidden=4)
    assert is_current_everywhere(plain, tmp_path / "m")
    assert has_current_int8(ModelFile.open(find_model("voc20")))


def test_a_file_with_bfloat16_weights_was_not_written_with_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "m"
    quantized().save(path)
    header = split(path.read_bytes())[0]
    tensors = load_file(path)
    tensors["fca.weight"] = tensors["fca.weight"].to(torch.bfloat16)
    save_file(tensors, path, metadata=header["__metadata__"])
    rewrite(path, lambda own: own)  # renews the checksum
    assert not has_current_int8(ModelFile.open(path))
