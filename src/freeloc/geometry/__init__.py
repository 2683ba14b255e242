"""Image sizes, pyramids, grids and lattices, and operations on boxes."""
