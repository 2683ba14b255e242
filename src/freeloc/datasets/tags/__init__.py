"""Tag lists as CSV, JSONL or class folders."""
