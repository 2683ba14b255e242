"""The demo on generated scenes."""
