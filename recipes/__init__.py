"""Recipes that train and describe the pretrained model, and apply it."""
