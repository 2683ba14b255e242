"""Frozen feature extractors."""
