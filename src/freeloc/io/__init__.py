"""Files, folders, progress and read-ahead: what touches the disk and the terminal."""
