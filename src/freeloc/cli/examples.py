"""Two examples for each command, which ``--help`` shows last."""

from __future__ import annotations

from typing import Final

__all__ = ["EXAMPLES", "epilog"]

EXAMPLES: Final[dict[str, tuple[str, str]]] = {
    "demo": (
        "freeloc demo",
        "freeloc demo --out first-look --seed 7",
    ),
    "train": (
        "freeloc train my-images/tags.csv --out run",
        "freeloc train my-images/tags.csv --out run --resume",
    ),
    "pretrain": (
        "freeloc pretrain imagenet/train --out net.safetensors",
        "freeloc pretrain imagenet/train --out net.safetensors --resume",
    ),
    "predict": (
        "freeloc predict voc20 my-images --out results --overlay",
        "find . -name '*.jpg' | freeloc predict run - --out results",
    ),
    "convert": (
        "freeloc convert results/predictions.jsonl --format csv --out table",
        "freeloc convert results --format csv --out table --threshold 0.8",
    ),
    "evaluate": (
        "freeloc evaluate run held-out/tags.csv --classes dog,cat",
        "freeloc evaluate run instances.json --against voc20 --out results.json",
    ),
    "check": (
        "freeloc check my-images/tags.csv",
        "freeloc check VOCdevkit/VOC2012 --split train --classes classes.txt",
    ),
    "calibrate": (
        "freeloc calibrate run held-out/tags.csv",
        "freeloc calibrate run held-out/tags.csv --out calibrated.safetensors",
    ),
    "quantize": (
        "freeloc quantize run my-images",
        "freeloc quantize run @images.txt --out small.safetensors",
    ),
    "export": (
        "freeloc export voc20 --onnx voc20.onnx",
        "freeloc export run --onnx small.onnx --preset fast --size 640x480",
    ),
    "models": (
        "freeloc models",
        "freeloc models --benchmark",
    ),
    "backbones": (
        "freeloc backbones",
        "freeloc backbones dinov2-small convnext-tiny --benchmark",
    ),
    "reproduce": (
        "freeloc reproduce voc2012 --root VOCdevkit --out paper",
        "freeloc reproduce coco2014 --root coco --out paper --rows weak,center",
    ),
    "evolution": (
        "freeloc evolution run street.jpg --class motorbike",
        "freeloc evolution run my-images --class dog --snapshots 0,210,4200",
    ),
}
"""Commands to type; each fits into a terminal of 80 columns."""


def epilog(command: str) -> str:
    """Return the examples of a command as the text that follows its options."""
    # Single line breaks would be lost in some versions of typer.
    return "\n\n".join(("Examples:", *EXAMPLES[command]))
