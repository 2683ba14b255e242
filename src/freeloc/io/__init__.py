"""Reading and writing of files, locations of folders, progress, and work in threads."""
