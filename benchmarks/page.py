"""The page of results, made from the JSON and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from benchmarks.coarse_to_fine_page import coarse_to_fine_blocks
from benchmarks.cost import NETWORKS
from benchmarks.gpu_page import gpu_blocks
from benchmarks.growth_page import growth_blocks
from benchmarks.layers_page import layers_blocks
from benchmarks.markdown import QUICK, figure, plan_text, scale_list, table, times
from benchmarks.one_scale import ALL_SCALES, INT8, ONE_SCALE
from benchmarks.throughput import FREELOC_INT8, PLAIN
from benchmarks.training_page import training_blocks

__all__ = ["render_page"]

Section: TypeAlias = Mapping[str, Any]

_HEAD = """# Benchmarks

Made by `make bench` from `benchmarks.json`; change neither by hand. Everything that is compared ran in turn in
one process, round after round; a figure is the median over the rounds with its quartiles in brackets, and a ratio
is the median of the rounds' ratios."""


def render_page(record: Section) -> str:
    """The whole page as Markdown.

    Args:
        record: what ``benchmarks.json`` holds.
    """
    blocks = [_HEAD]
    if "prediction" in record:
        blocks += _prediction(record["prediction"])
    if "layers" in record:
        blocks += layers_blocks(record["layers"])
    if "frontier" in record:
        blocks += _frontier(record["frontier"])
    if "coarse_to_fine" in record:
        blocks += coarse_to_fine_blocks(record["coarse_to_fine"])
    if "growth" in record:
        blocks += growth_blocks(record["growth"])
    blocks += training_blocks(record)
    if "gpu" in record:
        blocks += gpu_blocks(record["gpu"])
    return "\n\n".join(blocks) + "\n"


# --- prediction --------------------------------------------------------------------------------------------


def _prediction(section: Section) -> Iterator[str]:
    subject, networks = section["subject"], section["networks"]
    head = "trained" if subject["trained"] else "not trained"
    yield "## Prediction on a processor"
    if section["quick"]:
        yield QUICK
    yield (
        f"Backbone `{subject['backbone']}`, a head of {subject['hidden']} hidden values and {subject['classes']} "
        f"classes ({head}), scales {scale_list(subject['scales'])}, images of {subject['data']}. freeloc "
        f"computes in {networks['precision']} unless int8 is said; everything else in torch float32."
    )
    yield _machine(section)
    yield "### What is promised"
    yield table(("", "target", "measured"), list(_promises(section)))
    yield from _throughput(section["throughput"])
    yield from _peers(section["peers"], section["peer_accuracy"])
    yield from _networks(networks, section["stages"])
    yield from _agreement(section["agreement"])


