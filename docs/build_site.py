"""Build the documentation site into build/site: ``make docs``.

README, CONTRIBUTING and CHANGELOG are pages of the site as well; their links are adapted to it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "build" / "docs"
TRY_IT = ROOT / "build" / "try-it"  # written by try_it.py
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


def adapt_links(text: str) -> str:
    """Convert links in a page at the repository's root to links of the site."""
    text = text.replace("](docs/", "](")
    for name, site in PAGES.items():
        text = re.sub(rf"\]\((?:\.\./)?{re.escape(name)}(?=[)#])", f"]({site}", text)
    return text


def main() -> None:
    """Collect the pages and build; exit with an error on any warning."""
    shutil.rmtree(SOURCES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCES, ignore=shutil.ignore_patterns("*.py", "*.json", "__pycache__"))
    if TRY_IT.is_dir():
        shutil.copytree(TRY_IT, SOURCES / "try-it", dirs_exist_ok=True)
    else:
        print("The page Try it gets no model: run docs/try_it.py first.")
    for name, site in PAGES.items():
        (SOURCES / site).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    for page in SOURCES.glob("*.md"):
        page.write_text(adapt_links(page.read_text("utf-8")), "utf-8")
    command = [
        sys.executable,
        "-m",
        "zensical",
        "build",
        "--strict",
        "--clean",
        "-f",
        str(ROOT / "mkdocs.yml"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    sys.stdout.write(output)
    # Strict mode does not count warnings of mkdocstrings.
    warnings = [
        line for line in output.splitlines() if re.match(r"(griffe|mkdocstrings|WARNING|warning)\b", line)
    ]
    sys.exit(done.returncode or bool(warnings))


if __name__ == "__main__":
    main()
