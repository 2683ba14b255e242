"""The one exception that carries a message for the user.

Every mistake a user can make ends in a `FreelocError` whose text is one clear sentence that names the file
or option and the mend. The command line prints it and exits with code 2; library callers catch it.
"""

__all__ = ["FreelocError"]


class FreelocError(Exception):
    """A mistake the user can mend: the message names what is wrong, where, and what to do about it."""
