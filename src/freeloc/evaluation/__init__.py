"""Evaluation of models and detectors on annotated images."""
