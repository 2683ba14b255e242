"""Read Pascal VOC devkits and results files."""
