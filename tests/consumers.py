"""Programs that read what freeloc writes, in processes of their own, because they require other versions of packages.

``make consumers`` installs them into ``build/consumers``; FREELOC_TEST_CONSUMERS names another folder. A consumer is a
folder of packages, or a virtual environment, which may have another version of Python.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(os.environ.get("FREELOC_TEST_CONSUMERS", Path(__file__).parent.parent / "build" / "consumers"))


def read_with(package: str, script: str, *arguments: object) -> Any:
    """Run a script with a package, and return the JSON that it prints; skip the test if it is not installed."""
    folder = FOLDER / package
    if not folder.is_dir():
        pytest.skip(f"{package} is not installed in {FOLDER}: run make consumers")
    python = folder / "bin" / "python"
    done = subprocess.run(
        [python if python.exists() else sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
