"""The generated part of the page docs/speed.md: tables of the results of `benchmarks.speed`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.results import QUICK_NOTE, Section, number, table
from freeloc.inference.presets import PRESETS

__all__ = ["render"]


def render(results: Section) -> Iterator[str]:
    """Yield the Markdown blocks of all machines' results.

    Args:
        results: content of ``benchmarks.json``.
    """
    records = {
        name: sections["speed"] for name, sections in results["machines"].items() if "speed" in sections
    }
    if any(record["quick"] for record in records.values()):
        yield QUICK_NOTE
    yield "### Prediction"
    yield table(
        ("processor", "computes in", *(f"ms, `{name}`" for name in PRESETS)),
        [*_frontier_rows(results, records), *_preset_rows(records)],
    )
    predictions = {name: record["prediction"] for name, record in records.items() if "prediction" in record}
    if predictions:
        yield "### The first image, memory and disk"
        yield table(
            (
                "processor",
                "computes in",
                "first run, seconds",
                "later runs, seconds",
                "peak MB, one image",
                "peak MB, many images",
                "compiled graph, MB",
            ),
            [
                (
                    name,
                    precision,
                    number(row["first_run_seconds"]),
                    number(row["later_run_seconds"]["median"]),
                    number(row["one_image_peak_mb"]),
                    number(row["presets"]["best"]["peak_mb"]),
                    number(row["graph_mb"]),
                )
                for name, prediction in predictions.items()
                for precision, row in prediction["precisions"].items()
            ],
        )
        yield from _quantization(predictions)
    for record in [record for record in records.values() if "installation" in record][:1]:
        yield _installation_text(record["installation"], record["machine"]["versions"]["torch"])
    if any("training" in record for record in records.values()):
        yield "### Training"
        yield _training_table(records)


def _frontier_rows(results: Section, records: Mapping[str, Section]) -> Iterator[tuple[str, ...]]:
    """Yield the presets' times from the frontiers of machines on which processes were not timed."""
    for name, sections in results["machines"].items():
        if "frontier" not in sections or "prediction" in records.get(name, {}):
            continue
        section = sections["frontier"]
        scales, backbone = section["workloads"][0]["scales"], section["workloads"][0]["backbone"]
        for precision, suffix in ((section["precision"], ""), ("int8", ", int8")):
            times = []
            for plan in PRESETS.values():
                wanted = (scales, None) if plan is None else (list(plan.scales), plan.early_exit_after)
                times += [
                    point["ms"]
                    for point in section["points"]
                    if point["backbone"] == f"{backbone}{suffix}"
                    and (point["scales"], point.get("early_exit_after")) == wanted
                ]
            if len(times) == len(PRESETS):
                yield (name, precision, *(number(ms) for ms in times))


def _preset_rows(records: Mapping[str, Section]) -> Iterator[tuple[str, ...]]:
    for name, record in records.items():
        for precision, row in record.get("prediction", {}).get("precisions", {}).items():
            times = (row["presets"][preset]["ms"]["median"] for preset in PRESETS)
            yield (name, precision, *(number(ms) for ms in times))


def _quantization(predictions: Mapping[str, Section]) -> Iterator[str]:
    measured = [one for one in predictions.values() if one.get("quantize_seconds")]
    for prediction in measured[:1]:
        yield (
            f"`freeloc quantize` took {number(prediction['quantize_seconds'])} seconds to create the int8 "
            f"network. The model file has {number(prediction['float_model_mb'])} MB without it and "
            f"{number(prediction['model_mb'])} MB with it."
        )


def _installation_text(sizes: Mapping[str, float], torch_version: str) -> str:
    build = "with the CPU build of torch " if torch_version.endswith("+cpu") else ""
    largest = ", ".join(f"{name} {number(size)} MB" for name, size in list(sizes.items())[:4])
    return (
        f"The installation {build}takes {number(sum(sizes.values()))} MB: freeloc and "
        f"{len(sizes) - 1} packages, the largest of which are {largest}."
    )


def _training_table(records: Mapping[str, Section]) -> str:
    rows = []
    for name, record in records.items():
        for count, run_ in sorted(record.get("training", {}).items(), key=lambda item: int(item[0])):
            first, cached = run_["first"], run_["cached"]
            training = first["training"]
            rows.append(
                (
                    name,
                    run_["precision"],
                    f"{int(count):,}",
                    *(_duration(first[stage]) for stage in ("check", "features", "training")),
                    _duration(first["check"] + first["features"] + training),
                    _duration(cached["check"] + cached["features"] + training),
                    number(first["peak_mb"]),
                    number(run_["features_mb"]),
                )
            )
    titles = (
        "images",
        "check",
        "features",
        "training",
        "total, first",
        "total, cached",
        "peak MB",
        "cache, MB",
    )
    return table(("processor", "computes in", *titles), rows)


def _duration(seconds: float) -> str:
    """Return seconds as minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
