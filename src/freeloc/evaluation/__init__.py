"""Measure models on annotated images."""
