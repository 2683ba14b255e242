"""Boxes of VOC annotation files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from freeloc.datasets.voc.annotation_xml import read_annotation

SIDES = st.one_of(
    st.integers(1, 5000), st.floats(1, 5000, allow_nan=False).map(lambda value: round(value, 2))
)


@given(st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES), max_size=6))
def test_boxes_round_trip(boxes: list[tuple[float, float, float, float]]) -> None:
    corners = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in boxes]
    root = ET.Element("annotation")
    for values in corners:
        element = ET.SubElement(root, "object")
        ET.SubElement(element, "name").text = "dog"
        box = ET.SubElement(element, "bndbox")
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), values, strict=True):
            ET.SubElement(box, name).text = repr(value)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.xml"
        ET.ElementTree(root).write(file)
        objects = read_annotation(file, boxes=True).objects
    read = [each.corners for each in objects if each.corners is not None]
    back = np.array(read).reshape(-1, 4) + np.array([1, 1, 0, 0])
    np.testing.assert_allclose(back, np.array(corners).reshape(-1, 4), rtol=0, atol=1e-9)
