"""Read exports of Label Studio."""
