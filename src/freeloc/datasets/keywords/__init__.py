"""The dataset format for keywords that photo managers store in images and in XMP sidecars."""
