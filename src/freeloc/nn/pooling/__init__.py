"""Poolings: how the scores of all cells become the score of an image, one module per pooling."""
