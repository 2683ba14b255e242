"""Finding, checking and decoding images, and making canvases of them."""
