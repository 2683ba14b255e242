"""The demo, which trains and predicts on generated scenes."""
