"""Network parts: head, pooling, loss and backbones."""
