"""All commands as one program, which turns errors into one message and an exit code."""

from __future__ import annotations

import sys
import traceback
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from freeloc._printable import printable
from freeloc.cli.backbones import backbones
from freeloc.cli.calibrate import calibrate
from freeloc.cli.check import check
from freeloc.cli.convert import convert
from freeloc.cli.demo import demo
from freeloc.cli.evaluate import evaluate
from freeloc.cli.evolution import evolution
from freeloc.cli.examples import epilog
from freeloc.cli.export import export
from freeloc.cli.interrupts import INTERRUPTED, end_at_once, raise_interrupts, was_interrupted
from freeloc.cli.models import models
from freeloc.cli.predict import predict
from freeloc.cli.pretrain import pretrain
from freeloc.cli.process import (
    flush_at_end,
    only_own_messages,
    open_closed_streams,
    prepare_for_little_memory,
)
from freeloc.cli.quantize import quantize
from freeloc.cli.reproduce import reproduce
from freeloc.cli.train import train
from freeloc.errors import FreelocError
from freeloc.io.limits import MIN_MEMORY, check_memory_limit, resource_error
from freeloc.io.terminal import print_result, print_status

__all__ = ["app", "run"]

_FAILED: Final = 2
_BROKEN_PIPE: Final = 128 + 13  # as shells report a process ended by SIGPIPE

_AFTER_INTERRUPT = {
    "train": "; nothing was stored",
    "reproduce": "; run the same command to continue: finished features, epochs and rows are kept",
    "pretrain": "; nothing was stored",
    "quantize": "; the model is unchanged",
    "calibrate": "; the model is unchanged",
    "export": "; nothing was written",
}
"""What has been stored or left unchanged when a command is interrupted before it knows more; appended to the
command's message, unless the exception itself says more."""

_FIXES = {
    "skip_bad": "--skip-bad continues without them",
    "rescale_boxes": "--rescale-boxes rescales the boxes",
    "resume": "--resume continues that run",
    "overwrite": "--overwrite replaces the earlier output",
    "weights": "--weights specifies a local weight file",
    "force": "--force does it all the same",
}
"""Hints for errors that an option would fix, where the option's name alone would not say how."""


_COMPLETION = ("--install-completion", "--show-completion")
"""Options of typer's."""

_UNKNOWN_SHELL = "cannot tell which shell this is: run the command in bash, zsh, fish or PowerShell"

_NAMES = {"cache_features": "no_cache", "response_normalization": "no_response_normalization"}
"""Parameters of the Python API whose command-line options have different names."""


_TYPES: Final = {int: "NUMBER", float: "NUMBER", str: "TEXT", Path: "PATH"}
_MAX_TYPE: Final = 14
"""What the help shows for the values of an option, and the length up to which it shows all choices instead."""


class _Stop(Exception):  # noqa: N818
    """Ends the program with an exit code, and with lines to print unless there is nothing to say."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Command(TyperCommand):
    """A command whose help shows the types of values in short words."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_short_types(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        check_memory_limit(MIN_MEMORY)
        return super().invoke(ctx)


