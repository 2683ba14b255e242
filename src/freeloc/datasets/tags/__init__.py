"""Tag lists and class folders."""
