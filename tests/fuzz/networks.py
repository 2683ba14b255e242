"""A tiny backbone and models on it, which load and run in milliseconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from freeloc.errors import ConfigurationError
from freeloc.inference.scoring_graph import scoring_layers
from freeloc.models.calibration import Calibration
from freeloc.models.card import ModelCard
from freeloc.models.header import ModelHeader
from freeloc.models.int8_facts import int8_facts
from freeloc.models.int8_weights import FLOAT_WEIGHTS
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import BACKBONES
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.runtime import QuantizedGraph
from freeloc.runtime.compile import network_graph
from freeloc.runtime.graph_bytes import graph_bytes
from tests.runtime.networks import Patches

__all__ = [
    "add_float_network",
    "make_model",
    "register_patches",
    "registered_patches",
    "save_models",
    "tiny_image",
]


def register_patches() -> None:
    """Add the backbone "patches", one convolution, to freeloc's registry."""

    def load(name: str, weights: Path | None = None) -> Patches:
        return Patches()

    try:
        BACKBONES.register("patches")(load)
    except ConfigurationError:  # it has been registered before
        return


@contextmanager
def registered_patches() -> Iterator[None]:
    """Add the backbone "patches" for a while, so that other tests in the same process do not see it."""
    register_patches()
    try:
        yield
    finally:
        BACKBONES._registered.pop("patches", None)


def save_models(folder: Path) -> None:
    """Write models of all kinds: plain, calibrated, float16, with an int8 network, with changed weights."""
    backbone = Patches()
    plain = make_model(backbone, ("cat", "dog", "Köln 東京"), hidden=4)
    calibration = Calibration((0.5, 0.0, 1.5), (-1.0, 0.25, 2.0), (0.5, 0.25, 1.0), {"images": 9})
    card = ModelCard("pets", "1.0", "Three classes.", "CC BY 4.0")
    changes = {"body.0.bias": torch.linspace(-1, 1, 5)}
    trained = backbone.with_weights(changes)
    models = {
        "plain": plain,
        "calibrated": plain.with_header(calibration=calibration, card=card, pooling="average"),
        "linear": make_model(backbone, ("cat", "dog"), hidden=0),
        "float16": plain.to_float16(backbone),
        "int8": add_float_network(plain, backbone),
        "trained": Model(
            dataclasses.replace(
                plain.header, backbone_base=backbone.fingerprint, backbone_fingerprint=trained.fingerprint
            ),
            plain.head,
            changes,
        ),
    }
    for name, model in models.items():
        model.save(folder / f"{name}.safetensors")


def add_float_network(model: Model, backbone: Patches) -> Model:
    """Return a model whose int8 network computes in float.

    Its arithmetic does not matter to those who read and run it, and it needs no quantization.
    """
    graph = network_graph(backbone, scoring_layers(backbone, model.head))
    facts = int8_facts(backbone.layout, backbone.pad_color, model.header.head)
    int8 = {**facts, "images": 3, FLOAT_WEIGHTS: model.float_weights_digest()}
    header = dataclasses.replace(model.header, int8=int8)
    return dataclasses.replace(model, header=header, int8=QuantizedGraph(*graph_bytes(graph)))


def make_model(backbone: Patches, classes: tuple[str, ...], hidden: int) -> Model:
    torch.manual_seed(len(classes))
    head = AdaptationHead(HeadSettings(backbone.width, len(classes), hidden=hidden))
    header = ModelHeader(
        backbone="patches",
        backbone_fingerprint=backbone.fingerprint,
        classes=classes,
        head=head.settings,
        scales=(0.2, 0.4),
        layout=backbone.layout,
        pad_color=backbone.pad_color,
        manifest={"recipe": {"epochs": 3}, "data": {"positives": {"cat": 3}}, "seed": 7},
    )
    return Model(header, head)


def tiny_image() -> np.ndarray:
    """Return the image on which the models are tried, 70×50 pixels."""
    return np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
