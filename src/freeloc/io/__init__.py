"""Read and write files, locate standard folders, show progress, and prefetch in threads."""
