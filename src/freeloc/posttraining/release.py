"""Release a model with float16 weights and a model card."""

from __future__ import annotations

from pathlib import Path

from freeloc._validation import check_arguments
from freeloc.io.atomic import check_writable
from freeloc.io.lock import lock_file
from freeloc.models.card import ModelCard
from freeloc.models.file_access import check_content
from freeloc.models.model import Model
from freeloc.models.registry import find_model
from freeloc.nn.backbones.registry import load_backbone
from freeloc.posttraining.model_output import save_or_keep

__all__ = ["release"]


@check_arguments
def release(
    model: str | Path, out: str | Path, card: ModelCard, *, weights: str | Path | None = None
) -> Model:
    """Write a model for publication, with float16 weights and a model card.

    Rounding weights to float16 changes probabilities less than predicting in bfloat16, which rounds eight times as
    coarsely. If the model has an int8 network, that network does not change.

    Args:
        model: a model file, a run folder, or a name.
        out: the file to write; its name without ``.safetensors`` becomes the model's name.
        card: description of the model.
        weights: local weight file of the backbone; None uses the backbone's default weights.

    Returns:
        The model that was written.

    Raises:
        ModelError: the model does not exist, was replaced in the meantime, or has a weight that is too large for
            float16.
        BackboneError: the backbone cannot be loaded.
        OutputError: the file cannot be written, or another process is writing to it.
    """
    check_writable(Path(out))
    source = find_model(model)
    trained = Model.load(source)
    backbone = load_backbone(trained.header.backbone, weights, download=False)
    released = trained.to_float16(backbone).with_header(card=card)
    with lock_file(Path(out)):
        check_content(source, trained.content_hash)
        save_or_keep(released, Path(out))
    return released
