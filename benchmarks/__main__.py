"""Run the benchmark suite: ``make bench``, or ``python -m benchmarks --model FILE``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import frontier, growth, head_training, layers, live_training, prediction
from benchmarks.results import render_again
from benchmarks.workload import add_options, output_folder, run
from freeloc.io.progress import print_status


def main(words: list[str] | None = None) -> None:
    """Run all benchmarks of the suite; the frontier requires a trained model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add_options(parser)
    parser.add_argument(
        "--model",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="trained models; the frontier compares all, the other benchmarks use the first",
    )
    parser.add_argument(
        "--train-split", default="train", help="split for the benchmarks of training (default: train)"
    )
    parser.add_argument(
        "--page-only", action="store_true", help="only generate the page again from benchmarks.json"
    )
    arguments = parser.parse_args(words)
    if arguments.page_only:
        render_again(output_folder(arguments))
        return
    common = _common_options(arguments)
    validation = [*common, "--split", arguments.split]
    training = [*common, "--split", arguments.train_split]
    models = [str(path) for path in arguments.model]
    first = ["--model", models[0]] if models else []
    prediction.main([*validation, *first])
    layers.main([*validation, *first])
    if models:
        frontier.main([*validation, "--model", *models])
    else:
        print_status(
            "skipped the frontier of accuracy against time: it requires a trained model (--model FILE)"
        )
    growth.main([*validation, *first])
    head_training.main(training)
    live_training.main(training)


def _common_options(arguments: argparse.Namespace) -> list[str]:
    words = ["--backbone", arguments.backbone, "--precision", arguments.precision]
    words += ["--data", str(arguments.data)] if arguments.data else []
    words += ["--out", str(arguments.out)] if arguments.out else []
    return [*words, *(["--quick"] if arguments.quick else [])]


if __name__ == "__main__":
    run(main)
