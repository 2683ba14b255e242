"""``freeloc check``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from freeloc.cli.options import (
    DATA,
    Aliases,
    Ancestors,
    BackboneName,
    CacheFolder,
    Classes,
    Data,
    FoldCase,
    Format,
    Images,
    MinImages,
    MinusOne,
    Quiet,
    SkipBad,
    Split,
    Untagged,
    Weights,
    complete_model,
    read_classes,
)
from freeloc.cli.suspect_table import suspect_table
from freeloc.cli.tag_table import tag_table
from freeloc.cli.validation_options import describe
from freeloc.errors import ConfigurationError
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from freeloc.datasets import Dataset
    from freeloc.datasets.checks.check import DatasetReport
    from freeloc.datasets.checks.findings import Finding
    from freeloc.training.suspects import Suspect

__all__ = ["check"]

_HELD_OUT: Final = "0.1"
"""Fraction of the images that the next command holds out for validation."""

_ENOUGH_TO_HOLD_OUT: Final = 60
"""Number of images from which on a tenth of them shows whether a model learns."""

OtherSplits = Annotated[
    list[str] | None,
    typer.Option(
        "--other-split",
        metavar="SPLIT",
        help="Another split, such as val, that must not contain images that look like those of DATA; its images "
        "are read as well. May be repeated. The splits of a list that is read whole are always compared. "
        "Default: none.",
        rich_help_panel=DATA,
    ),
]


def check(
    data: Data,
    split: Split = None,
    classes: Classes = None,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    format_: Format = "auto",
    images: Images = None,
    minus_one: MinusOne = None,
    ancestors: Ancestors = False,
    aliases: Aliases = None,
    fold_case: FoldCase = False,
    min_images: MinImages = 0,
    untagged: Untagged = "absent",
    other_splits: OtherSplits = None,
    suspects: Annotated[
        int,
        typer.Option(
            metavar="NUMBER",
            help="After the report, also list this many tags that may be missing, and as many that may be wrong, "
            "most suspicious first, with probabilities. Trains three small models, each on two thirds of the "
            "images, and judges the others by them; needs at least three images.",
            min=0,
        ),
    ] = 0,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="With --suspects: a model that was trained on other images and judges these (a model file, a run "
            "folder, or a name from freeloc models); no models are trained. If it was trained on any of these "
            "images, the three small models are trained with its backbone and recipe. Default: none.",
            autocompletion=complete_model,
        ),
    ] = None,
    backbone: BackboneName = DEFAULT_BACKBONE,
    weights: Weights = None,
    cache: CacheFolder = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON, with all classes, tags and warnings.")
    ] = False,
) -> None:
    """Check that a dataset is ready for training, and list its classes, or all problems if there are any.

    Warns of what may make a model worse: near-duplicates with other tags or in other splits, classes with few
    images, classes in nearly all images or never seen apart, no images without a class, similar, misspelled or
    joined class names, and small images.
    """
    import json

    from freeloc.datasets.checks.check import check as run
    from freeloc.io.terminal import print_json, print_result

    if model is not None and not suspects:
        raise ConfigurationError(
            "a model judges tags only if they are asked for: add --suspects 50, or leave --model out",
            parameter="model",
        )
    report = run(
        data,
        other_splits=other_splits or (),
        quiet=quiet,
        split=split,
        format=format_,
        classes=read_classes(classes),
        images=images,
        skip_bad=skip_bad,
        minus_one=minus_one,
        ancestors=ancestors,
        aliases=aliases,
        fold_case=fold_case,
        min_images=min_images,
        untagged=untagged,
    )
    given = {
        "--split": split or _split_called(report.dataset, "train"),
        "--classes": classes,
        "--skip-bad": skip_bad,
        "--format": None if format_ == "auto" else format_,
        "--images": images,
        "--minus-one": minus_one,
        "--ancestors": ancestors,
        "--aliases": aliases,
        "--fold-case": fold_case,
        "--min-images": min_images,
        "--untagged": None if untagged == "absent" else untagged,
        "--val-split": _validation(report.dataset, split, other_splits),
    }
    command = _training_command(data, given)
    if not json_:  # first, so that it is not lost if the suspects cannot be found
        for line in _lines(report, command, _unchecked(split, other_splits)):
            print_result(line)
    found: tuple[Suspect, ...] = ()
    if suspects:
        from freeloc.training.settings import TrainingSettings
        from freeloc.training.suspects import find_suspects

        settings = TrainingSettings(backbone=backbone, weights=weights, cache_folder=cache)
        found = find_suspects(report.dataset, settings, model=model, count=suspects, quiet=quiet)
    if json_:
        values = {**report.to_dict(), "next": command}
        if suspects:
            values["suspects"] = [suspect.to_dict() for suspect in found]
        print_json(json.dumps(values, ensure_ascii=False, indent=2))
    elif suspects:
        for line in suspect_table(found):
            print_result(line)


def _lines(report: DatasetReport, command: str, unchecked: str) -> Iterator[str]:
    """Yield the lines of the report, which end with the verdict and the next command."""
    yield describe(report.dataset)
    yield from tag_table(report)
    for finding in report.findings:
        headline, *details = str(finding).splitlines()
        yield f"warning: {headline}{_option(finding)}"
        yield from details
    yield f"verdict: {report.verdict}{unchecked}"
    yield f"next: {command}"


def _option(finding: Finding) -> str:
    return "" if finding.parameter is None else f" (option --{finding.parameter.replace('_', '-')})"


def _unchecked(split: str | None, other_splits: list[str] | None) -> str:
    """Return what was not looked for, because it would take too long to do it unasked."""
    if split is None or other_splits:
        return ""
    return f"; images that are also in other splits than {split} were not looked for: --other-split compares them"


def _split_called(dataset: Dataset, start: str) -> str | None:
    """Return the split whose name starts with a word, if the dataset was read whole and has several splits."""
    names = {sample.split for sample in dataset if sample.split is not None}
    found = [name for name in sorted(names) if name.lower().startswith(start)]
    return found[0] if found and len(names) > 1 else None


def _validation(dataset: Dataset, split: str | None, other_splits: list[str] | None) -> str | None:
    """Return the split of the validation images, or the fraction to hold out; None if there are too few images."""
    if other_splits:
        return other_splits[0]
    named = None if split else _split_called(dataset, "train") and _split_called(dataset, "val")
    return named or (_HELD_OUT if len(dataset) >= _ENOUGH_TO_HOLD_OUT else None)


def _training_command(data: Path, given: Mapping[str, object]) -> str:
    words = ["freeloc", "train", str(data)]
    for option, value in given.items():
        if value is True:
            words.append(option)
        elif value:
            words += [option, str(value)]
    # The name that all pages use, unless another model has it.
    out = "run" if not Path("run").exists() else f"run-{data.resolve().stem}"
    return shlex.join([*words, "--out", out])
