"""The part of the page of results that is about one GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from benchmarks.markdown import QUICK, figure, number, scale_list, table, times

__all__ = ["gpu_blocks"]

Section: TypeAlias = Mapping[str, Any]


def gpu_blocks(section: Section) -> Iterator[str]:
    """Blocks of Markdown, to be joined by empty lines; parts that were not measured are left out.

    Args:
        section: what ``benchmarks.json`` holds under "gpu".
    """
    machine = section["machine"]
    yield "## One GPU"
    if section["quick"]:
        yield QUICK
    peaks = section.get("peak_gflops", {})
    told = ", ".join(f"{value / 1e3:,.3g} TFLOP/s in {precision}" for precision, value in peaks.items())
    yield (
        f"{section['device']}, beside {machine['cores']} cores; torch {machine['versions'].get('torch', '?')}; "
        f"backbone `{section['backbone']}` ({section['weights']} weights), {section['precision']}, generated "
        f"images, {section['rounds']} rounds." + (f" A large matrix product reaches {told}." if told else "")
    )
    parts = {
        "network": _network,
        "prediction": _prediction,
        "extraction": _extraction,
        "training": _training,
        "agreement": _agreement,
        "largest": _largest,
    }
    for name, part in parts.items():
        if name in section:
            yield from part(section[name])


def _network(section: Section) -> Iterator[str]:
    yield "### The network alone"
    yield (
        "Backbone and search, pixels on the device already. The share is that of the matrix product's pace, "
        "of the "
        "operations of convolutions and products alone."
    )
    yield table(
        ("scale", "at once", "ms", "canvases / s", "share of peak", "MB"),
        [
            (
                f"{row['scale']:g}",
                str(row["batch"]),
                figure(row["ms"]),
                number(row["canvases_per_second"]),
                f"{100 * row['share_of_peak']:.1f}%",
                "" if row["peak_mb"] is None else number(row["peak_mb"]),
            )
            for row in section["batches"]
        ],
    )
    graphs = section["graphs"]
    if graphs.get("rows"):
        yield "Kernels launched one by one against all of them captured in a CUDA graph:"
        yield table(
            ("scale", "at once", "ms, launched", "ms, captured", "faster by"),
            [
                (
                    f"{row['scale']:g}",
                    str(row["batch"]),
                    figure(row["ms"]["launched"]),
                    figure(row["ms"]["captured"]),
                    times(row["times_faster"]),
                )
                for row in graphs["rows"]
            ],
        )
    if "skipped" in graphs:
        yield f"CUDA graphs: {graphs['skipped']}."


def _prediction(section: Section) -> Iterator[str]:
    yield "### From file to points"
    yield f"{section['images']} images a round, scales {scale_list(section['scales'])}."
    yield table(("canvases at once", "images / s", "ms an image"), _paces(section))


def _extraction(section: Section) -> Iterator[str]:
    yield "### From file to cached features"
    yield (
        f"{section['images']} images a round, scales {scale_list(section['scales'])}; batches are "
        f"faster by {times(section['times_faster'])}."
    )
    yield table(("", "images / s", "ms an image"), _paces(section))


def _paces(section: Section) -> list[tuple[str, str, str]]:
    return [
        (name, number(1e3 / spread["median"]), figure(spread))
        for name, spread in section["ms_per_image"].items()
    ]


def _training(section: Section) -> Iterator[str]:
    yield "### Training"
    yield f"{section['images']} images, {section['epochs']} epochs after one of the warm start."
    yield table(
        ("", "features, s", "training, s", "last epoch, s", "loss"),
        [
            (
                name,
                number(row["features_seconds"]),
                number(row["training_seconds"]),
                number(row["last_epoch_seconds"]),
                f"{row['loss']:.4f}",
            )
            for name, row in section["ways"].items()
        ],
    )


def _agreement(section: Section) -> Iterator[str]:
    yield "### Agreement with torch float32 on the processor"
    yield f"The model trained from the cache, on {section['canvases']} canvases."
    yield table(
        (
            "computed in",
            "largest difference of a score",
            "points at the same place of the lattice, or next to it",
        ),
        [
            (name, f"{row['largest_score_difference']:g}", f"{row['points_at_the_same_place']:.2f}%")
            for name, row in section["precisions"].items()
        ],
    )


def _largest(section: list[Section]) -> Iterator[str]:
    yield "### The largest batch that fits"
    yield table(
        ("scale", "canvases at once", "what ended it"),
        [(f"{row['scale']:g}", str(row["batch"]), row["ended_by"]) for row in section],
    )
