"""Release of a model: weights in float16, with a model card."""

from __future__ import annotations

from pathlib import Path

from freeloc.models.card import ModelCard
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone

__all__ = ["release"]


def release(
    model: str | Path, out: str | Path, card: ModelCard, *, weights: str | Path | None = None
) -> Model:
    """Write a model for other people: with weights in float16, and with a card.

    Rounding to float16 changes probabilities less than prediction in bfloat16, which rounds eight times as
    coarsely. An int8 network does not change.

    Args:
        model: a model file, a run folder, or a name.
        out: the file to write; its name without ``.safetensors`` becomes the model's name.
        card: description of the model.
        weights: local weight file of the backbone; None uses the weights that come with it.

    Returns:
        The model that was written.

    Raises:
        ModelError: there is no such model, or a weight is too large for float16.
        BackboneError: the backbone cannot be loaded.
        OutputError: the file cannot be written.
    """
    trained = Model.load(model)
    backbone = load_backbone(trained.header.backbone, weights)
    released = trained.to_float16(backbone).with_header(card=card)
    released.save(out)
    return released
