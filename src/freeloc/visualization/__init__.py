"""What a person looks at: pictures of images with their score maps and crosses."""

from freeloc.visualization.evaluation_table import print_evaluation, render_evaluation
from freeloc.visualization.overlay import draw_grid, draw_overlay, draw_panels, save_image

__all__ = [
    "draw_grid",
    "draw_overlay",
    "draw_panels",
    "print_evaluation",
    "render_evaluation",
    "save_image",
]
