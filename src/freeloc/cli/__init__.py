"""The command line: turns words into calls; nothing else.

Every command imports what it needs when it runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import typer
from typer.core import TyperGroup

from freeloc.cli.calibrate import calibrate
from freeloc.cli.check import check
from freeloc.cli.demo import demo
from freeloc.cli.evaluate import evaluate
from freeloc.cli.models import models
from freeloc.cli.predict import predict
from freeloc.cli.quantize import quantize
from freeloc.cli.reproduce import reproduce
from freeloc.cli.train import train
from freeloc.errors import FreelocError

__all__ = ["app", "main"]


_LEFT = {
    "train": "; finished features and epochs are kept: go on with --resume",
    "predict": "; no predictions.jsonl was written",
    "reproduce": "; finished features, epochs and rows are kept: the same command goes on",
    "quantize": "; the model is as it was",
    "calibrate": "; the model is as it was",
}
"""What a stopped command leaves behind."""


class _Stopped(Exception):  # noqa: N818
    """The user pressed Ctrl-C; the argument is the command's name."""


class _Commands(TyperGroup):
    """Lets `main` speak when the user stops a command; typer would end without a word."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _Stopped(ctx.invoked_subcommand) from error


app = typer.Typer(
    name="freeloc",
    cls=_Commands,
    help="Object localization from image tags alone: train on tags, get scores, maps and points.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, train, predict, evaluate, check, calibrate, quantize, models, reproduce):
    app.command()(command)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"freeloc {version('freeloc')}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Say which version this is."
    ),
) -> None:
    """Object localization from image tags alone: train on tags, get scores, maps and points."""


def main() -> None:
    """Run the command line; mistakes end in one sentence and exit code 2."""
    try:
        app()
    except FreelocError as error:
        sys.stderr.write(f"freeloc: {error}\n")
        sys.exit(2)
    except OSError as error:
        # Standard output that is closed or full, mostly: whoever read it knows, or is told.
        if not isinstance(error, BrokenPipeError):
            place = f" {error.filename}" if error.filename else ""
            sys.stderr.write(f"freeloc: cannot read or write{place}: {error.strerror or error}\n")
        with suppress(OSError, ValueError):  # nothing is left to be flushed at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)
    except _Stopped as stop:
        sys.stderr.write(f"freeloc: stopped{_LEFT.get(str(stop), '')}\n")
        sys.exit(130)
