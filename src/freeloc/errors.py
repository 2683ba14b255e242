"""The one exception that carries a message for the user.

Every mistake a user can make ends in a `FreelocError` whose text is one clear sentence that names the file
or option and the mend. The command line prints it and exits with code 2; library callers catch it.
"""

from __future__ import annotations

from typing import get_args

__all__ = ["FreelocError", "check_choice"]


class FreelocError(Exception):
    """A mistake the user can mend: the message names what is wrong, where, and what to do about it."""


def check_choice(option: str, value: str, choices: object) -> None:
    """Refuse a value that is not one of a ``Literal``'s choices.

    Args:
        option: what the message calls the option.
        value: what was given.
        choices: the ``Literal`` type.

    Raises:
        FreelocError: ``value`` is none of the choices.
    """
    known = get_args(choices)
    if value not in known:
        raise FreelocError(f"{option} is {value!r}: give one of {', '.join(map(str, known))}")
