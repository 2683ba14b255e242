"""Scripts that train the pretrained model voc20, write its model card, and apply it to example images."""
