"""Add an int8 network to a model file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from freeloc._validation import CountOrZero, Seed, check_arguments
from freeloc.errors import ConfigurationError
from freeloc.io.lock import lock_file
from freeloc.io.progress import print_status
from freeloc.models.file_access import check_content
from freeloc.models.model import Model
from freeloc.models.registry import find_model, model_file, writable_path
from freeloc.nn.backbones.registry import load_backbone
from freeloc.posttraining.model_output import save_or_keep
from freeloc.training.quantization.int8_network import CALIBRATION_IMAGES, add_int8_network
from freeloc.training.quantization.requirements import check_quantization_available

__all__ = ["quantize", "quantized_path"]


@check_arguments
def quantize(
    model: str | Path,
    images: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    calibration_images: CountOrZero = CALIBRATION_IMAGES,
    seed: Seed = 0,
    quiet: bool = False,
) -> Model:
    """Add an int8 network to a model, for faster prediction.

    The precision "auto" uses the int8 network on processors on which it is fastest
    (`freeloc.runtime.processors`). The head and the float network do not change.

    Args:
        model: a model file, a run folder, or a name; see `freeloc.models.registry.find_model`.
        images: the images available for quantization calibration; ``calibration_images`` of them are drawn.
        out: the model file to write. By default, the model's own file is replaced; for a model that ships with
            freeloc, a copy is written to the user's folder of models (``voc20-int8`` for ``voc20``).
        weights: local weight file of the backbone; None uses the backbone's default weights.
        calibration_images: number of images to draw; if there are fewer, all are used.
        seed: seed for drawing the images and their scales.
        quiet: whether to hide progress.

    Returns:
        The model with the int8 network.

    Raises:
        ConfigurationError: there are no images, or an argument has the wrong type or is out of range.
        MissingDependencyError: NNCF is not installed (the extra ``int8``).
        ImageError: an image cannot be read.
        ModelError: the model does not exist, its file is damaged, or it was replaced in the meantime.
        BackboneError: the backbone cannot be loaded.
        OutputError: the model file cannot be written, or another process is writing to it.
    """
    if not images or calibration_images < 1:
        raise ConfigurationError(
            "an int8 network requires images for quantization calibration: specify at least one",
            parameter="images" if not images else "calibration_images",
        )
    check_quantization_available()
    source = find_model(model)
    target = quantized_path(source, out)
    with lock_file(target):
        trained = Model.load(source)
        backbone = load_backbone(trained.header.backbone, weights, download=False)
        quantized = add_int8_network(
            trained, backbone, images, calibration_images=calibration_images, seed=seed, quiet=quiet
        )
        check_content(source, trained.content_hash)
        save_or_keep(quantized, target)
    if not quiet:
        print_status(
            f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB); its int8 network is used where it is fastest"
        )
    return quantized


def quantized_path(source: Path, out: str | Path | None) -> Path:
    """Return the path to which `quantize` writes a model.

    Args:
        source: the model file.
        out: the requested path; see `quantize`.

    Raises:
        OutputError: nothing is requested, and there is no folder for a copy.
    """
    return writable_path(source, "int8") if out is None else model_file(out)
