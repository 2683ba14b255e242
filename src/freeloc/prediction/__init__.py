"""Run a model on image files and write the results to a folder or to standard output."""
