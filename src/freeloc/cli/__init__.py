"""The command line: parses options, calls the library and reports errors.

Every command imports its dependencies when it runs, so that ``--help`` responds instantly. This module imports
nothing, so that `main` can also handle a Ctrl-C during the import of the commands.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line, and end the process.

    For an error that the user can fix, one message is printed, and the exit code is 2.
    """
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
    except SystemExit as end:
        from freeloc.cli.interrupts import INTERRUPTED

        if end.code == INTERRUPTED:
            # Threads of torch and OpenVINO may still be computing for the interrupted command. Unloading these
            # libraries then takes seconds, or aborts the process. `run` has flushed the standard streams.
            import os

            os._exit(INTERRUPTED)
        raise
