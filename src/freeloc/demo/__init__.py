"""Demo on generated scenes."""
