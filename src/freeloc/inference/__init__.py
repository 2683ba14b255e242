"""From images to score maps, points, peaks and boxes."""
