"""Finding, checking and decoding images, and creating canvases from them."""
