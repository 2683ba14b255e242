"""Backbone features: extracted, cached and read back."""
