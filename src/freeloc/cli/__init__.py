"""The command line: parses options, calls the library and reports errors.

Every command imports its dependencies when it runs, so that ``--help`` responds instantly. This module imports
nothing, so that `main` can also handle a Ctrl-C during the import of the commands.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line. For an error that the user can fix, print one message and exit with code 2."""
    try:
        from freeloc.cli.interrupts import end_at_once

        end_at_once()
        from freeloc.cli.program import run

        run()
    except KeyboardInterrupt:
        import sys

        if sys.stderr is not None:
            sys.stderr.write("freeloc: interrupted\n")
        sys.exit(130)
