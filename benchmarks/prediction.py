"""Prediction on a processor: speed, cost and agreement with plain torch, measured in one run.

    python -m benchmarks.prediction --data VOCdevkit/VOC2012 --model run/model.safetensors

Without a model, an untrained head of the same size is timed, and everything that requires a trained model is
skipped.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.cost import NETWORKS, measure_networks, measure_stages
from benchmarks.machine import best_of, describe, measure_peaks
from benchmarks.onnx_cam import OnnxCam
from benchmarks.peer_comparison import ALL_SCALES, INT8, ONE_SCALE, measure_accuracy, measure_speed
from benchmarks.plain_torch import (
    BALANCED,
    BALANCED_INT8,
    FREELOC_INT8,
    SQUARE,
    measure_agreement,
    measure_throughput,
)
from benchmarks.results import (
    Section,
    machine_table,
    number,
    save_section,
    scale_list,
    spread_text,
    table,
    times_text,
    verdict,
)
from benchmarks.summary import int8_speedup
from benchmarks.workload import (
    Amounts,
    Workload,
    add_model_option,
    add_options,
    amounts_of,
    output_folder,
    run,
    workload_of,
)
from benchmarks.yolo import Yolo
from freeloc.io.progress import print_status

__all__ = ["main", "measure_prediction", "render"]

_NO_MODEL = {"skipped": "this requires a trained model (--model FILE)"}


def measure_prediction(workload: Workload, amounts: Amounts, *, quick: bool = False) -> dict[str, Any]:
    """Measure prediction.

    Args:
        workload: model and images.
        amounts: amounts of the measurements.
        quick: recorded, so that the figures are not mistaken for real ones.

    Returns:
        A section of the results.
    """
    print_status("measuring the machine's peak speeds")
    peaks = measure_peaks(repeats=amounts.peak_repeats, side=amounts.matrix_side)
    print_status("comparing throughput with plain torch")
    throughput = measure_throughput(workload, amounts)
    print_status("comparing one scale with class activation maps of other packages")
    peers = measure_speed(workload, amounts)
    print_status("measuring operations and time per scale")
    # Measured again right before the figures that are compared with it, in case the machine was busy the
    # first time.
    peaks = best_of(peaks, measure_peaks(repeats=amounts.peak_repeats, side=amounts.matrix_side))
    networks = measure_networks(workload, amounts, peaks)
    stages = measure_stages(workload, amounts)
    if workload.has_int8:
        stages["int8"] = measure_stages(workload, amounts, "int8")["ms_per_image"]
    return {
        "quick": quick,
        "machine": describe(),
        "peaks": peaks,
        "workload": workload.to_dict(),
        "throughput": throughput,
        "peers": peers,
        "networks": networks,
        "stages": stages,
        "peer_accuracy": measure_accuracy(workload, amounts) if workload.trained else _NO_MODEL,
        "agreement": measure_agreement(workload, amounts) if workload.trained else _NO_MODEL,
    }


# --- page
# ----------------------------------------------------------------------------------------------------


def render(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks of the section."""
    workload, networks = section["workload"], section["networks"]
    head = "trained" if workload["trained"] else "untrained"
    yield "## Prediction on a processor"
    yield (
        f"Backbone `{workload['backbone']}`, a head with {workload['hidden']} hidden units and "
        f"{workload['classes']} classes ({head}), scales {scale_list(workload['scales'])}, images of "
        f"{workload['data']}. freeloc computes in {networks['precision']} unless a row says int8; all other "
        "implementations compute in torch float32."
    )
    yield machine_table(section)
    yield "### Targets"
    yield table(("", "target", "measured"), list(_targets(section)))
    yield from _throughput(section["throughput"])
    yield from _peers(section["peers"], section["peer_accuracy"])
    yield from _networks(networks)
    yield from _stages(section["stages"])
    yield from _agreement(section["agreement"])


_LEAST_SPEEDUP, _LEAST_SPEEDUP_TORCHCAM, _LEAST_SPEEDUP_GRAD_CAM = 8.0, 4.0, 100.0
_LEAST_INT8_SPEEDUP = {"float32": 2.8, "bfloat16": 1.5}
_LEAST_PEAK_WITH_AMX = 45.0
_MOST_TIME_OF_MAPS, _LEAST_AGREEMENT, _MOST_DIFFERENCE = 1.35, 99.0, 0.2
"""Targets: ratios of times, percent of the peak and of the points, and points of mAP."""


