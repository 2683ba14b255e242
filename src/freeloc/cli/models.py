"""``freeloc models``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from freeloc.cli.options import Quiet, complete_model

if TYPE_CHECKING:
    from freeloc.io.plain_console import PlainConsole
    from freeloc.models.catalog import ListedModel
    from freeloc.models.header import ModelHeader

__all__ = ["models"]

_DEFAULT_MODEL = "voc20"


def models(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="Only this model: a name, model file or run folder. Default: all; with --benchmark, voc20.",
            autocompletion=complete_model,
        ),
    ] = None,
    benchmark: Annotated[
        bool,
        typer.Option(
            "--benchmark",
            help="Measure how fast the model predicts in each precision on this computer (about a minute).",
        ),
    ] = False,
    to_dict: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """List the models available by name: those that ship with freeloc, and yours."""
    if benchmark:
        _compare_precisions(model or _DEFAULT_MODEL, to_dict=to_dict, quiet=quiet)
    else:
        _list_models(model, to_dict=to_dict)


def _compare_precisions(model: str, *, to_dict: bool, quiet: bool) -> None:
    import json

    from freeloc.inference.compare_precisions import compare_precisions
    from freeloc.inference.int8_advice import HOW_TO_GET_INT8
    from freeloc.io.progress import print_status
    from freeloc.io.terminal import print_json, print_result

    found = compare_precisions(model, quiet=quiet)
    if to_dict:
        print_json(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    presets = tuple(next(iter(found.milliseconds.values())))
    print_result("precision", *(f"{preset}, ms" for preset in presets), "")
    for precision, times in found.milliseconds.items():
        print_result(
            precision, *(f"{ms:.1f}" for ms in times.values()), "auto" if precision == found.auto else ""
        )
    print_status(
        f"milliseconds per image of 500×375 pixels with {found.model} on {found.processor}, {found.cores} cores; "
        "the images are noise, and the time of balanced depends on what images show"
    )
    print_status(f"auto: {found.reason}")
    if found.would_gain_from_int8:
        print_status(f"an int8 network would be fastest on this processor: {HOW_TO_GET_INT8}")
    if not found.auto_is_fastest:
        print_status(
            f"{found.fastest} is faster here than the precision that auto chooses: use --precision {found.fastest}"
        )


def _list_models(name: str | None, *, to_dict: bool) -> None:
    import json

    from freeloc.io.folders import user_models_dir
    from freeloc.io.terminal import is_terminal, print_json, print_result, print_status
    from freeloc.models.catalog import list_models, read_model
    from freeloc.models.registry import model_folders

    found = list_models() if name is None else [read_model(name)]
    if to_dict:
        print_json(json.dumps([model.to_dict() for model in found], indent=2, ensure_ascii=False))
    elif is_terminal(sys.stdout):
        _print_page(found)
    else:
        for model in found:
            if model.header is not None:
                print_result(model.name, *_facts(model.header), model.origin, str(model.path))
    for model in found:
        if model.problem is not None:
            print_status(f"skipped {model.name}: {model.problem}")
    for folder, origin in model_folders():
        if origin == "yours" and folder != user_models_dir() and not folder.is_dir():
            print_status(
                f"FREELOC_MODELS lists {folder}, which is not a folder: create it, or remove it from the variable"
            )
    if not found:
        own = user_models_dir()
        where = "" if own is None else f"{own} or in "
        print_status(f"no models found: put NAME.safetensors in {where}a folder listed in FREELOC_MODELS")


def _facts(header: ModelHeader) -> tuple[str, ...]:
    """Return the number of classes, the backbone, "calibrated" or "not calibrated", and the description.

    The description is joined to one line.
    """
    card = header.card
    return (
        str(len(header.classes)),
        header.backbone,
        "calibrated" if header.calibration is not None else "not calibrated",
        " ".join(card.description.split()) if card else "",
    )


def _print_page(found: list[ListedModel]) -> None:
    """Print one paragraph per model."""
    from freeloc.io.plain_console import PlainConsole
    from freeloc.io.terminal import standard_output

    with standard_output() as stream:
        console = PlainConsole(file=stream, soft_wrap=True)
        for model in found:
            if model.header is not None:
                _print_model(console, model, model.header)


def _print_model(console: PlainConsole, model: ListedModel, header: ModelHeader) -> None:
    card = header.card
    classes, backbone, calibrated, description = _facts(header)
    version = f" {card.version}" if card and card.version else ""
    int8 = ", int8" if header.int8 is not None else ""
    console.print(model.name, style="bold", end="")
    console.print(f"{version}: {classes} classes, {backbone}, {calibrated}{int8}")
    if description:
        console.print(f"    {description}")
    if card and card.data_licence:
        console.print(f"    license of the training data: {card.data_licence}")
    console.print(f"    {'from the package' if model.origin == 'package' else 'yours'}: {model.path}")
