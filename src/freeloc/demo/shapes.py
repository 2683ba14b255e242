"""Drawings of the eight object classes in the generated scenes.

The colors, proportions and parts of each object vary. Classes differ in shape, texture and parts. Color does not
identify a class, although most guitars are wooden and half of the airplanes are nearly white.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from freeloc.demo.drawing import (
    CHARCOAL,
    METAL,
    WHITE,
    ColorScheme,
    Curve,
    Drawing,
    Painter,
    ellipse,
    hsv,
    mix,
    scaled,
    shifted,
    smooth,
)

__all__ = ["OBJECTS"]


def _airplane(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    body = WHITE if rng.random() < 0.5 else mix(colors.second, WHITE, 0.45)
    metal = mix(METAL, colors.main, rng.uniform(0.0, 0.5))
    t, sweep, tail = rng.uniform(0.12, 0.17), rng.uniform(0.25, 0.5), rng.uniform(0.42, 0.6)
    back = [(0.98, 0.02), (0.88, -0.6 * t), (0.65, -t), (-0.4, -t), (-0.96, -0.8 * t)]
    hull = smooth([*back, (-0.6, 0.5 * t), (-0.2, t), (0.7, t), (0.9, 0.75 * t)])
    painter.fill([(0.22, -0.6 * t), (-0.06, -0.6 * t), (-0.1 - sweep, -0.52), (0.03 - sweep, -0.52)], metal)
    fin = np.array([(-0.98, -tail - t), (-0.76, -tail - t), (-0.45, -0.8 * t), (-0.9, -0.6 * t)])
    painter.fill(fin, colors.main)
    if rng.random() < 0.6:
        with painter.clip(fin):
            painter.box(-1, -0.7 * tail - t, 0, -0.35 * tail - t, colors.second)
    painter.fill(hull, body)
    with painter.clip(hull):
        if rng.random() < 0.5:
            painter.box(-1, 0.25 * t, 1, 1, mix(body, colors.main, 0.8))
        else:
            painter.stroke([(-1, 0.45 * t), (1, 0.45 * t)], 0.05, colors.main)
        painter.fill([(0.74, -0.85 * t), (0.86, -0.85 * t), (0.94, -0.1 * t), (0.78, -0.1 * t)], CHARCOAL)
    for x in np.arange(-0.62, 0.66, rng.uniform(0.09, 0.13)):
        painter.stroke([(x, -0.28 * t), (x, -0.22 * t)], 0.05, mix(CHARCOAL, colors.main, 0.3))
    painter.fill([(-0.62, -0.1 * t), (-0.8, -0.1 * t), (-0.99, 0.14), (-0.88, 0.14)], metal)
    e = -0.02 - 0.35 * sweep
    painter.fill(smooth([(e + 0.2, 0.22), (e + 0.18, 0.34), (e - 0.12, 0.32), (e - 0.12, 0.22)]), colors.main)
    painter.dot(e + 0.2, 0.28, 0.025, CHARCOAL, 0.06)
    painter.fill([(0.24, 0.35 * t), (-0.12, 0.35 * t), (-0.2 - sweep, 0.62), (-0.02 - sweep, 0.62)], metal)
    painter.stroke([(0.2, 0.35 * t), (-0.03 - sweep, 0.61)], 0.02, mix(metal, WHITE, 0.7))


_UPPER_WING = np.array(
    [(0.03, -0.1), (0.3, -0.6), (0.68, -0.82), (0.95, -0.72), (0.9, -0.3), (0.55, 0.0), (0.05, 0.1)]
)
_LOWER_WING = np.array(
    [(0.04, 0.0), (0.5, 0.02), (0.76, 0.22), (0.72, 0.58), (0.46, 0.82), (0.22, 0.6), (0.04, 0.25)]
)


def _butterfly(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    border = mix(CHARCOAL, colors.dark, rng.random())
    jitter = rng.uniform(-0.06, 0.06, (2, 7, 2))
    wings = (
        (smooth(_LOWER_WING + jitter[0]), mix(colors.main, colors.second, 0.35)),
        (smooth(_UPPER_WING + jitter[1]), colors.main),
    )
    eyes, bands, pearls = rng.random() < 0.5, rng.random() < 0.5, int(rng.integers(3, 6))
    for flank in (1.0, -1.0):
        sided = np.array([flank, 1.0])
        for wing, tint in wings:
            painter.fill(wing * sided, border)
            inner = scaled(wing, 0.78) * sided
            painter.fill(inner, tint)
            with painter.clip(inner):
                if bands:
                    painter.fill(scaled(wing, 0.42) * sided, colors.second)
                for corner in wing[8:48:8]:
                    painter.stroke(np.stack(([0.0, 0.05], corner * sided)), 0.028, border)
            x, y = shifted(wing, 0.1, 0.0).mean(axis=0).tolist()
            if eyes:
                painter.dot(x * flank, y, 0.11, border)
                painter.dot(x * flank, y, 0.065, colors.accent)
            for x, y in scaled(wing, 0.89)[14 : 14 + 5 * pearls : 5].tolist():
                painter.dot(x * flank, y, 0.032, WHITE)
        painter.stroke(
            smooth([(0.01, -0.3), (0.1, -0.6), (0.24, -0.78)], closed=False) * sided, 0.025, border
        )
        painter.dot(0.24 * flank, -0.78, 0.035, border)
    painter.dot(0, 0.08, 0.065, border, 0.42)
    painter.dot(0, -0.3, 0.075, border)
    for y in np.arange(-0.05, 0.45, 0.12):
        painter.stroke([(-0.045, y), (0.045, y)], 0.02, mix(border, colors.accent, 0.5))


def _hand(hours: float, length: float) -> Curve:
    angle = hours * math.tau / 12
    return np.array([math.sin(angle), -math.cos(angle)]) * length


def _bells(painter: Painter, colors: ColorScheme) -> None:
    bell = np.array([(0.2, -0.62), (0.36, -0.92), (0.66, -0.84), (0.78, -0.42)])
    for flank in (-1, 1):
        painter.stroke([(0.4 * flank, 0.67), (0.58 * flank, 0.95)], 0.11, colors.dark)
        painter.fill(smooth(bell * [flank, 1]), colors.accent if colors.second == WHITE else colors.second)
    painter.stroke([(-0.16, -0.72), (-0.16, -0.94), (0.16, -0.94), (0.16, -0.72)], 0.06, METAL)


def _clock(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    alarm, square = rng.random() < 0.5, rng.random() < 0.3
    center, radius = (np.array([0.0, 0.12]), 0.74) if alarm else (np.zeros(2), 0.95)
    if alarm:
        _bells(painter, colors)
    rim = ellipse(0, 0, radius, radius)
    if square and not alarm:
        # A superellipse: a square with rounded corners, like some kitchen clocks.
        rim *= 0.85 * radius / np.sum(np.abs(rim) ** 5, axis=1, keepdims=True) ** 0.2
    dark_face = rng.random() < 0.2
    face = mix(CHARCOAL, colors.main, 0.15) if dark_face else mix(WHITE, colors.second, rng.uniform(0, 0.25))
    marks = WHITE if dark_face else CHARCOAL
    painter.fill(rim + center, colors.main)
    painter.fill(rim * 0.9 + center, colors.dark)
    painter.fill(rim * rng.uniform(0.8, 0.86) + center, face)
    dots = rng.random() < 0.35
    for hour in range(12):
        quarter = hour % 3 == 0
        if dots:
            x, y = (_hand(hour, 0.66 * radius) + center).tolist()
            painter.dot(x, y, 0.085 if quarter else 0.055, marks)
        else:
            tick = np.stack((_hand(hour, (0.52 if quarter else 0.6) * radius), _hand(hour, 0.7 * radius)))
            painter.stroke(tick + center, 0.075 if quarter else 0.035, marks)
    time = rng.uniform(0, 12)
    hands = (
        (time, 0.38, 0.09, marks),
        (12 * time, 0.58, 0.06, marks),
        (60 * time, 0.62, 0.03, colors.accent),
    )
    for hours, length, width, color in hands:
        tip = _hand(hours, length * radius)
        painter.stroke(np.stack((-0.2 * tip, tip)) + center, width, color)
    painter.dot(0, float(center[1]), 0.07, colors.accent)


def _fins(
    painter: Painter, high: float, fork: float, fin: tuple[int, int, int], ray: tuple[int, int, int]
) -> None:
    tail = [(-0.42, 0.0), (-0.7, -0.25), (-0.98, -fork), (-0.86, 0.0), (-0.98, fork), (-0.7, 0.25)]
    crest = [(0.45, -0.7 * high), (0.15, -high - 0.3), (-0.15, -high - 0.18), (-0.3, -0.6 * high)]
    belly = [(0.2, 0.8 * high), (-0.02, high + 0.24), (-0.2, high + 0.1), (-0.2, 0.6 * high)]
    for corners, start, end in (
        (tail, np.array([-0.4, 0.0]), np.array([-1.2, 0.0])),
        (crest, np.array([0.05, 0.0]), np.array([-0.1, -1.2])),
        (belly, np.array([0.05, 0.0]), np.array([-0.1, 1.2])),
    ):
        shape = smooth(corners)
        painter.fill(shape, fin)
        across = np.array([0.0, 1.2]) if corners is tail else np.array([0.6, 0.0])
        with painter.clip(shape):
            for spread in np.linspace(-1, 1, 11):
                painter.stroke(np.stack((start, end + spread * across)), 0.02, ray)


def _fish(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    high = rng.uniform(0.36, 0.6)
    fin = mix(colors.main, colors.accent, rng.uniform(0.2, 0.8))
    _fins(painter, high, rng.uniform(0.32, 0.5), fin, mix(fin, colors.dark, 0.45))
    along = np.linspace(0, 1, 20)
    back = np.stack(
        (0.95 - 1.45 * along, -high * np.sin(math.pi * along**0.8) ** 0.75 - 0.07 * along), axis=1
    )
    body = np.concatenate((back, back[::-1] * [1, -0.92]))
    painter.fill(body, colors.main)
    with painter.clip(body):
        painter.fill(shifted(body * [1, 0.55], 0, 0.62 * high), mix(colors.main, WHITE, 0.5))
        if rng.random() < 0.5:
            width = rng.uniform(0.13, 0.18)
            for x in np.linspace(0.28, -0.42, int(rng.integers(2, 5))):
                bow = smooth([(x, -1), (x + 0.08, 0), (x, 1)], closed=False)
                painter.stroke(bow, width, CHARCOAL)
                painter.stroke(bow, width - 0.06, colors.second)
        else:
            scale = ellipse(0, 0, 0.09, 0.085, 0.6 * math.pi, 1.4 * math.pi)[::6]
            for row, y in enumerate(np.arange(-0.6, 0.61, 0.15)):
                for x in np.arange(-0.6 + 0.085 * (row % 2), 0.4, 0.17):
                    painter.stroke(shifted(scale, x, y), 0.028, mix(colors.main, colors.dark, 0.4))
    painter.stroke(ellipse(0.42, 0, 0.13, 0.62 * high, -0.4 * math.pi, 0.4 * math.pi), 0.035, colors.dark)
    painter.fill(smooth([(0.3, 0.05), (0.02, 0.02), (-0.08, 0.22), (0.12, 0.24)]), fin)
    painter.dot(0.64, -0.1, 0.1, WHITE)
    painter.dot(0.66, -0.1, 0.055, CHARCOAL)
    painter.stroke(smooth([(0.93, 0.08), (0.86, 0.12), (0.78, 0.11)], closed=False), 0.03, colors.dark)


def _guitar_outline(rng: np.random.Generator, electric: bool) -> Curve:
    low, waist, high = rng.uniform(0.44, 0.54), rng.uniform(0.26, 0.33), rng.uniform(0.33, 0.42)
    if electric:
        half = [(0.06, 0.06), (0.17, 0.04), (high + 0.02, -0.14), (high - 0.03, 0.12)]
    else:
        half = [(0.07, -0.06), (0.7 * high, -0.05), (high, 0.1)]
    half += [(waist, 0.31), (0.93 * low, 0.5), (low, 0.68), (0.82 * low, 0.88), (0.42 * low, 0.98)]
    cutaway = rng.uniform(0.75, 1.0)
    return smooth([*half, (0.0, 1.0), *((-x * (cutaway if y < 0.2 else 1), y) for x, y in reversed(half))])


def _guitar(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    electric = rng.random() < 0.35
    wood = hsv(rng.uniform(0.04, 0.11), rng.uniform(0.5, 0.85), rng.uniform(0.55, 0.95))
    top = colors.main if electric or rng.random() < 0.35 else wood
    board = hsv(0.06, rng.uniform(0.3, 0.6), rng.uniform(0.2, 0.4))
    body = _guitar_outline(rng, electric)
    painter.fill(body, mix(top, CHARCOAL, 0.6))
    painter.fill(scaled(body, 0.93), mix(top, CHARCOAL, 0.25))
    painter.fill(scaled(body, 0.76), top)
    if electric or rng.random() < 0.4:
        guard = [(0.1, 0.2), (0.28, 0.16), (0.2, 0.36), (0.26, 0.6), (0.1, 0.6)]
        painter.fill(smooth(guard), WHITE if electric else board)
    if electric:
        for y in (0.3, 0.48):
            painter.stroke([(-0.13, y), (0.13, y)], 0.085, CHARCOAL)
        painter.dot(0.24, 0.74, 0.045, METAL)
        painter.dot(0.15, 0.82, 0.045, METAL)
    else:
        with painter.clip(scaled(body, 0.76)):
            for x in np.linspace(-0.4, 0.4, 9):
                painter.stroke([(x, -0.2), (x + 0.03, 1)], 0.012, mix(top, CHARCOAL, 0.13))
        painter.dot(0, 0.26, 0.16, mix(WHITE, top, 0.3))
        painter.dot(0, 0.26, 0.13, CHARCOAL)
    painter.stroke([(-0.15, 0.7), (0.15, 0.7)], 0.07, METAL if electric else board)
    neck = 0.2 if electric else 0.13
    painter.fill([(-0.055, -0.74), (0.055, -0.74), (0.07, neck), (-0.07, neck)], board)
    for fret in np.linspace(-0.68, neck - 0.04, 10):
        painter.stroke([(-0.055, fret), (0.055, fret)], 0.014, METAL)
    for y in (-0.95, -0.87, -0.79):
        painter.stroke([(-0.16, y), (0.16, y)], 0.045, METAL)
    head = [(-0.06, -0.72), (-0.11, -0.8), (-0.1, -1), (0.1, -1), (0.11, -0.8), (0.06, -0.72)]
    painter.fill(head, top if electric else mix(board, top, 0.3))
    for x in (-0.036, -0.012, 0.012, 0.036):
        painter.stroke([(x, -0.9), (1.4 * x, 0.69)], 0.008, WHITE)


_HEART_SIDE = np.array([(0.06, -0.22), (0.22, -0.24), (0.3, -0.02)])
_HEART = smooth(np.concatenate(([(0, -0.1)], _HEART_SIDE, [(0, 0.3)], _HEART_SIDE[::-1] * [-1, 1])))


def _glaze(painter: Painter, rng: np.random.Generator, colors: ColorScheme, x: float, y: float) -> None:
    pattern = int(rng.integers(5))
    if pattern == 0:
        for band in np.linspace(-0.45, 0.45, int(rng.integers(2, 5))):
            painter.stroke(ellipse(x, y + band - 0.1, 0.8, 0.16, 0, math.pi), 0.11, colors.second)
    elif pattern == 1:
        for row, band in enumerate(np.linspace(-0.5, 0.5, 5)):
            for column in np.linspace(-0.6, 0.6, 6):
                painter.dot(x + column + 0.12 * (row % 2), y + band, 0.07, colors.second)
    elif pattern == 2:
        painter.fill(shifted(_HEART, x, y), colors.second)
    elif pattern == 3:
        zigzag = np.stack((np.linspace(-0.8, 0.8, 13), 0.1 * np.resize([-1.0, 1.0], 13)), axis=1)
        painter.stroke(shifted(zigzag, x, y - 0.3), 0.09, colors.second)
        painter.stroke(shifted(zigzag, x, y + 0.1), 0.09, colors.accent)
    else:
        painter.box(-1, y - 0.1, 1, 1.5, colors.second)


def _mug(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    wide, taper = rng.uniform(0.5, 0.6), rng.uniform(0.78, 1.0)
    top, bottom, lip, x = -rng.uniform(0.55, 0.8), 0.78, rng.uniform(0.12, 0.2), -0.2
    if rng.random() < 0.35:
        painter.dot(x + 0.1, bottom + 0.02, 0.86, mix(colors.second, CHARCOAL, 0.25), 0.19)
        painter.dot(x + 0.1, bottom - 0.02, 0.84, colors.second, 0.17)
    handle = ellipse(x + 0.95 * wide, 0.08, rng.uniform(0.36, 0.46), rng.uniform(0.32, 0.42), -1.5, 1.5)
    painter.stroke(handle, 0.17, mix(colors.main, colors.dark, 0.35))
    painter.stroke(handle, 0.11, colors.main)
    foot = ellipse(x, bottom, wide * taper, lip, 0, math.pi)
    wall = np.concatenate((ellipse(x, top, wide, lip, math.pi, 0), foot))
    painter.fill(wall, colors.main)
    with painter.clip(wall):
        shine, shade = mix(colors.main, WHITE, 0.55), mix(colors.main, colors.dark, 0.28)
        painter.fill([(-1, -1), (x - 0.7 * wide, -1), (x - 0.7 * wide * taper, 1.2), (-1, 1.2)], shade)
        _glaze(painter, rng, colors, x, (top + bottom) / 2 + 0.1)
        painter.stroke([(x + 0.7 * wide, top), (x + 0.7 * wide * taper, bottom)], 0.07, shine)
    painter.dot(x, top, wide, mix(colors.main, WHITE, 0.5), lip)
    hollow = ellipse(x, top, wide - 0.05, lip - 0.035)
    painter.fill(hollow, mix(colors.main, colors.dark, 0.6))
    with painter.clip(hollow):
        drink = hsv(rng.uniform(0.04, 0.1), rng.uniform(0.45, 0.8), rng.uniform(0.3, 0.7))
        painter.fill(shifted(hollow, 0, 0.06), drink)


def _sails(painter: Painter, rng: np.random.Generator, colors: ColorScheme, mast: float) -> None:
    boom, style = rng.uniform(0.3, 0.4), int(rng.integers(3))
    fore = [(mast + 0.05, -0.9), (mast + 0.32, -0.42), (mast + 0.62, 0.05), (0.82, boom)]
    aft = [(mast - 0.06, -0.72), (mast - 0.28, -0.3), (mast - 0.5, 0.02), (-0.8, boom - 0.02)]
    cloth = (WHITE, colors.main) if rng.random() < 0.5 else (mix(colors.second, WHITE, 0.3), WHITE)
    for leech, tint in zip((fore, aft), cloth, strict=True):
        foot = (leech[0][0], boom)
        sail = np.concatenate((smooth(leech, closed=False), [foot]))
        seam = mix(tint, CHARCOAL, 0.22)
        painter.fill(sail, tint)
        with painter.clip(sail):
            for y in np.linspace(-0.6, 0.2, 4):
                if style == 0:
                    painter.stroke([(-1, y + 0.1), (1, y - 0.02)], 0.1, colors.accent)
                painter.stroke([(-1, y), (1, y + 0.06)], 0.018, seam)
            if style == 1:
                painter.box(-1, 0.0, 1, 1, colors.second if tint == colors.main else colors.main)
        painter.stroke([foot, leech[-1]], 0.03, seam)


def _sailboat(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    deck, mast = 0.48, rng.uniform(-0.12, 0.12)
    bow, keel = rng.uniform(0.85, 0.98), rng.uniform(0.82, 0.96)
    painter.stroke([(mast, 0.6), (mast, -0.93)], 0.05, hsv(0.08, 0.5, 0.5))
    _sails(painter, rng, colors, mast)
    if rng.random() < 0.6:
        painter.fill([(mast, -0.97), (mast - 0.26, -0.89), (mast, -0.8)], colors.accent)
    if rng.random() < 0.5:
        cabin = [(-0.42, deck), (-0.34, deck - 0.12), (0.3, deck - 0.12), (0.42, deck)]
        painter.fill(cabin, mix(WHITE, colors.second, 0.4))
    planks = [(-0.84, deck - 0.03), (0.0, deck + 0.02), (bow, deck - 0.08), (0.7, keel - 0.12)]
    hull = smooth([*planks, (0.45, keel), (-0.5, keel), (-0.76, keel - 0.14)])
    painter.fill(hull, colors.main)
    with painter.clip(hull):
        painter.box(-1, keel - 0.13, 1, 1, colors.dark)
        painter.stroke([(-1, deck + 0.09), (1, deck + 0.05)], 0.06, colors.second)
        for x in np.linspace(-0.45, 0.4, int(rng.integers(3, 6))):
            painter.dot(x, deck + 0.21, 0.045, mix(WHITE, colors.second, 0.3))


def _umbrella(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    high, rim, panels = rng.uniform(0.68, 0.9), rng.uniform(0.0, 0.1), int(rng.integers(5, 9))
    handle = colors.accent if rng.random() < 0.4 else hsv(0.07, 0.6, rng.uniform(0.35, 0.6))
    painter.stroke([(0, rim - high - 0.08), (0, 0.72)], 0.05, METAL)
    crook = ellipse(-0.13, 0.78, 0.13, 0.16, 0, rng.uniform(0.9, 1.2) * math.pi)
    painter.stroke(np.concatenate(([(0.0, 0.5)], crook)), 0.09, handle)
    plain = rng.random() < 0.25
    painter.fill(ellipse(0, rim, 0.96, 0.12, math.pi, math.tau), mix(colors.main, CHARCOAL, 0.65))
    sag, bow = np.linspace(0, math.pi / 2, 12), np.linspace(0, 1, 9)
    seams = np.sin(np.linspace(-math.pi / 2, math.pi / 2, panels + 1))
    for panel, (left, right) in enumerate(pairwise(seams.tolist())):
        sides = [np.stack((seam * np.sin(sag), rim - high * np.cos(sag)), axis=1) for seam in (left, right)]
        wide = right - left
        scallop = np.stack((left + wide * bow, rim - 0.42 * wide * bow * (1 - bow)), axis=1)
        tint = colors.second if panel % 2 and not plain else colors.main
        shade = 0.08 + 0.16 * (panel % 2) if plain else 0.05
        painter.fill(np.concatenate((sides[0], scallop, sides[1][::-1])), mix(tint, colors.dark, shade))
        painter.stroke(sides[1], 0.018, mix(colors.main, colors.dark, 0.5))
    if rng.random() < 0.4:
        painter.stroke(
            ellipse(0, rim, 0.86, high * 0.72, 1.08 * math.pi, 1.92 * math.pi), 0.05, colors.accent
        )
    painter.dot(0, rim - high, 0.06, colors.dark, 0.04)


OBJECTS: dict[str, tuple[Drawing, float]] = {
    "airplane": (_airplane, 0.5),
    "butterfly": (_butterfly, 0.7),
    "clock": (_clock, 0.25),
    "fish": (_fish, 0.5),
    "guitar": (_guitar, 1.0),
    "mug": (_mug, 0.25),
    "sailboat": (_sailboat, 0.25),
    "umbrella": (_umbrella, 0.6),
}
"""The drawing of each class and its maximum rotation in either direction (radians), by class name."""
