"""Prediction of score maps, points, peaks and boxes."""
