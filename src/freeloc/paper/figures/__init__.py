"""Figures of the reproduction, drawn from plain data as matplotlib figures (extra ``reproduce``)."""
