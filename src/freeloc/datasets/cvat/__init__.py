"""Read annotations of CVAT."""
