"""Models for others: rounded to half their size, with a card that says what they are."""

from __future__ import annotations

from pathlib import Path

from freeloc.models.card import ModelCard
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone

__all__ = ["release"]


def release(
    model: str | Path, out: str | Path, card: ModelCard, *, weights: str | Path | None = None
) -> Model:
    """Write a model to be given to others: weights in float16, and a card.

    Rounding moves a probability by less than the arithmetic of prediction does (bfloat16 rounds eight times as
    coarsely). An int8 network stays as it is.

    Args:
        model: a model file, the run folder that holds it, or a name.
        out: the file to write; its name, without ``.safetensors``, is the one that finds it.
        card: what people want to know of it.
        weights: local weight file of the backbone, where it is not the embedded one.

    Returns:
        The model as it was written.

    Raises:
        FreelocError: there is no such model, a weight is beyond float16, or the file cannot be written.
    """
    trained = Model.load(model)
    made = trained.to_float16(load_backbone(trained.header.backbone, weights)).with_header(card=card)
    made.save(out)
    return made
