"""Object localization from image tags alone."""
