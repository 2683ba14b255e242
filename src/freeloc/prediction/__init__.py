"""Prediction of image files, with results written to a folder or to standard output."""
