"""Extraction, caching and loading of backbone features."""
