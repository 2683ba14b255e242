"""The command line: parses options, calls the library and reports errors.

Every command imports its dependencies when it runs, so that ``--help`` responds instantly.
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

_AFTER_INTERRUPT = {
    "train": "; finished features and epochs are stored: continue with --resume",
    "predict": "; no results file was written",
    "reproduce": "; finished features, epochs and rows are stored: run the same command to continue",
    "quantize": "; the model is unchanged",
    "calibrate": "; the model is unchanged",
}
"""What has been stored or left unchanged when a command is interrupted; appended to the command's message."""

_FIXES = {
    "skip_bad": "--skip-bad continues without them",
    "rescale_boxes": "--rescale-boxes rescales their boxes",
    "resume": "--resume continues that run",
    "weights": "--weights specifies a local weight file",
}
"""Hints for errors that an option would fix, where the option's name alone would not say how."""


_NAMES = {"cache_features": "no_cache"}
"""Parameters of the Python API whose command-line options have different names."""


class _Interrupted(Exception):  # noqa: N818
    """The user pressed Ctrl-C; the argument is the command's name."""


class _Failed(Exception):  # noqa: N818
    """A command failed with an error that the user can fix; the argument is the message."""


class _Commands(TyperGroup):
    """A command group that adds option names to error messages, and the command's name to an interruption."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _Interrupted(ctx.invoked_subcommand) from error
        except FreelocError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            raise _Failed(_with_option(error, [] if command is None else command.params)) from error


def _with_option(error: FreelocError, parameters: list[Any]) -> str:
    """Return the error's message, with the relevant option appended to its first line."""
    options = {
        parameter.name.rstrip("_"): parameter.opts[0]
        for parameter in parameters
        if parameter.opts and parameter.opts[0].startswith("--")
    }
    option = options.get(_NAMES.get(error.parameter or "", error.parameter or ""))
    if error.parameter is None or option is None:
        return str(error)
    headline, *details = str(error).splitlines()
    return "\n".join([f"{headline} ({_FIXES.get(error.parameter, f'option {option}')})", *details])


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
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Object localization from image tags alone: train on tags, get scores, maps and points."""


def main() -> None:
    """Run the command line. For an error that the user can fix, print one message and exit with code 2."""
    try:
        app()
    except (_Failed, FreelocError) as error:
        sys.stderr.write(f"freeloc: {error}\n")
        sys.exit(2)
    except OSError as error:
        # Usually, standard output is closed, or the disk is full. A closed pipe needs no message.
        if not isinstance(error, BrokenPipeError):
            place = f" {error.filename}" if error.filename else ""
            sys.stderr.write(f"freeloc: cannot read or write{place}: {error.strerror or error}\n")
        with suppress(OSError, ValueError):  # so that nothing is left to flush at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)
    except _Interrupted as interruption:
        sys.stderr.write(f"freeloc: interrupted{_AFTER_INTERRUPT.get(str(interruption), '')}\n")
        sys.exit(130)
