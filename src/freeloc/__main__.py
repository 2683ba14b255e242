"""Run the command line as ``python -m freeloc``, for example if the ``freeloc`` script is not on PATH."""

from freeloc.cli import main

if __name__ == "__main__":
    main()
