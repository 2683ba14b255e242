"""Charts contain all points, lines and labels inside the frame."""

from xml.etree import ElementTree as ET

from benchmarks.chart import Series, draw_chart

NAMESPACE = {"svg": "http://www.w3.org/2000/svg"}


def drawn(*series: Series) -> ET.Element:
    return ET.fromstring(draw_chart(series, title="A < B", x_label="ms", y_label="mAP"))


def test_every_choice_is_a_dot_inside_the_frame() -> None:
    points = [(20.0, 80.0), (60.0, 88.5), (700.0, 91.0)]
    root = drawn(Series("lite2", points, [(20.0, 80.0, "0.5"), (700.0, 91.0, "all")]))
    dots = root.findall("svg:circle", NAMESPACE)
    assert len(dots) == 3 + 2 + 1  # choices, frontier, legend
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert all(0 < float(dot.attrib["cx"]) < width and 0 < float(dot.attrib["cy"]) < height for dot in dots)
    xs = [float(dot.attrib["cx"]) for dot in dots[:3]]
    ys = [float(dot.attrib["cy"]) for dot in dots[:3]]
    assert xs == sorted(xs)
    assert ys == sorted(ys, reverse=True)


def test_the_time_axis_is_logarithmic() -> None:
    root = drawn(Series("one", [(10.0, 1.0), (100.0, 1.0), (1000.0, 2.0)], []))
    first, second, third = (float(dot.attrib["cx"]) for dot in root.findall("svg:circle", NAMESPACE)[:3])
    assert abs((second - first) - (third - second)) <= 0.2


def test_text_and_one_line_per_model() -> None:
    root = drawn(
        Series("lite0", [(5.0, 70.0)], [(5.0, 70.0, "0.7, 1.4")]),
        Series("lite2", [(9.0, 75.0)], [(9.0, 75.0, "1")]),
    )
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"A < B", "ms", "mAP", "lite0", "lite2", "0.7, 1.4"} <= set(words)
    assert len(root.findall("svg:polyline", NAMESPACE)) == 2


def test_labels_stay_in_the_frame_and_off_each_other() -> None:
    best = [
        (100.0, 80.0, "0.5, 0.7, 1"),
        (101.0, 80.1, "on top of it"),
        (900.0, 90.0, "0.5, 0.7, 1, 1.4, 2, 2.8"),
    ]
    root = drawn(Series("one", [(ms, value) for ms, value, _ in best], best))
    texts = {text.text: text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert "on top of it" not in texts
    assert float(texts["0.5, 0.7, 1, 1.4, 2, 2.8"].attrib["x"]) < 830 - 5 * len("0.5, 0.7, 1, 1.4, 2, 2.8")
