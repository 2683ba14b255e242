"""Training from tags: recipes, the training loop, checkpoints and run folders."""
