"""Look for what will hurt a model although the dataset can be read: findings, not problems."""
