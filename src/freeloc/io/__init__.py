"""Reading and writing files, standard folders, progress messages, and prefetching in threads."""
