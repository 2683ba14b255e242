"""Draw shapes on images, text as in a terminal, and web pages, for the pictures of the documentation."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

from freeloc.geometry.box import Box
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image
from freeloc.inference.result import ClassLocation
from freeloc.visualization import draw_grid
from freeloc.visualization.labels import add_caption, draw_class_names
from freeloc.visualization.markers import draw_boxes, draw_point
from freeloc.visualization.palette import PREDICTED_BOX
from freeloc.visualization.panel_layout import PanelLayout

PANEL_HEIGHT = 290
COLUMNS = 88
"""Width of the terminal."""

MAX_BYTES = 60_000
"""Maximum size of a picture."""


def named_point(name: str, x: float, y: float) -> ClassLocation:
    """Return a point with the name of its class."""
    return ClassLocation(name, score=0.0, probability=1.0, x=x, y=y, response=1.0)


@dataclass
class Shapes:
    """What a program has read about one image, in pixels of the image."""

    image: Path
    tags: Sequence[str] = ()
    boxes: list[Box] = field(default_factory=list)
    points: list[ClassLocation] = field(default_factory=list)
    names: list[ClassLocation] = field(default_factory=list)
    """Names that are drawn without a point."""
    polygons: list[list[tuple[float, float]]] = field(default_factory=list)

    @cached_property
    def size(self) -> Size:
        """Width and height of the image."""
        with Image.open(self.image) as image:
            return Size(*image.size)

    def add_box(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """Add a box by its edges."""
        self.boxes.append(Box(x1, y1, x2, y2, score=1.0))

    def draw(self) -> Image.Image:
        """Draw everything on the image, with the tags below it."""
        layout = PanelLayout.fit(self.size, PANEL_HEIGHT)
        panel = Image.fromarray(load_image(self.image)).resize(
            (layout.panel.width, layout.panel.height), Image.Resampling.LANCZOS
        )
        if self.polygons:
            mask = Image.new("L", panel.size)
            for polygon in self.polygons:
                corners = [layout.to_panel(*corner) for corner in polygon]
                ImageDraw.Draw(mask).polygon(corners, fill=110, outline=255, width=2)
            panel.paste(PREDICTED_BOX, (0, 0), mask)
        draw_boxes(panel, layout, self.boxes, PREDICTED_BOX)
        for point in self.points:
            draw_point(panel, layout, point.x, point.y)
        draw_class_names(panel, layout, [*self.points, *self.names])
        return add_caption(panel, self.image.name, ", ".join(self.tags))


def save_images(panels: Iterable[Shapes], target: Path) -> None:
    """Draw images side by side."""
    drawn = [each.draw() for each in panels]
    save_jpeg(draw_grid(drawn, columns=len(drawn)), target)


def save_jpeg(image: Image.Image, target: Path) -> None:
    """Save an image in the best quality that is small enough."""
    for quality in range(85, 40, -5):
        image.convert("RGB").save(target, quality=quality, optimize=True)
        if target.stat().st_size < MAX_BYTES:
            return
    raise SystemExit(f"{target} is too large")


def save_terminal(text: str, target: Path, columns: int = COLUMNS) -> None:
    """Save text as a terminal of a number of columns shows it.

    Lines that start with ``$`` are commands, and so are lines that continue them after a backslash.
    """
    width, step = 8.4, 20
    rows: list[str] = []
    number, is_command = 0, False
    for line in text.splitlines():
        is_command = line.startswith("$ ") or is_command
        for part in textwrap.wrap(line, columns, drop_whitespace=False) or [""]:
            style = ' class="c"' if is_command else ""
            place = f'x="14" y="{28 + step * number}" textLength="{width * len(part):.1f}"'
            if part.strip():
                rows.append(f"<text {place}{style}>{escape(part, quote=False)}</text>")
            number += 1
        is_command = is_command and line.endswith("\\")
    right, bottom = f"{28 + width * columns:.0f}", 28 + step * number
    style = (
        "rect{fill:#16161b}text{fill:#f0f0f3;font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        "white-space:pre}.c{fill:#ffe119}"
    )
    target.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right}" height="{bottom}" '
        f'viewBox="0 0 {right} {bottom}"><style>{style}</style>'
        '<rect width="100%" height="100%" rx="6"/>\n' + "\n".join(rows) + "\n</svg>\n",
        "utf-8",
    )


def save_page(page: Path, target: Path, width: int, height: int) -> None:
    """Save what Chromium shows of a page, without the empty space below and beside it."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise SystemExit("Chromium is not installed")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "page.png"
        flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
        size = f"--window-size={width},{height}"
        subprocess.run(
            [browser, *flags, size, "--virtual-time-budget=4000", f"--screenshot={shot}", page.as_uri()],
            capture_output=True,
            check=True,
        )
        with Image.open(shot) as opened:
            image = opened.convert("RGB")
    empty = Image.new("RGB", image.size, image.getpixel((image.width - 1, image.height - 1)))
    *_, right, bottom = ImageChops.difference(image, empty).getbbox() or (0, 0, *image.size)
    save_jpeg(image.crop((0, 0, min(right + 16, width), min(bottom + 16, height))), target)
