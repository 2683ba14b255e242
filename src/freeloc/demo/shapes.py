"""The eight everyday things of the generated scenes.

Each varies in its colours, proportions and parts. No class has a colour of its own (a guitar is wooden more
often than not, an airplane whitish every other time): shape, texture and parts tell the classes apart.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from freeloc.demo.drawing import (
    METAL,
    NIGHT,
    WHITE,
    Curve,
    Drawing,
    Inks,
    Pen,
    around,
    ellipse,
    hsv,
    mix,
    shifted,
    smooth,
)

__all__ = ["THINGS"]


def _airplane(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    body = WHITE if rng.random() < 0.5 else mix(ink.second, WHITE, 0.45)
    metal = mix(METAL, ink.main, rng.uniform(0.0, 0.5))
    t, sweep, tail = rng.uniform(0.12, 0.17), rng.uniform(0.25, 0.5), rng.uniform(0.42, 0.6)
    back = [(0.98, 0.02), (0.88, -0.6 * t), (0.65, -t), (-0.4, -t), (-0.96, -0.8 * t)]
    hull = smooth([*back, (-0.6, 0.5 * t), (-0.2, t), (0.7, t), (0.9, 0.75 * t)])
    pen.fill([(0.22, -0.6 * t), (-0.06, -0.6 * t), (-0.1 - sweep, -0.52), (0.03 - sweep, -0.52)], metal)
    fin = np.array([(-0.98, -tail - t), (-0.76, -tail - t), (-0.45, -0.8 * t), (-0.9, -0.6 * t)])
    pen.fill(fin, ink.main)
    if rng.random() < 0.6:
        with pen.inside(fin):
            pen.box(-1, -0.7 * tail - t, 0, -0.35 * tail - t, ink.second)
    pen.fill(hull, body)
    with pen.inside(hull):
        if rng.random() < 0.5:
            pen.box(-1, 0.25 * t, 1, 1, mix(body, ink.main, 0.8))
        else:
            pen.stroke([(-1, 0.45 * t), (1, 0.45 * t)], 0.05, ink.main)
        pen.fill([(0.74, -0.85 * t), (0.86, -0.85 * t), (0.94, -0.1 * t), (0.78, -0.1 * t)], NIGHT)
    for x in np.arange(-0.62, 0.66, rng.uniform(0.09, 0.13)):
        pen.stroke([(x, -0.28 * t), (x, -0.22 * t)], 0.05, mix(NIGHT, ink.main, 0.3))
    pen.fill([(-0.62, -0.1 * t), (-0.8, -0.1 * t), (-0.99, 0.14), (-0.88, 0.14)], metal)
    e = -0.02 - 0.35 * sweep
    pen.fill(smooth([(e + 0.2, 0.22), (e + 0.18, 0.34), (e - 0.12, 0.32), (e - 0.12, 0.22)]), ink.main)
    pen.dot(e + 0.2, 0.28, 0.025, NIGHT, 0.06)
    pen.fill([(0.24, 0.35 * t), (-0.12, 0.35 * t), (-0.2 - sweep, 0.62), (-0.02 - sweep, 0.62)], metal)
    pen.stroke([(0.2, 0.35 * t), (-0.03 - sweep, 0.61)], 0.02, mix(metal, WHITE, 0.7))


_UPPER_WING = np.array(
    [(0.03, -0.1), (0.3, -0.6), (0.68, -0.82), (0.95, -0.72), (0.9, -0.3), (0.55, 0.0), (0.05, 0.1)]
)
_LOWER_WING = np.array(
    [(0.04, 0.0), (0.5, 0.02), (0.76, 0.22), (0.72, 0.58), (0.46, 0.82), (0.22, 0.6), (0.04, 0.25)]
)


def _butterfly(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    border = mix(NIGHT, ink.dark, rng.random())
    jitter = rng.uniform(-0.06, 0.06, (2, 7, 2))
    wings = (
        (smooth(_LOWER_WING + jitter[0]), mix(ink.main, ink.second, 0.35)),
        (smooth(_UPPER_WING + jitter[1]), ink.main),
    )
    eyes, bands, pearls = rng.random() < 0.5, rng.random() < 0.5, int(rng.integers(3, 6))
    for flank in (1.0, -1.0):
        sided = np.array([flank, 1.0])
        for wing, tint in wings:
            pen.fill(wing * sided, border)
            inner = around(wing, 0.78) * sided
            pen.fill(inner, tint)
            with pen.inside(inner):
                if bands:
                    pen.fill(around(wing, 0.42) * sided, ink.second)
                for corner in wing[8:48:8]:
                    pen.stroke(np.stack(([0.0, 0.05], corner * sided)), 0.028, border)
            x, y = shifted(wing, 0.1, 0.0).mean(axis=0).tolist()
            if eyes:
                pen.dot(x * flank, y, 0.11, border)
                pen.dot(x * flank, y, 0.065, ink.accent)
            for x, y in around(wing, 0.89)[14 : 14 + 5 * pearls : 5].tolist():
                pen.dot(x * flank, y, 0.032, WHITE)
        pen.stroke(smooth([(0.01, -0.3), (0.1, -0.6), (0.24, -0.78)], closed=False) * sided, 0.025, border)
        pen.dot(0.24 * flank, -0.78, 0.035, border)
    pen.dot(0, 0.08, 0.065, border, 0.42)
    pen.dot(0, -0.3, 0.075, border)
    for y in np.arange(-0.05, 0.45, 0.12):
        pen.stroke([(-0.045, y), (0.045, y)], 0.02, mix(border, ink.accent, 0.5))


def _hand(hours: float, length: float) -> Curve:
    angle = hours * math.tau / 12
    return np.array([math.sin(angle), -math.cos(angle)]) * length


def _bells(pen: Pen, ink: Inks) -> None:
    bell = np.array([(0.2, -0.62), (0.36, -0.92), (0.66, -0.84), (0.78, -0.42)])
    for flank in (-1, 1):
        pen.stroke([(0.4 * flank, 0.67), (0.58 * flank, 0.95)], 0.11, ink.dark)
        pen.fill(smooth(bell * [flank, 1]), ink.accent if ink.second == WHITE else ink.second)
    pen.stroke([(-0.16, -0.72), (-0.16, -0.94), (0.16, -0.94), (0.16, -0.72)], 0.06, METAL)


def _clock(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    alarm, square = rng.random() < 0.5, rng.random() < 0.3
    middle, radius = (np.array([0.0, 0.12]), 0.74) if alarm else (np.zeros(2), 0.95)
    if alarm:
        _bells(pen, ink)
    rim = ellipse(0, 0, radius, radius)
    if square and not alarm:
        # A superellipse: the square with round corners of a kitchen clock.
        rim *= 0.85 * radius / np.sum(np.abs(rim) ** 5, axis=1, keepdims=True) ** 0.2
    dark_face = rng.random() < 0.2
    face = mix(NIGHT, ink.main, 0.15) if dark_face else mix(WHITE, ink.second, rng.uniform(0, 0.25))
    marks = WHITE if dark_face else NIGHT
    pen.fill(rim + middle, ink.main)
    pen.fill(rim * 0.9 + middle, ink.dark)
    pen.fill(rim * rng.uniform(0.8, 0.86) + middle, face)
    dots = rng.random() < 0.35
    for hour in range(12):
        quarter = hour % 3 == 0
        if dots:
            x, y = (_hand(hour, 0.66 * radius) + middle).tolist()
            pen.dot(x, y, 0.085 if quarter else 0.055, marks)
        else:
            tick = np.stack((_hand(hour, (0.52 if quarter else 0.6) * radius), _hand(hour, 0.7 * radius)))
            pen.stroke(tick + middle, 0.075 if quarter else 0.035, marks)
    time = rng.uniform(0, 12)
    hands = ((time, 0.38, 0.09, marks), (12 * time, 0.58, 0.06, marks), (60 * time, 0.62, 0.03, ink.accent))
    for hours, length, width, colour in hands:
        tip = _hand(hours, length * radius)
        pen.stroke(np.stack((-0.2 * tip, tip)) + middle, width, colour)
    pen.dot(0, float(middle[1]), 0.07, ink.accent)


def _fins(pen: Pen, high: float, fork: float, fin: tuple[int, int, int], ray: tuple[int, int, int]) -> None:
    tail = [(-0.42, 0.0), (-0.7, -0.25), (-0.98, -fork), (-0.86, 0.0), (-0.98, fork), (-0.7, 0.25)]
    crest = [(0.45, -0.7 * high), (0.15, -high - 0.3), (-0.15, -high - 0.18), (-0.3, -0.6 * high)]
    belly = [(0.2, 0.8 * high), (-0.02, high + 0.24), (-0.2, high + 0.1), (-0.2, 0.6 * high)]
    for corners, start, end in (
        (tail, np.array([-0.4, 0.0]), np.array([-1.2, 0.0])),
        (crest, np.array([0.05, 0.0]), np.array([-0.1, -1.2])),
        (belly, np.array([0.05, 0.0]), np.array([-0.1, 1.2])),
    ):
        shape = smooth(corners)
        pen.fill(shape, fin)
        across = np.array([0.0, 1.2]) if corners is tail else np.array([0.6, 0.0])
        with pen.inside(shape):
            for spread in np.linspace(-1, 1, 11):
                pen.stroke(np.stack((start, end + spread * across)), 0.02, ray)


def _fish(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    high = rng.uniform(0.36, 0.6)
    fin = mix(ink.main, ink.accent, rng.uniform(0.2, 0.8))
    _fins(pen, high, rng.uniform(0.32, 0.5), fin, mix(fin, ink.dark, 0.45))
    along = np.linspace(0, 1, 20)
    back = np.stack(
        (0.95 - 1.45 * along, -high * np.sin(math.pi * along**0.8) ** 0.75 - 0.07 * along), axis=1
    )
    body = np.concatenate((back, back[::-1] * [1, -0.92]))
    pen.fill(body, ink.main)
    with pen.inside(body):
        pen.fill(shifted(body * [1, 0.55], 0, 0.62 * high), mix(ink.main, WHITE, 0.5))
        if rng.random() < 0.5:
            width = rng.uniform(0.13, 0.18)
            for x in np.linspace(0.28, -0.42, int(rng.integers(2, 5))):
                bow = smooth([(x, -1), (x + 0.08, 0), (x, 1)], closed=False)
                pen.stroke(bow, width, NIGHT)
                pen.stroke(bow, width - 0.06, ink.second)
        else:
            scale = ellipse(0, 0, 0.09, 0.085, 0.6 * math.pi, 1.4 * math.pi)[::6]
            for row, y in enumerate(np.arange(-0.6, 0.61, 0.15)):
                for x in np.arange(-0.6 + 0.085 * (row % 2), 0.4, 0.17):
                    pen.stroke(shifted(scale, x, y), 0.028, mix(ink.main, ink.dark, 0.4))
    pen.stroke(ellipse(0.42, 0, 0.13, 0.62 * high, -0.4 * math.pi, 0.4 * math.pi), 0.035, ink.dark)
    pen.fill(smooth([(0.3, 0.05), (0.02, 0.02), (-0.08, 0.22), (0.12, 0.24)]), fin)
    pen.dot(0.64, -0.1, 0.1, WHITE)
    pen.dot(0.66, -0.1, 0.055, NIGHT)
    pen.stroke(smooth([(0.93, 0.08), (0.86, 0.12), (0.78, 0.11)], closed=False), 0.03, ink.dark)


def _guitar_outline(rng: np.random.Generator, electric: bool) -> Curve:
    low, waist, high = rng.uniform(0.44, 0.54), rng.uniform(0.26, 0.33), rng.uniform(0.33, 0.42)
    if electric:
        half = [(0.06, 0.06), (0.17, 0.04), (high + 0.02, -0.14), (high - 0.03, 0.12)]
    else:
        half = [(0.07, -0.06), (0.7 * high, -0.05), (high, 0.1)]
    half += [(waist, 0.31), (0.93 * low, 0.5), (low, 0.68), (0.82 * low, 0.88), (0.42 * low, 0.98)]
    cutaway = rng.uniform(0.75, 1.0)
    return smooth([*half, (0.0, 1.0), *((-x * (cutaway if y < 0.2 else 1), y) for x, y in reversed(half))])


def _guitar(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    electric = rng.random() < 0.35
    wood = hsv(rng.uniform(0.04, 0.11), rng.uniform(0.5, 0.85), rng.uniform(0.55, 0.95))
    top = ink.main if electric or rng.random() < 0.35 else wood
    board = hsv(0.06, rng.uniform(0.3, 0.6), rng.uniform(0.2, 0.4))
    body = _guitar_outline(rng, electric)
    pen.fill(body, mix(top, NIGHT, 0.6))
    pen.fill(around(body, 0.93), mix(top, NIGHT, 0.25))
    pen.fill(around(body, 0.76), top)
    if electric or rng.random() < 0.4:
        guard = [(0.1, 0.2), (0.28, 0.16), (0.2, 0.36), (0.26, 0.6), (0.1, 0.6)]
        pen.fill(smooth(guard), WHITE if electric else board)
    if electric:
        for y in (0.3, 0.48):
            pen.stroke([(-0.13, y), (0.13, y)], 0.085, NIGHT)
        pen.dot(0.24, 0.74, 0.045, METAL)
        pen.dot(0.15, 0.82, 0.045, METAL)
    else:
        with pen.inside(around(body, 0.76)):
            for x in np.linspace(-0.4, 0.4, 9):
                pen.stroke([(x, -0.2), (x + 0.03, 1)], 0.012, mix(top, NIGHT, 0.13))
        pen.dot(0, 0.26, 0.16, mix(WHITE, top, 0.3))
        pen.dot(0, 0.26, 0.13, NIGHT)
    pen.stroke([(-0.15, 0.7), (0.15, 0.7)], 0.07, METAL if electric else board)
    neck = 0.2 if electric else 0.13
    pen.fill([(-0.055, -0.74), (0.055, -0.74), (0.07, neck), (-0.07, neck)], board)
    for fret in np.linspace(-0.68, neck - 0.04, 10):
        pen.stroke([(-0.055, fret), (0.055, fret)], 0.014, METAL)
    for y in (-0.95, -0.87, -0.79):
        pen.stroke([(-0.16, y), (0.16, y)], 0.045, METAL)
    head = [(-0.06, -0.72), (-0.11, -0.8), (-0.1, -1), (0.1, -1), (0.11, -0.8), (0.06, -0.72)]
    pen.fill(head, top if electric else mix(board, top, 0.3))
    for x in (-0.036, -0.012, 0.012, 0.036):
        pen.stroke([(x, -0.9), (1.4 * x, 0.69)], 0.008, WHITE)


_HEART_SIDE = np.array([(0.06, -0.22), (0.22, -0.24), (0.3, -0.02)])
_HEART = smooth(np.concatenate(([(0, -0.1)], _HEART_SIDE, [(0, 0.3)], _HEART_SIDE[::-1] * [-1, 1])))


def _glaze(pen: Pen, rng: np.random.Generator, ink: Inks, x: float, y: float) -> None:
    kind = int(rng.integers(5))
    if kind == 0:
        for band in np.linspace(-0.45, 0.45, int(rng.integers(2, 5))):
            pen.stroke(ellipse(x, y + band - 0.1, 0.8, 0.16, 0, math.pi), 0.11, ink.second)
    elif kind == 1:
        for row, band in enumerate(np.linspace(-0.5, 0.5, 5)):
            for column in np.linspace(-0.6, 0.6, 6):
                pen.dot(x + column + 0.12 * (row % 2), y + band, 0.07, ink.second)
    elif kind == 2:
        pen.fill(shifted(_HEART, x, y), ink.second)
    elif kind == 3:
        zigzag = np.stack((np.linspace(-0.8, 0.8, 13), 0.1 * np.resize([-1.0, 1.0], 13)), axis=1)
        pen.stroke(shifted(zigzag, x, y - 0.3), 0.09, ink.second)
        pen.stroke(shifted(zigzag, x, y + 0.1), 0.09, ink.accent)
    else:
        pen.box(-1, y - 0.1, 1, 1.5, ink.second)


def _mug(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    wide, taper = rng.uniform(0.5, 0.6), rng.uniform(0.78, 1.0)
    top, bottom, lip, x = -rng.uniform(0.55, 0.8), 0.78, rng.uniform(0.12, 0.2), -0.2
    if rng.random() < 0.35:
        pen.dot(x + 0.1, bottom + 0.02, 0.86, mix(ink.second, NIGHT, 0.25), 0.19)
        pen.dot(x + 0.1, bottom - 0.02, 0.84, ink.second, 0.17)
    handle = ellipse(x + 0.95 * wide, 0.08, rng.uniform(0.36, 0.46), rng.uniform(0.32, 0.42), -1.5, 1.5)
    pen.stroke(handle, 0.17, mix(ink.main, ink.dark, 0.35))
    pen.stroke(handle, 0.11, ink.main)
    foot = ellipse(x, bottom, wide * taper, lip, 0, math.pi)
    wall = np.concatenate((ellipse(x, top, wide, lip, math.pi, 0), foot))
    pen.fill(wall, ink.main)
    with pen.inside(wall):
        shine, shade = mix(ink.main, WHITE, 0.55), mix(ink.main, ink.dark, 0.28)
        pen.fill([(-1, -1), (x - 0.7 * wide, -1), (x - 0.7 * wide * taper, 1.2), (-1, 1.2)], shade)
        _glaze(pen, rng, ink, x, (top + bottom) / 2 + 0.1)
        pen.stroke([(x + 0.7 * wide, top), (x + 0.7 * wide * taper, bottom)], 0.07, shine)
    pen.dot(x, top, wide, mix(ink.main, WHITE, 0.5), lip)
    hollow = ellipse(x, top, wide - 0.05, lip - 0.035)
    pen.fill(hollow, mix(ink.main, ink.dark, 0.6))
    with pen.inside(hollow):
        drink = hsv(rng.uniform(0.04, 0.1), rng.uniform(0.45, 0.8), rng.uniform(0.3, 0.7))
        pen.fill(shifted(hollow, 0, 0.06), drink)


def _sails(pen: Pen, rng: np.random.Generator, ink: Inks, mast: float) -> None:
    boom, style = rng.uniform(0.3, 0.4), int(rng.integers(3))
    fore = [(mast + 0.05, -0.9), (mast + 0.32, -0.42), (mast + 0.62, 0.05), (0.82, boom)]
    aft = [(mast - 0.06, -0.72), (mast - 0.28, -0.3), (mast - 0.5, 0.02), (-0.8, boom - 0.02)]
    cloth = (WHITE, ink.main) if rng.random() < 0.5 else (mix(ink.second, WHITE, 0.3), WHITE)
    for leech, tint in zip((fore, aft), cloth, strict=True):
        foot = (leech[0][0], boom)
        sail = np.concatenate((smooth(leech, closed=False), [foot]))
        seam = mix(tint, NIGHT, 0.22)
        pen.fill(sail, tint)
        with pen.inside(sail):
            for y in np.linspace(-0.6, 0.2, 4):
                if style == 0:
                    pen.stroke([(-1, y + 0.1), (1, y - 0.02)], 0.1, ink.accent)
                pen.stroke([(-1, y), (1, y + 0.06)], 0.018, seam)
            if style == 1:
                pen.box(-1, 0.0, 1, 1, ink.second if tint == ink.main else ink.main)
        pen.stroke([foot, leech[-1]], 0.03, seam)


def _sailboat(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    deck, mast = 0.48, rng.uniform(-0.12, 0.12)
    bow, keel = rng.uniform(0.85, 0.98), rng.uniform(0.82, 0.96)
    pen.stroke([(mast, 0.6), (mast, -0.93)], 0.05, hsv(0.08, 0.5, 0.5))
    _sails(pen, rng, ink, mast)
    if rng.random() < 0.6:
        pen.fill([(mast, -0.97), (mast - 0.26, -0.89), (mast, -0.8)], ink.accent)
    if rng.random() < 0.5:
        cabin = [(-0.42, deck), (-0.34, deck - 0.12), (0.3, deck - 0.12), (0.42, deck)]
        pen.fill(cabin, mix(WHITE, ink.second, 0.4))
    planks = [(-0.84, deck - 0.03), (0.0, deck + 0.02), (bow, deck - 0.08), (0.7, keel - 0.12)]
    hull = smooth([*planks, (0.45, keel), (-0.5, keel), (-0.76, keel - 0.14)])
    pen.fill(hull, ink.main)
    with pen.inside(hull):
        pen.box(-1, keel - 0.13, 1, 1, ink.dark)
        pen.stroke([(-1, deck + 0.09), (1, deck + 0.05)], 0.06, ink.second)
        for x in np.linspace(-0.45, 0.4, int(rng.integers(3, 6))):
            pen.dot(x, deck + 0.21, 0.045, mix(WHITE, ink.second, 0.3))


def _umbrella(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    high, rim, panels = rng.uniform(0.68, 0.9), rng.uniform(0.0, 0.1), int(rng.integers(5, 9))
    handle = ink.accent if rng.random() < 0.4 else hsv(0.07, 0.6, rng.uniform(0.35, 0.6))
    pen.stroke([(0, rim - high - 0.08), (0, 0.72)], 0.05, METAL)
    crook = ellipse(-0.13, 0.78, 0.13, 0.16, 0, rng.uniform(0.9, 1.2) * math.pi)
    pen.stroke(np.concatenate(([(0.0, 0.5)], crook)), 0.09, handle)
    plain = rng.random() < 0.25
    pen.fill(ellipse(0, rim, 0.96, 0.12, math.pi, math.tau), mix(ink.main, NIGHT, 0.65))
    sag, bow = np.linspace(0, math.pi / 2, 12), np.linspace(0, 1, 9)
    seams = np.sin(np.linspace(-math.pi / 2, math.pi / 2, panels + 1))
    for panel, (left, right) in enumerate(pairwise(seams.tolist())):
        sides = [np.stack((seam * np.sin(sag), rim - high * np.cos(sag)), axis=1) for seam in (left, right)]
        wide = right - left
        scallop = np.stack((left + wide * bow, rim - 0.42 * wide * bow * (1 - bow)), axis=1)
        tint = ink.second if panel % 2 and not plain else ink.main
        shade = 0.08 + 0.16 * (panel % 2) if plain else 0.05
        pen.fill(np.concatenate((sides[0], scallop, sides[1][::-1])), mix(tint, ink.dark, shade))
        pen.stroke(sides[1], 0.018, mix(ink.main, ink.dark, 0.5))
    if rng.random() < 0.4:
        pen.stroke(ellipse(0, rim, 0.86, high * 0.72, 1.08 * math.pi, 1.92 * math.pi), 0.05, ink.accent)
    pen.dot(0, rim - high, 0.06, ink.dark, 0.04)


THINGS: dict[str, tuple[Drawing, float]] = {
    "airplane": (_airplane, 0.5),
    "butterfly": (_butterfly, 0.7),
    "clock": (_clock, 0.25),
    "fish": (_fish, 0.5),
    "guitar": (_guitar, 1.0),
    "mug": (_mug, 0.25),
    "sailboat": (_sailboat, 0.25),
    "umbrella": (_umbrella, 0.6),
}
"""Class name to its drawing and to how far it may lean either way, in radians."""
