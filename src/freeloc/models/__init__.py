"""Model files: header, weights, names and calibration."""
