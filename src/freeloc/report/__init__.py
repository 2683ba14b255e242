"""What a person looks at: pictures of photographs with their score maps and crosses."""

from freeloc.report.overlay import draw_grid, draw_overlay, draw_panels, save_picture
from freeloc.report.table import print_evaluation, render_evaluation

__all__ = [
    "draw_grid",
    "draw_overlay",
    "draw_panels",
    "print_evaluation",
    "render_evaluation",
    "save_picture",
]