def _targets(section: Section) -> Iterator[tuple[str, str, str]]:
    for name, speedup in section["throughput"]["speedup"].items():
        preset = ", balanced" if name in {BALANCED, BALANCED_INT8} else ""
        what = f"throughput{_int8(name)}{preset}: speedup over {SQUARE}"
        yield _at_least(what, _LEAST_SPEEDUP, speedup[SQUARE])
    yield from _targets_of_network(section)
    peers = section["peers"]
    for name, speedups in peers["speedup"].items():
        for other, ratio in speedups.items():
            if other in {OnnxCam.name, Yolo.name}:
                continue  # without a target
            least = _LEAST_SPEEDUP_TORCHCAM if other.startswith("torchcam") else _LEAST_SPEEDUP_GRAD_CAM
            yield _at_least(f"all classes, one scale{_int8(name)}: speedup over {other}", least, ratio)
    for name, speedups in peers["all_scales_over_one_class"].items():
        for other, ratio in speedups.items():
            what = f"all classes, all scales{_int8(name)}: speedup over {other} at one scale"
            yield what, "> 1×", verdict(times_text(ratio), is_met=ratio["median"] > 1)
    total = section["networks"]["scales"]["all"]
    for key, what in (("maps_over_backbone", ""), ("maps_over_body", " without its projection")):
        ratio = total[key]
        text = verdict(times_text(ratio), is_met=ratio["median"] <= _MOST_TIME_OF_MAPS)
        yield f"time of the score maps relative to the backbone{what}", f"≤ {_MOST_TIME_OF_MAPS:g}×", text
    if "skipped" not in section["agreement"]:
        yield from _targets_of_agreement(section["agreement"])


def _targets_of_network(section: Section) -> Iterator[tuple[str, str, str]]:
    """Yield the targets that depend on the kind of processor."""
    networks = section["networks"]
    precision, throughput = networks["precision"], section["throughput"]
    if FREELOC_INT8 in throughput["ms_per_image"]:
        ratio, least = int8_speedup(throughput), _LEAST_INT8_SPEEDUP[precision]
        is_spread = "low" in ratio
        text = times_text(ratio) if is_spread else f"{number(ratio['median'])}× (quotient of the medians)"
        measured = verdict(text, is_met=ratio["median"] >= least)
        yield f"throughput, int8: speedup over the float network in {precision}", f"≥ {least:g}×", measured
    if any(flag.startswith("amx") for flag in section["machine"]["flags"]):
        percent = 100 * networks["scales"]["all"]["fraction_of_peak"]
        measured = verdict(f"{percent:.0f}%", is_met=percent >= _LEAST_PEAK_WITH_AMX)
        yield "percentage of the peak, all scales, with AMX", f"≥ {_LEAST_PEAK_WITH_AMX:g}%", measured


def _targets_of_agreement(section: Section) -> Iterator[tuple[str, str, str]]:
    for name, percent in section["points_within_one_cell"].items():
        measured = f"{percent['all_classes']:.2f}% ({percent['present_classes']:.2f}% of present classes)"
        text = verdict(measured, is_met=percent["all_classes"] >= _LEAST_AGREEMENT)
        yield f"points within one cell of torch float32: {name}", f"≥ {_LEAST_AGREEMENT:g}%", text
    for suffix, part in (("", section), (INT8, section.get("int8", {}))):
        for name, row in part.get("map", {}).items():
            text = verdict(f"{row['difference']:+.2f}", is_met=abs(row["difference"]) <= _MOST_DIFFERENCE)
            yield f"mAP{suffix} minus that of torch float32: {name}", f"within {_MOST_DIFFERENCE:g}", text


def _at_least(what: str, least: float, ratio: Mapping[str, float]) -> tuple[str, str, str]:
    return what, f"≥ {least:g}×", verdict(times_text(ratio), is_met=ratio["median"] >= least)


def _int8(name: str) -> str:
    return INT8 if name in {FREELOC_INT8, BALANCED_INT8, ONE_SCALE + INT8, ALL_SCALES + INT8} else ""


def _throughput(section: Section) -> Iterator[str]:
    yield "### Throughput: all classes"
    yield (
        f"From file to points, {section['images']} images per round, {section['rounds']} rounds, at all scales "
        "unless a row names a preset. The plain torch loop decodes images, resizes them, pads them to squares and "
        "runs eager torch, one image after the other on all cores."
    )
    speedups = section["speedup"]
    rows = [
        (
            name,
            f"{1e3 / spread['median']:.2f}",
            spread_text(spread),
            *(times_text(by_name[name]) if name in by_name else "" for by_name in speedups.values()),
        )
        for name, spread in section["ms_per_image"].items()
    ]
    yield table(("", "images / s", "ms / image", *(f"speedup of {name}" for name in speedups)), rows)


