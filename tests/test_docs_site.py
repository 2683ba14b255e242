"""The documentation site builds without a warning."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("zensical", reason="the dependency group docs is not installed")
    for folder in ("docs", "src"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.safetensors"))
    for page in ROOT.glob("*.md"):
        shutil.copy(page, tmp_path)
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    build = [sys.executable, str(tmp_path / "docs" / "build_site.py")]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Localizer" in (tmp_path / "build" / "site" / "reference" / "index.html").read_text("utf-8")
