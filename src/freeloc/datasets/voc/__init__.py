"""Pascal VOC devkits."""
