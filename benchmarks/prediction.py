"""Prediction on a processor, measured side by side: speed, cost and agreement.

    python -m benchmarks.prediction --data VOCdevkit/VOC2012 --model run/model.safetensors

Without a model a fresh head of the same shape is timed; what needs a trained one is left out and says so.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.agreement import measure_agreement
from benchmarks.cost import measure_networks, measure_stages
from benchmarks.machine import describe, highest, measure_ceiling
from benchmarks.one_scale import measure_accuracy, measure_speed
from benchmarks.record import update_record
from benchmarks.settings import Settings, add_common, out_folder, run, settings_of
from benchmarks.subject import Subject, add_model, subject_of
from benchmarks.throughput import measure_throughput
from freeloc.io.progress import print_status

__all__ = ["main", "measure_prediction"]

_NEEDS_MODEL = {"skipped": "no trained model was given: --model FILE"}


def measure_prediction(subject: Subject, settings: Settings, *, quick: bool = False) -> dict[str, Any]:
    """Everything about prediction, as one section of the record.

    Args:
        subject: the model and images.
        settings: how much is measured.
        quick: written down, so that nobody takes the figures for real ones.
    """
    print_status("measuring the machine's ceiling")
    ceiling = measure_ceiling(repeats=settings.ceiling, side=settings.matrix_side)
    print_status("images per second, against plain torch")
    throughput = measure_throughput(subject, settings)
    print_status("one scale, against class activation maps")
    peers = measure_speed(subject, settings)
    print_status("operations and time per scale")
    # Once more, right beside what is held against it: a machine may have been busy the first time.
    ceiling = highest(ceiling, measure_ceiling(repeats=settings.ceiling, side=settings.matrix_side))
    networks = measure_networks(subject, settings, ceiling)
    stages = measure_stages(subject, settings)
    if subject.has_int8:
        stages["int8"] = measure_stages(subject, settings, "int8")["ms_per_image"]
    agreement = measure_agreement(subject, settings) if subject.trained else _NEEDS_MODEL
    if subject.trained and subject.has_int8:
        agreement = {**agreement, "int8": measure_agreement(subject, settings, "int8")}
    return {
        "quick": quick,
        "machine": describe(),
        "ceiling": ceiling,
        "subject": subject.as_json(),
        "throughput": throughput,
        "peers": peers,
        "networks": networks,
        "stages": stages,
        "peer_accuracy": measure_accuracy(subject, settings) if subject.trained else _NEEDS_MODEL,
        "agreement": agreement,
    }


def main(words: list[str] | None = None) -> None:
    """Measure and write ``benchmarks.json`` and ``benchmarks.md``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.prediction",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser)
    add_model(parser)
    arguments = parser.parse_args(words)
    settings = settings_of(arguments)
    subject = subject_of(arguments, settings)
    section = measure_prediction(subject, settings, quick=arguments.quick)
    update_record(out_folder(arguments), "prediction", section)
    print_status(f"wrote {out_folder(arguments) / 'benchmarks.md'}")


if __name__ == "__main__":
    run(main)
