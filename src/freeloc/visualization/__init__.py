"""Overlays, figures, tables and HTML reports.

This package itself exports what draws; a table or report is imported from its module.
"""

from freeloc.visualization.image_files import save_image
from freeloc.visualization.image_grid import draw_grid
from freeloc.visualization.overlay import draw_overlay, draw_panels

__all__ = [
    "draw_grid",
    "draw_overlay",
    "draw_panels",
    "save_image",
]
