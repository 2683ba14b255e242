"""``freeloc evaluate``."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import (
    FormatOption,
    Images,
    InferencePrecision,
    InferencePrecisionOption,
    PresetOption,
    Quiet,
    Runtime,
    RuntimeOption,
    ScalesOption,
    SkipBad,
    Split,
    Weights,
    parse_scales,
)

__all__ = ["evaluate"]


class Flavour(StrEnum):
    """How a precision-recall curve becomes one number."""

    area = "area"
    eleven = "11point"
    step = "step"


class Ranking(StrEnum):
    """What ranks the points."""

    score = "score"
    response = "response"


class Frame(StrEnum):
    """Which pixels a tolerance is given in."""

    original = "original"
    normalized = "normalized"


class Distance(StrEnum):
    """How far a point is from a box."""

    box = "box"
    euclidean = "euclidean"


class Binning(StrEnum):
    """Where one bin of probabilities ends and the next begins."""

    width = "width"
    mass = "mass"


class Reach(StrEnum):
    """What the disc of the pointing game must touch."""

    edge = "edge"
    pixel = "pixel"


class FlaggedBoxPolicy(StrEnum):
    """What becomes of a point that reaches only flagged boxes."""

    hit = "hit"
    ignore = "ignore"
    miss = "miss"


def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="Model file, run folder that freeloc train wrote, or a name that freeloc models lists; "
            "not needed with --detections.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA", help="Pascal VOC devkit, or COCO instances JSON or root; it must have boxes."
        ),
    ] = None,
    split: Split = None,
    against: Annotated[
        list[str] | None, typer.Option(help="Another model for the same table; may be given again.")
    ] = None,
    detections: Annotated[
        list[Path] | None,
        typer.Option(
            help="A detector's boxes for the same table: COCO results JSON, or VOC comp3 or comp4 files; "
            "may be given again."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write everything as JSON to this file.")] = None,
    format_: FormatOption = "auto",
    images: Images = None,
    preset: PresetOption = None,
    scales: ScalesOption = None,
    ap: Annotated[
        Flavour, typer.Option(help="area: VOC 2010 on; 11point: VOC 2007; step: as scikit-learn.")
    ] = Flavour.area,
    ranking: Annotated[
        Ranking, typer.Option(help="Location AP is ranked by the class's score or by the map's response.")
    ] = Ranking.score,
    tolerance: Annotated[
        float, typer.Option(help="Location AP: pixels around a box that still count.")
    ] = 18.0,
    tolerance_frame: Annotated[
        Frame, typer.Option(help="Pixels of the original image, or of one with longest side 500.")
    ] = Frame.original,
    distance: Annotated[
        Distance, typer.Option(help="box: grown on every side; euclidean: with rounded corners.")
    ] = Distance.box,
    difficult: Annotated[
        FlaggedBoxPolicy,
        typer.Option(help="Location AP: what a point only in a difficult box of a present class is."),
    ] = FlaggedBoxPolicy.hit,
    crowd: Annotated[
        FlaggedBoxPolicy, typer.Option(help="Location AP: what a point only in a crowd box is.")
    ] = FlaggedBoxPolicy.ignore,
    pointing_tolerance: Annotated[
        float, typer.Option(help="Pointing game: radius of the disc around the point, in pixels.")
    ] = 15.0,
    pointing_reach: Annotated[
        Reach,
        typer.Option(help="Pointing game: the disc meets a box's edge, or the centre of a pixel in it."),
    ] = Reach.edge,
    pointing_difficult: Annotated[
        FlaggedBoxPolicy, typer.Option(help="Pointing game: what a point only in a difficult box is.")
    ] = FlaggedBoxPolicy.hit,
    pointing_crowd: Annotated[
        FlaggedBoxPolicy, typer.Option(help="Pointing game: what a point only in a crowd box is.")
    ] = FlaggedBoxPolicy.hit,
    box_iou: Annotated[
        list[float],
        typer.Option(help="Box AP of --detections: overlap that a hit needs; may be given again."),
    ] = [0.5, 0.3, 0.1],  # noqa: B006 - typer copies it
    calibration_bins: Annotated[
        int, typer.Option(help="Calibration error: bins of the probabilities.", min=1)
    ] = 15,
    calibration_binning: Annotated[
        Binning, typer.Option(help="Calibration error: bins of equal width, or of equally many pairs.")
    ] = Binning.width,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples for the 95% intervals.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Of the resamples.")] = 0,
    weights: Weights = None,
    runtime: RuntimeOption = Runtime.auto,
    precision: InferencePrecisionOption = InferencePrecision.auto,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
) -> None:
    """Measure models or detectors on annotated images: AP, pointing game, calibration."""
    import json

    from freeloc.datasets import DatasetChecks, open_dataset
    from freeloc.datasets.detections import read_detections
    from freeloc.evaluation.annotations import check_evaluable
    from freeloc.evaluation.collect import collect
    from freeloc.evaluation.evaluate import evaluate as measure
    from freeloc.evaluation.options import EvaluationOptions
    from freeloc.inference.localizer import Localizer
    from freeloc.io.atomic import check_writable, write_text
    from freeloc.io.progress import print_status
    from freeloc.metrics import CalibrationOptions, LocationOptions, PointingOptions
    from freeloc.models.registry import find_model
    from freeloc.visualization import print_evaluation

    if data is None and detections:
        # The one path that was given is that of the data.
        model, data = None, None if model is None else Path(model)
    if data is None:
        raise typer.BadParameter("give MODEL and DATA, or --detections and DATA", param_hint="'DATA'")
    options = EvaluationOptions(
        flavour=ap.value,
        location=LocationOptions(
            ranking=ranking.value,
            tolerance=tolerance,
            tolerance_frame=tolerance_frame.value,
            distance=distance.value,
            difficult=difficult.value,
            crowd=crowd.value,
            flavour=ap.value,
        ),
        pointing=PointingOptions(
            tolerance=pointing_tolerance,
            reach=pointing_reach.value,
            difficult=pointing_difficult.value,
            crowd=pointing_crowd.value,
        ),
        resamples=resamples,
        seed=seed,
        box_iou=tuple(box_iou),
        calibration=CalibrationOptions(calibration_bins, calibration_binning.value),
    )
    if out is not None:
        check_writable(out)
    given = detections or []
    models = [find_model(item) for item in (*([] if model is None else [model]), *(against or []))]
    names, detectors = ([_name(path, [*models, *given]) for path in paths] for paths in (models, given))
    localizers = [
        Localizer.load(
            path,
            weights=weights,
            scales=parse_scales(scales),
            preset=None if preset is None else preset.value,
            runtime=runtime.value,
            precision=precision.value,
        )
        for path in models
    ]
    classes = localizers[0].classes if localizers else None
    dataset = open_dataset(
        data,
        split=split,
        format=format_,
        images=images,
        classes=classes,
        boxes=True,
        skip_bad=skip_bad,
        checks=DatasetChecks(quiet=quiet),
    )
    check_evaluable(dataset, {name: item.classes for name, item in zip(names, localizers, strict=True)})
    found = {
        name: read_detections(path, dataset, data=data, split=split, format=format_)
        for name, path in zip(detectors, given, strict=True)
    }
    predictions = [
        collect(item, dataset, name, quiet=quiet) for name, item in zip(names, localizers, strict=True)
    ]
    evaluation = measure(predictions, dataset, options, detections=found)
    if out is not None:
        write_text(out, json.dumps(evaluation.as_json(), indent=2) + "\n")
    print_evaluation(evaluation)
    if out is not None:
        print_status(f"wrote {out}")


def _name(path: Path, models: list[Path]) -> str:
    """The shortest name that tells the models apart: the run folder's, or the file's."""
    # Path.resolve would follow links, to folders that have other names.
    places = [Path(os.path.abspath(item)) for item in models]  # noqa: PTH100
    names = [
        item.parent.name if item.name == "model.safetensors" else item.name if item.is_dir() else item.stem
        for item in places
    ]
    name = names[models.index(path)]
    return name if names.count(name) == 1 else str(path)
