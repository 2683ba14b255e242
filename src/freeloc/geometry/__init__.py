"""Coordinates: sizes, grids, lattices, pyramids, and operations on boxes."""
