"""Poolings, which reduce the scores of all cells to the score of an image; one module per pooling."""
