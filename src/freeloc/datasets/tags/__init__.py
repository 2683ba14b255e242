"""Read tag lists: CSV files, JSONL files or class folders."""