def _machine(section: Section) -> str:
    machine, ceiling = section["machine"], section["ceiling"]
    rows = [
        ("processor", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"),
        ("instruction sets", ", ".join(machine["flags"]) or "not known"),
        ("versions", ", ".join(f"{name} {version}" for name, version in machine["versions"].items())),
    ]
    for runtime, found in ceiling["gflops"].items():
        side = ceiling["matrix_side"]
        for precision, value in found.items():
            rows.append((f"{side}×{side} matrix product, {runtime}, {precision}", f"{value:g} GFLOP/s"))
    rows.append(("large copy, read and written", f"{ceiling['copy_gbytes_per_second']:g} GB/s"))
    return table(("the machine's ceiling", "in the same run"), rows)


def _promises(section: Section) -> Iterator[tuple[str, str, str]]:
    for own, faster in section["throughput"]["times_faster"].items():
        yield (
            f"images per second over torch float32 eager on squares{_in_int8(own)}",
            "≥ 8×",
            times(faster[PLAIN]),
        )
    peers = section["peers"]
    for own, ratios in peers["times_faster"].items():
        for name, ratio in ratios.items():
            target = "≥ 4×" if name.startswith("torchcam") else "≥ 100×"
            yield f"all classes, one scale{_in_int8(own)}: over {name}", target, times(ratio)
    for own, ratios in peers["all_scales_against_one_class"].items():
        for name, ratio in ratios.items():
            if not name.startswith("torchcam"):
                yield (
                    f"all scales, all classes{_in_int8(own)}: over {name} at one scale",
                    "> 1×",
                    times(ratio),
                )
    everything = section["networks"]["scales"]["all"]
    yield "all maps over the backbone's forward pass", "≤ 1.35×", times(everything["maps_over_backbone"])
    yield (
        "the same over the backbone without its last 1×1 convolution",
        "≤ 1.35×",
        times(everything["maps_over_body"]),
    )
    agreement = section["agreement"]
    if "skipped" not in agreement:
        for name, shares in agreement["points_within_one_cell"].items():
            measured = f"{shares['all_classes']:.2f}% ({shares['present_classes']:.2f}% of the classes there)"
            yield f"points within one cell of torch float32: {name}", "≥ 99%", measured
        for name, row in agreement["map"].items():
            yield f"mAP beside torch float32: {name}", "within 0.2", f"{row['difference']:+.2f}"


def _in_int8(own: str) -> str:
    return INT8 if own in {FREELOC_INT8, ONE_SCALE + INT8, ALL_SCALES + INT8} else ""


def _throughput(section: Section) -> Iterator[str]:
    yield "### Images per second, all scales, all classes"
    yield (
        f"From file to points, {section['images']} images a round, {section['rounds']} rounds. The "
        "plain loop decodes, resizes, pads to squares and runs eager torch, one image after the other on "
        "all cores."
    )
    faster = section["times_faster"]
    rows = [
        (
            name,
            f"{1e3 / spread['median']:.2f}",
            figure(spread),
            *(times(ratios[name]) if name in ratios else "" for ratios in faster.values()),
        )
        for name, spread in section["ms_per_image"].items()
    ]
    yield table(("", "images / s", "ms an image", *(f"{own} is faster by" for own in faster)), rows)


def _peers(section: Section, accuracy: Section) -> Iterator[str]:
    yield "### Against class activation maps on the same backbone"
    yield (
        "From the decoded image to a point for every class, one image at a time on all cores; the "
        "peers at scale 1. *Documented*: the network as it is loaded, all weights asking for gradients. *Tuned*: "
        "nothing before the target layer does."
    )
    for problem in section["problems"]:
        yield f"> {problem}"
    faster = section["times_faster"]
    rows = [
        (
            name,
            figure(spread),
            *(times(ratios[name]) if name in ratios else "" for ratios in faster.values()),
        )
        for name, spread in section["ms_per_image"].items()
    ]
    yield table(("", "ms an image", *(f"{own} is faster by" for own in faster)), rows)
    if "skipped" in accuracy:
        yield f"Accuracy beside the peers: {accuracy['skipped']}."
        return
    yield (
        f"Where the points fall, on {accuracy['images']} images: location mAP, every way ranked by "
        "its own scores."
    )
    found = [
        (name, f"{row['location']:.1f}", f"{row['classification']:.1f}")
        for name, row in accuracy["rows"].items()
    ]
    yield table(("", "location mAP", "classification mAP"), found)


def _networks(networks: Section, stages: Section) -> Iterator[str]:
    yield "### Where the time goes"
    yield (
        f"One canvas at a time on all cores, {networks['images']} images; the peak is "
        f"{networks['peak_gflops']:g} GFLOP/s ({networks['precision']}). A multiplication and an addition are two "
        "operations."
    )
    rows = []
    for scale, row in networks["scales"].items():
        gflop = row["gflop"]
        parts = [f"{gflop[part]:.2f}" for part in ("body", "projection", "head")]
        rows.append((scale, *parts, figure(row["ms"]["maps"]), f"{100 * row['share_of_peak']:.0f}%"))
    yield table(
        ("scale", "GFLOP backbone body", "its last 1×1", "head", "ms for the maps", "share of peak"), rows
    )
    yield "All maps beside the backbone alone, in milliseconds:"
    titles = dict(
        zip(
            NETWORKS,
            ("backbone body", "backbone with its last 1×1", "all maps", "head of 512 instead"),
            strict=True,
        )
    )
    yield table(
        ("scale", *titles.values(), "maps / backbone", "maps / body", "512 / body"),
        [
            (
                scale,
                *(figure(row["ms"][name]) for name in titles),
                *(times(row[key]) for key in ("maps_over_backbone", "maps_over_body", "maps512_over_body")),
            )
            for scale, row in networks["scales"].items()
        ],
    )
    spreads = stages["ms_per_image"]
    whole = spreads["whole"]["median"]
    yield f"Stages of one image at all scales, one at a time, {stages['images']} images:"
    int8 = stages.get("int8")
    yield table(
        ("stage", "ms", "share", *(("ms in int8", "share") if int8 else ())),
        [
            (
                name,
                figure(spread),
                f"{100 * spread['median'] / whole:.0f}%",
                *(
                    (figure(int8[name]), f"{100 * int8[name]['median'] / int8['whole']['median']:.0f}%")
                    if int8
                    else ()
                ),
            )
            for name, spread in spreads.items()
        ],
    )


def _agreement(section: Section) -> Iterator[str]:
    yield "### Agreement with torch float32"
    if "skipped" in section:
        yield f"Left out: {section['skipped']}."
        return
    yield (
        f"On {section['images']} images, the same canvases, all scales. Two points are within one "
        "cell where neither axis differs by more. The paper's way picks a cell, and that cell's scale counts; the "
        "fused way has none, so its points are held against a cell of the finest scale and against one of scale "
        f"1. The largest difference of a score is {section['largest_score_difference']:g}."
    )
    if any("as high" in name for name in section["points_within_one_cell"]):
        yield (
            "*As high to 1%*: points count as well where float32's own map is within a hundredth of its maximum."
        )
    yield from _agreement_tables(section)
    if "int8" in section:
        largest = section["int8"]["largest_score_difference"]
        yield f"The same for int8, where the largest difference of a score is {largest:g}:"
        yield from _agreement_tables(section["int8"])


def _agreement_tables(section: Section) -> Iterator[str]:
    yield table(
        ("points within one cell", "all classes", "classes that are there"),
        [
            (name, f"{shares['all_classes']:.2f}%", f"{shares['present_classes']:.2f}%")
            for name, shares in section["points_within_one_cell"].items()
        ],
    )
    yield table(
        ("mAP", "freeloc", "torch float32", "difference"),
        [
            (name, f"{row['freeloc']:.2f}", f"{row['torch_float32']:.2f}", f"{row['difference']:+.2f}")
            for name, row in section["map"].items()
        ],
    )


# --- frontier ----------------------------------------------------------------------------------------------


def _frontier(section: Section) -> Iterator[str]:
    yield "## Accuracy against time"
    if section["quick"]:
        yield QUICK
    yield (
        f"All sets of the test scales, {len(section['points'])} ways in all, on {section['images']} "
        "images. A set costs the milliseconds of its scales with all cores busy on images of their "
        "own, and what every image costs. The table holds the sets that none beats in time and location "
        "mAP at once, and the presets."
    )
    yield _machine(section)
    yield "![Location mAP against milliseconds an image](frontier.svg)"
    offered = [point for point in section["points"] if point["on_frontier"] or point["preset"]]
    yield table(
        (
            "backbone",
            "scales",
            "preset",
            "ms an image",
            "location mAP",
            "classification mAP",
            "pointing game",
        ),
        [
            (
                point["backbone"],
                plan_text(point),
                _preset(point),
                f"{point['ms']:.3g}",
                *(f"{point[key]:.1f}" for key in ("location", "classification", "pointing")),
            )
            for point in sorted(offered, key=lambda point: float(point["ms"]))
        ],
    )


def _preset(point: Section) -> str:
    if not point["preset"]:
        return ""
    return f"`{point['preset']}`" if point["on_frontier"] else f"`{point['preset']}` (beaten)"