def _peers(section: Section, accuracy: Section) -> Iterator[str]:
    yield "### Other packages for class activation maps"
    yield (
        "All packages run the same backbone and head, from the decoded image to one point per class, one image "
        "at a time on all cores; the other packages run at scale 1. *Documented* means the network as loaded, "
        "with gradients for all weights. *Tuned* means that no layer before the target layer requires gradients. "
        "Beside them stand a plain classifier, exported to ONNX, and a detector, which is trained with boxes; "
        "their weights are random, which takes as long. Geti's package (getitune 0.4.0) is missing: it requires "
        "another version of torch (2.14) than the one measured here, and pip does not install both."
    )
    for problem in section["problems"]:
        yield f"> {problem}"
    speedups = section["speedup"]
    rows = [
        (
            name,
            spread_text(spread),
            *(times_text(by_name[name]) if name in by_name else "" for by_name in speedups.values()),
        )
        for name, spread in section["ms_per_image"].items()
    ]
    yield table(("", "ms / image", *(f"speedup of {name}" for name in speedups)), rows)
    if "skipped" in accuracy:
        yield f"Accuracy of the packages: skipped, {accuracy['skipped']}."
        return
    yield (
        f"Accuracy on {accuracy['images']} images; for location mAP, each package's points are ranked by its "
        "own scores."
    )
    yield table(
        ("", "location mAP", "classification mAP"),
        [
            (name, f"{row['location']:.1f}", f"{row['classification']:.1f}")
            for name, row in accuracy["rows"].items()
        ],
    )


def _networks(section: Section) -> Iterator[str]:
    yield "### Cost of the network"
    yield (
        f"One canvas at a time on all cores, {section['images']} images; the peak is "
        f"{section['peak_gflops']:g} GFLOP/s ({section['precision']}). A multiplication and an addition "
        "count as two operations."
    )
    rows = []
    for scale, row in section["scales"].items():
        parts = [f"{row['gflop'][part]:.2f}" for part in ("body", "projection", "head")]
        rows.append((scale, *parts, spread_text(row["ms"]["maps"]), f"{100 * row['fraction_of_peak']:.0f}%"))
    yield table(
        ("scale", "GFLOP, backbone body", "projection", "head", "ms, score maps", "percentage of peak"), rows
    )
    yield "The score maps compared with the backbone alone, in milliseconds:"
    ratios = ("maps_over_backbone", "maps_over_body", "maps512_over_body")
    yield table(
        ("scale", *NETWORKS.values(), "maps / backbone", "maps / body", "maps (512) / body"),
        [
            (
                scale,
                *(spread_text(row["ms"][name]) for name in NETWORKS),
                *(times_text(row[name]) for name in ratios),
            )
            for scale, row in section["scales"].items()
        ],
    )


def _stages(section: Section) -> Iterator[str]:
    yield f"Stages of prediction at all scales, one image at a time, measured on {section['images']} images:"
    columns = {"ms": section["ms_per_image"]}
    if "int8" in section:
        columns["ms, int8"] = section["int8"]
    yield table(
        ("stage", *(title for name in columns for title in (name, "percentage"))),
        [
            (
                stage,
                *(
                    text
                    for spreads in columns.values()
                    for text in (
                        spread_text(spreads[stage]),
                        f"{100 * spreads[stage]['median'] / spreads['total']['median']:.0f}%",
                    )
                ),
            )
            for stage in section["ms_per_image"]
        ],
    )


def _agreement(section: Section) -> Iterator[str]:
    yield "### Agreement with torch float32"
    if "skipped" in section:
        yield f"Skipped: {section['skipped']}."
        return
    yield (
        f"Measured on {section['images']} images, with the same canvases, at all scales. Two points are within "
        "one cell if they differ by at most a cell's side along each axis. In paper mode, a point is the center "
        "of a cell, and the size of a cell at the scale of that cell is used. In fused mode, no single scale "
        "determines a point, so the distance is compared with a cell of the finest scale and with a cell of "
        "scale 1. In the row *within 1% of the maximum*, a point also counts if the map of torch float32 is "
        "within 1% of its maximum there. The largest difference between two scores is "
        f"{section['largest_score_difference']:g}."
    )
    yield from _agreement_tables(section)
    if "int8" in section:
        largest = section["int8"]["largest_score_difference"]
        yield (
            "Agreement of the int8 network with torch float32; the largest difference between two scores is "
            f"{largest:g}:"
        )
        yield from _agreement_tables(section["int8"])


def _agreement_tables(section: Section) -> Iterator[str]:
    yield table(
        ("points within one cell", "all classes", "present classes"),
        [
            (name, f"{percent['all_classes']:.2f}%", f"{percent['present_classes']:.2f}%")
            for name, percent in section["points_within_one_cell"].items()
        ],
    )
    yield table(
        ("mAP", "freeloc", "torch float32", "difference"),
        [
            (name, f"{row['freeloc']:.2f}", f"{row['torch_float32']:.2f}", f"{row['difference']:+.2f}")
            for name, row in section["map"].items()
        ],
    )


def main(words: list[str] | None = None) -> None:
    """Measure prediction, and write the results and the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.prediction",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    add_model_option(parser)
    arguments = parser.parse_args(words)
    amounts = amounts_of(arguments)
    workload = workload_of(arguments, amounts)
    section = measure_prediction(workload, amounts, quick=arguments.quick)
    save_section(output_folder(arguments), "prediction", section)
    print_status(f"wrote {output_folder(arguments) / 'benchmarks.md'}")


if __name__ == "__main__":
    run(main)
