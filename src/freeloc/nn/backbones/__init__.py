"""Backbones: pretrained feature extractors, found through a registry."""
