"""Run freeloc's commands in the process of the fuzzer, and check what they print."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from unittest import mock

from freeloc.cli import main
from freeloc.errors import FreelocError
from tests.fuzz.target import require
from tests.hostile_names import is_safe

__all__ = ["RefusedByCommand", "run_command"]


class RefusedByCommand(FreelocError):
    """A command ended with exit code 2; the message is what it printed first."""


def run_command(*words: object) -> str:
    """Run a command, which must end with exit code 0 or 2 and print lines that are safe to print.

    Returns:
        What it printed to standard output.

    Raises:
        RefusedByCommand: the exit code is 2.
        Finding: something else is wrong.
    """
    out, err = StringIO(), StringIO()
    code: object = None
    argv = ["freeloc", *map(str, words)]
    with mock.patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code
    for text in (out.getvalue(), err.getvalue()):
        require("Traceback" not in text, f"freeloc {words[0]} printed {text}")
        require(is_safe(text), f"freeloc {words[0]} printed {text!r}")
    require(code in {0, 2}, f"freeloc {words[0]} ended with exit code {code}")
    if code == 2:
        message = err.getvalue()
        require(message.strip(), f"freeloc {words[0]} failed without a message")
        raise RefusedByCommand(message.splitlines()[0])
    return out.getvalue()
