"""Find, check and decode images, and lay them on canvases."""
