"""``python -m freeloc``: the command line, for when the ``freeloc`` script is not on PATH."""

from freeloc.cli import main

if __name__ == "__main__":
    main()
