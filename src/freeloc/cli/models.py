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
    """List the models available by name: those that ship with freeloc, and yours."""
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
            print_status(f"skipped {_plain(model.name)}: {_plain(model.problem)}")
    for folder, origin in model_folders():
        if origin == "yours" and folder != user_models_dir() and not folder.is_dir():
            print_status(
                f"FREELOC_MODELS lists {folder}, which is not a folder: create it, or remove it from the variable"
            )
    if not found:
        print_status(
            f"no models found: put NAME.safetensors in {user_models_dir()} or in a folder listed in FREELOC_MODELS"
        )


def _facts(header: ModelHeader) -> tuple[str, ...]:
    """Return the number of classes, the backbone, "calibrated" or "not calibrated", and the description."""
    card = header.card
    return (
        str(len(header.classes)),
        header.backbone,
        "calibrated" if header.calibration is not None else "not calibrated",
        card.description if card else "",
    )


def _print_page(found: list[ListedModel]) -> None:
    """Print one paragraph per model."""
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
            console.print(f"    license of the training data: {_plain(card.data_licence)}")
        console.print(
            f"    {'from the package' if model.origin == 'package' else 'yours'}: {_plain(str(model.path))}"
        )


def _plain(text: str) -> str:
    """Collapse text to one line and strip control characters, because model files are untrusted."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
