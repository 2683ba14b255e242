"""What is done to a trained model: calibrate, quantize, release."""
