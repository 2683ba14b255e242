"""Training from tags: recipes, the loop, checkpoints and run folders."""
