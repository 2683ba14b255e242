"""Images through the network: score maps, points, peaks and boxes."""
