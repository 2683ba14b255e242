"""Pretraining of AlexNet-like backbones on images with one class each (paper, section 4: layers C1 to C7)."""
