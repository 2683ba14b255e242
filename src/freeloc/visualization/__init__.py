"""Overlays, figures, tables and HTML reports."""

from freeloc.visualization.evaluation_table import print_evaluation, render_evaluation
from freeloc.visualization.image_files import save_image
from freeloc.visualization.image_grid import draw_grid
from freeloc.visualization.overlay import draw_overlay, draw_panels

__all__ = [
    "draw_grid",
    "draw_overlay",
    "draw_panels",
    "print_evaluation",
    "render_evaluation",
    "save_image",
]
