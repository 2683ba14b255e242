"""Operations on trained models: calibration, quantization and release."""
