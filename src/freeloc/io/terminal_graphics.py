"""Find out whether a terminal can show images, by asking it."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Final, Literal

from freeloc.io.plain_console import PlainConsole
from freeloc.io.terminal import is_terminal

if sys.platform != "win32":
    import fcntl
    import struct
    import termios
    import tty

__all__ = ["GraphicsProtocol", "TerminalGraphics", "terminal_graphics"]

GraphicsProtocol = Literal["kitty", "iterm2", "sixel"]
"""How images are sent to a terminal."""

_TIMEOUT: Final = 1.0
"""Seconds to wait for answers; nearly every terminal answers the last question at once, on slow networks too."""

_QUESTIONS: Final = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[>q\x1b[c"
"""Asks for support of kitty's protocol, for the terminal's name (XTVERSION), and for its attributes (DA1)."""

_KITTY: Final = re.compile(rb"\x1b_Gi=31;OK\x1b\\")
_NAME: Final = re.compile(rb"\x1bP>\|([^\x1b]*)\x1b\\")
_ATTRIBUTES: Final = re.compile(rb"\x1b\[\?([\d;]*)c")

_SIXEL: Final = b"4"
"""The attribute of terminals that show sixel images."""

_ITERM2_NAMES: Final = (b"iTerm2", b"WezTerm")
"""Beginnings of the names of terminals that support iTerm2's protocol."""

_DEFAULT_CELL_HEIGHT: Final = 20


@dataclass(frozen=True)
class TerminalGraphics:
    """How a terminal shows images.

    Attributes:
        protocol: how images are sent.
        cell_height: height of a line of text, in pixels.
    """

    protocol: GraphicsProtocol
    cell_height: int


def terminal_graphics(stream: IO[str] | None) -> TerminalGraphics | None:
    """Ask the terminal to which a stream writes whether it can show images.

    Returns:
        How it shows them; None if the stream is not a terminal, or the terminal does not say that it can.
    """
    if stream is None or not is_terminal(stream) or PlainConsole(file=stream).is_dumb_terminal:
        return None
    if sys.platform == "win32":
        return None
    with suppress(OSError, ValueError, termios.error):
        if os.ttyname(stream.fileno()) != os.ttyname(sys.__stdin__.fileno() if sys.__stdin__ else -1):
            return None
        stream.flush()
        terminal = os.open(os.ttyname(stream.fileno()), os.O_RDWR | os.O_NOCTTY)
        try:
            # Another process group may be reading from the terminal, and would be stopped or miss its input.
            if os.tcgetpgrp(terminal) != os.getpgrp():
                return None
            protocol = _protocol(_ask(terminal, _TIMEOUT))
            return None if protocol is None else TerminalGraphics(protocol, _cell_height(terminal))
        finally:
            os.close(terminal)
    return None


def _ask(terminal: int, timeout: float) -> bytes:
    """Send the questions to a terminal, and return its answers; they are not echoed."""
    answers = b""
    before = termios.tcgetattr(terminal)
    deadline = time.monotonic() + timeout
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        os.write(terminal, _QUESTIONS)
        while not _ATTRIBUTES.search(answers):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([terminal], [], [], remaining)[0]:
                break
            answers += os.read(terminal, 4096)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    return answers


def _protocol(answers: bytes) -> GraphicsProtocol | None:
    """Return the best protocol that a terminal supports according to its answers."""
    if _KITTY.search(answers):
        return "kitty"
    name = _NAME.search(answers)
    if name and name[1].startswith(_ITERM2_NAMES):
        return "iterm2"
    attributes = _ATTRIBUTES.search(answers)
    return "sixel" if attributes and _SIXEL in attributes[1].split(b";") else None


def _cell_height(terminal: int) -> int:
    """Return the height of a line of text in pixels; a usual one if the terminal does not know it."""
    rows, _, _, height = struct.unpack("4H", fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
    return height // rows if rows and height else _DEFAULT_CELL_HEIGHT
