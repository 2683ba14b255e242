"""The question whether a terminal can show images, put to pseudoterminals that answer."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from freeloc.io import terminal_graphics as module

if sys.platform == "win32":
    pytest.skip("Windows has no pseudoterminals", allow_module_level=True)

import fcntl
import pty
import struct
import termios

SIXEL = b"\x1b[?62;4;22c"
PLAIN = b"\x1b[?62;22c"

TERMINALS = {
    "kitty": (b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.31.0)\x1b\\" + PLAIN, "kitty"),
    "ghostty": (b"\x1b_Gi=31;OK\x1b\\\x1bP>|ghostty 1.2\x1b\\" + SIXEL, "kitty"),
    "iTerm2": (b"\x1bP>|iTerm2 3.5.0\x1b\\" + SIXEL, "iterm2"),
    "WezTerm": (b"\x1bP>|WezTerm 20240203\x1b\\" + SIXEL, "iterm2"),
    "foot": (b"\x1bP>|foot(1.16.2)\x1b\\" + SIXEL, "sixel"),
    "a terminal with an error of kitty's protocol": (b"\x1b_Gi=31;EINVAL:no\x1b\\" + SIXEL, "sixel"),
    "xterm": (b"\x1bP>|XTerm(380)\x1b\\" + PLAIN, None),
    "a plain terminal": (PLAIN, None),
    "a terminal with attribute 14": (b"\x1b[?14;24c", None),
}


@pytest.mark.parametrize(("answers", "protocol"), TERMINALS.values(), ids=TERMINALS.keys())
def test_the_answers_name_the_protocol(answers: bytes, protocol: str | None) -> None:
    assert module._protocol(answers) == protocol


def test_no_answer_is_no_support_and_the_settings_are_restored() -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        assert module._ask(slave, 0.01) == b""
        assert termios.tcgetattr(slave) == before
        assert os.read(master, 1000) == module._QUESTIONS
    finally:
        os.close(master)
        os.close(slave)


def test_the_answers_may_come_in_parts() -> None:
    master, slave = pty.openpty()
    answers = TERMINALS["iTerm2"][0]

    def answer() -> None:
        for part in (answers[:7], answers[7:20], answers[20:]):
            os.write(master, part)

    try:
        thread = threading.Thread(target=answer)
        thread.start()
        assert module._ask(slave, 60) == answers
        thread.join()
    finally:
        os.close(master)
        os.close(slave)


def test_the_height_of_a_line() -> None:
    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 800, 432))
        assert module._cell_height(slave) == 18
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        assert module._cell_height(slave) == 20
    finally:
        os.close(master)
        os.close(slave)


PROGRAM = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from freeloc.io.terminal_graphics import terminal_graphics
found = terminal_graphics(sys.stdout)
print("found", found and found.protocol, flush=True)
"""


def ask_in_terminal(answers: bytes, **environment: str) -> tuple[bytes, bytes]:
    """Run a program in a terminal that answers the questions; return what it sent before and after the answers."""
    master, slave = pty.openpty()
    source = str(Path(module.__file__).parents[2])
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": source, **environment},
        start_new_session=True,
    )
    os.close(slave)
    asked = sent = b""
    try:
        while b"found" not in sent or not sent.endswith(b"\n"):
            sent += os.read(master, 1000)
            if module._QUESTIONS in sent:
                os.write(master, answers)
                asked, sent = sent, b""
    finally:
        os.close(master)
        program.wait()
    return asked, sent


def test_a_terminal_is_asked() -> None:
    asked, sent = ask_in_terminal(TERMINALS["foot"][0])
    assert asked == module._QUESTIONS
    assert sent.strip() == b"found sixel"  # the answers are not echoed


def test_a_dumb_terminal_is_not_asked() -> None:
    assert ask_in_terminal(b"", TERM="dumb") == (b"", b"found None\r\n")


def test_what_is_not_a_terminal_is_not_asked(tmp_path: Path) -> None:
    assert module.terminal_graphics(None) is None
    with (tmp_path / "file").open("w") as file:
        assert module.terminal_graphics(file) is None
        assert file.tell() == 0
