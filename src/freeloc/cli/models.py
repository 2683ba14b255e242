"""``freeloc models``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from freeloc.models.catalog import ListedModel
    from freeloc.models.header import ModelHeader

__all__ = ["models"]


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List the models that have names: those that came with freeloc, and yours."""
    import json

    from freeloc.io.folders import user_models_dir
    from freeloc.io.progress import print_status
    from freeloc.models.catalog import list_models
    from freeloc.models.registry import model_folders

    found = list_models()
    if as_json:
        typer.echo(json.dumps([model.as_json() for model in found], indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        _print_page(found)
    else:
        for model in found:
            if model.header is not None:
                facts = _facts(model.header)
                typer.echo("\t".join(map(_plain, (model.name, *facts, model.origin, str(model.path)))))
    for model in found:
        if model.problem is not None:
            print_status(f"left out {_plain(model.name)}: {_plain(model.problem)}")
    for folder, origin in model_folders():
        if origin == "yours" and folder != user_models_dir() and not folder.is_dir():
            print_status(f"FREELOC_MODELS names {folder}, which is no folder: make it, or name another")
    if not found:
        print_status(
            f"no model has a name yet: put NAME.safetensors into {user_models_dir()} or a folder of FREELOC_MODELS"
        )


def _facts(header: ModelHeader) -> tuple[str, ...]:
    """Number of classes, backbone, calibration, and the description, as words."""
    card = header.card
    return (
        str(len(header.classes)),
        header.backbone,
        "calibrated" if header.calibration is not None else "not calibrated",
        card.description if card else "",
    )


def _print_page(found: list[ListedModel]) -> None:
    """One paragraph a model, for people."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for model in found:
        if model.header is None:
            continue
        card = model.header.card
        classes, backbone, calibrated, description = map(_plain, _facts(model.header))
        version = f" {_plain(card.version)}" if card and card.version else ""
        int8 = ", int8" if model.header.int8 is not None else ""
        console.print(_plain(model.name), style="bold", end="")
        console.print(f"{version}: {classes} classes, {backbone}, {calibrated}{int8}")
        if description:
            console.print(f"    {description}")
        if card and card.data_licence:
            console.print(f"    licence of the training data: {_plain(card.data_licence)}")
        console.print(
            f"    {'from the package' if model.origin == 'package' else 'yours'}: {_plain(str(model.path))}"
        )


def _plain(text: str) -> str:
    """On one line, and without characters that would steer the terminal: the file may be anybody's."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
