"""Predict whole folders of images and write the results."""
