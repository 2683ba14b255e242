"""Model files: headers, weights, names and calibration."""
