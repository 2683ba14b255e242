"""``freeloc models``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from freeloc.io.plain_console import PlainConsole
    from freeloc.models.catalog import ListedModel
    from freeloc.models.header import ModelHeader

__all__ = ["models"]


def models(
    to_dict: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List the models available by name: those that ship with freeloc, and yours."""
    import json

    from freeloc.io.folders import user_models_dir
    from freeloc.io.terminal import is_terminal, print_json, print_result, print_status
    from freeloc.models.catalog import list_models
    from freeloc.models.registry import model_folders

    found = list_models()
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
