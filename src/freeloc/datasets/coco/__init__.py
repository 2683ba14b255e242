"""Read COCO instances files."""
