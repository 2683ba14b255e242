"""The whole suite: ``make bench``, or ``python -m benchmarks --model FILE``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import frontier, growth, head_training, layers, live_training, prediction
from benchmarks.record import render_again
from benchmarks.settings import add_common, out_folder, run
from freeloc.io.progress import print_status


def main(words: list[str] | None = None) -> None:
    """Run all parts; the frontier only where a trained model is given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add_common(parser)
    parser.add_argument(
        "--model",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="trained models; the first is compared",
    )
    parser.add_argument(
        "--train-split", default="train", help="the split training is measured on (default: train)"
    )
    parser.add_argument(
        "--page-only", action="store_true", help="make the page anew from the JSON that is there"
    )
    arguments = parser.parse_args(words)
    if arguments.page_only:
        render_again(out_folder(arguments))
        return
    common = _common(arguments)
    models = [str(path) for path in arguments.model]
    prediction.main([*common, *(["--model", models[0]] if models else [])])
    layers.main([*common, *(["--model", models[0]] if models else [])])
    if models:
        frontier.main([*common, "--model", *models])
    else:
        print_status(
            "the frontier of accuracy against time was left out: it needs a trained model, --model FILE"
        )
    growth.main([*common, *(["--model", models[0]] if models else [])])
    learning = [*common, "--split", arguments.train_split]
    head_training.main(learning)
    live_training.main(learning)


def _common(arguments: argparse.Namespace) -> list[str]:
    words = ["--split", arguments.split, "--backbone", arguments.backbone, "--precision", arguments.precision]
    words += ["--data", str(arguments.data)] if arguments.data else []
    words += ["--out", str(arguments.out)] if arguments.out else []
    return [*words, *(["--quick"] if arguments.quick else [])]


if __name__ == "__main__":
    run(main)