class _Commands(TyperGroup):
    """A command group that turns errors into messages, which name the options of the command."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_short_types(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = tuple(args)  # typer removes those that it has parsed
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            stop = None if _escape_words(error) else _stop_for_system(error) or _stop_for_shell(error, words)
            if stop is None:
                raise
            raise stop from error

    def invoke(self, ctx: Any) -> Any:
        raise_interrupts()
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, Exception) as error:
            stop = self._stop(ctx, error)
            if stop is None:
                raise
            raise stop from error

    def _stop(self, ctx: Any, error: BaseException) -> _Stop | None:
        """Return how to end the program after an error; None if it is a bug or concerns the command line."""
        if was_interrupted() or isinstance(error, KeyboardInterrupt):
            told = str(error) if isinstance(error, KeyboardInterrupt) else ""
            done = f"; {told}" if told else _AFTER_INTERRUPT.get(ctx.invoked_subcommand, "")
            return _Stop(INTERRUPTED, f"freeloc: interrupted{done}")
        if isinstance(error, FreelocError):
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            message = _with_option(error, [] if command is None else command.params)
            return _Stop(_FAILED, f"freeloc: {message}")
        return None if _escape_words(error) else _stop_for_system(error)


def _with_short_types(parameters: list[Any]) -> list[Any]:
    """Return a command's parameters, with short words for the types of values in the help, and none for flags.

    The help then has room for the explanations on a terminal of 80 columns.
    """
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif parameter.param_type_name == "option" and parameter.metavar is None:
            parameter.metavar = _short_type(parameter)
    return parameters


def _short_type(option: Any) -> str | None:
    """Return the word for the type of an option's values; None for typer's own."""
    kind = option.type_descriptor.annotation
    if typing.get_origin(kind) is list:
        (kind,) = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        is_explained = all(choice in option.help for choice in choices)
        return "NAME" if is_explained and len("|".join(choices)) > _MAX_TYPE else None
    return _TYPES.get(kind)


def _escape_words(error: BaseException) -> bool:
    """Escape control characters in an error about the words of the command line; return whether it is one."""
    message = getattr(error, "message", None)
    if not (hasattr(error, "format_message") and isinstance(message, str)):
        return False
    error.message = printable(message)  # type: ignore[attr-defined]
    return True


def _stop_for_system(error: BaseException) -> _Stop | None:
    """Return how to end the program if the cause of an error is the system; None if it is a bug in the program."""
    if isinstance(error, BrokenPipeError):
        return _Stop(_BROKEN_PIPE)
    shortage = resource_error(error)
    if shortage is not None:
        return _Stop(_FAILED, f"freeloc: {shortage}")
    if isinstance(error, OSError):
        place = f" {error.filename}" if error.filename else ""
        return _Stop(_FAILED, printable(f"freeloc: cannot read or write{place}: {error.strerror or error}"))
    return None


def _stop_for_shell(error: Exception, words: Sequence[str]) -> _Stop | None:
    """Return how to end the program if completion cannot be installed or shown; None for any other error."""
    if not any(word.startswith(_COMPLETION) for word in words):
        return None
    if isinstance(error, typer.Exit):
        return _Stop(_FAILED, f"freeloc: {_UNKNOWN_SHELL}") if error.exit_code else None
    if isinstance(error, RuntimeError):  # from Path.home
        return _Stop(
            _FAILED, printable(f"freeloc: cannot install completion: {error}; set the variable HOME")
        )
    return None


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
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    demo,
    train,
    predict,
    convert,
    evaluate,
    check,
    calibrate,
    quantize,
    export,
    models,
    backbones,
    reproduce,
    pretrain,
    evolution,
):
    app.command(cls=_Command, epilog=epilog(command.__name__))(command)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print_result(f"freeloc {version('freeloc')}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Object localization from image tags alone: train on tags, get scores, maps and points."""


def run() -> NoReturn:
    """Run the command line. For an error that the user can fix, print one message and exit with code 2."""
    open_closed_streams()
    prepare_for_little_memory()
    sys.excepthook = _print_traceback
    code = 0
    try:
        with only_own_messages():
            typer.main.get_command(app)(prog_name="freeloc")  # app() would replace the hook
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        end_at_once()
        if code == INTERRUPTED:  # before a command was called
            print_status("freeloc: interrupted")
    except _Stop as stop:
        end_at_once()
        code = stop.code
        for line in stop.message.splitlines():
            print_status(line)
    end_at_once()
    if not flush_at_end(sys.stdout):
        code = code or _FAILED
    flush_at_end(sys.stderr)
    sys.exit(code)


def _print_traceback(_kind: object, error: BaseException, _traceback: object) -> None:
    """Print the traceback of a bug; the names in it are as untrusted as anywhere else."""
    for line in "".join(traceback.format_exception(error)).splitlines():
        print_status(line)
