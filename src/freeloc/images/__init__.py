"""Find, check and decode images, and make canvases from them."""
