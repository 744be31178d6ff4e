"""How the things in the pictures are drawn: a few shapes each, in one colour."""

import math
from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]
_DARK, _LIGHT = (70, 50, 35), (215, 230, 240)


def _polygon(
    canvas: ImageDraw.ImageDraw, centre: Point, radius: float, outline: list[Point],
    colour: Colour,
) -> None:  # fmt: skip
    """A polygon whose points are given in radii from the centre."""
    canvas.polygon(
        [(centre[0] + x * radius, centre[1] + y * radius) for x, y in outline], colour
    )


def _ellipse(
    canvas: ImageDraw.ImageDraw, centre: Point, radius: float, box: tuple[float, ...],
    colour: Colour,
) -> None:  # fmt: skip
    """An ellipse in a box (left, top, right, bottom) given in radii from the centre."""
    x, y = centre
    left, top, right, bottom = box
    canvas.ellipse(
        (x + left * radius, y + top * radius, x + right * radius, y + bottom * radius),
        colour,
    )


def _rectangle(
    canvas: ImageDraw.ImageDraw, centre: Point, radius: float, box: tuple[float, ...],
    colour: Colour,
) -> None:  # fmt: skip
    left, top, right, bottom = box
    corners: list[Point] = [(left, top), (right, top), (right, bottom), (left, bottom)]
    _polygon(canvas, centre, radius, corners, colour)


def _apple(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    _ellipse(c, at, r, (-0.95, -0.6, 0.15, 1.0), colour)
    _ellipse(c, at, r, (-0.15, -0.6, 0.95, 1.0), colour)
    _rectangle(c, at, r, (-0.08, -1.0, 0.08, -0.4), _DARK)


def _ball(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    _ellipse(c, at, r, (-1, -1, 1, 1), colour)


def _book(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    _rectangle(c, at, r, (-0.75, -1, 0.75, 1), colour)
    _rectangle(c, at, r, (-0.4, -0.65, 0.45, -0.4), _LIGHT)
    _rectangle(c, at, r, (-0.75, -1, -0.6, 1), _DARK)


def _car(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    _polygon(c, at, r, [(-0.6, -0.1), (-0.35, -0.6), (0.35, -0.6), (0.6, -0.1)], colour)
    _rectangle(c, at, r, (-1, -0.15, 1, 0.4), colour)
    for x in (-0.55, 0.55):
        _ellipse(c, at, r, (x - 0.25, 0.2, x + 0.25, 0.7), _DARK)


def _cloud(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    for box in ((-1, -0.1, 0, 0.6), (-0.6, -0.6, 0.4, 0.5), (0, -0.3, 1, 0.6)):
        _ellipse(c, at, r, box, colour)


def _cup(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    _ellipse(c, at, r, (0.2, -0.5, 1.0, 0.4), colour)
    _ellipse(c, at, r, (0.35, -0.3, 0.8, 0.2), _LIGHT)
    _polygon(c, at, r, [(-0.8, -0.8), (0.6, -0.8), (0.4, 0.8), (-0.6, 0.8)], colour)


def _fish(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    _polygon(c, at, r, [(0.3, 0.0), (1.0, -0.6), (1.0, 0.6)], colour)
    _ellipse(c, at, r, (-1, -0.55, 0.6, 0.55), colour)
    _ellipse(c, at, r, (-0.75, -0.25, -0.5, 0.0), _LIGHT)


def _flower(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    for turn in range(6):
        angle = turn * math.pi / 3
        x, y = 0.58 * math.cos(angle), 0.58 * math.sin(angle)
        _ellipse(c, at, r, (x - 0.4, y - 0.4, x + 0.4, y + 0.4), colour)
    _ellipse(c, at, r, (-0.3, -0.3, 0.3, 0.3), _DARK)


def _house(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    _polygon(c, at, r, [(-1, -0.1), (0, -1), (1, -0.1)], _DARK)
    _rectangle(c, at, r, (-0.75, -0.1, 0.75, 0.95), colour)
    _rectangle(c, at, r, (-0.2, 0.35, 0.2, 0.95), _DARK)


def _moon(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    outer = [
        (math.cos(t), math.sin(t)) for t in np.linspace(0.9, 2 * math.pi - 0.9, 40)
    ]
    inner = [
        (0.45 + 0.8 * math.cos(t), 0.8 * math.sin(t))
        for t in np.linspace(2 * math.pi - 1.35, 1.35, 40)
    ]
    _polygon(c, at, r, outer + inner, colour)


def _star(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    points = []
    for index in range(10):
        length = 1.05 if index % 2 == 0 else 0.42
        angle = index * math.pi / 5 - math.pi / 2
        points.append((length * math.cos(angle), length * math.sin(angle)))
    _polygon(c, at, r, points, colour)


def _tree(c: ImageDraw.ImageDraw, at: Point, r: float, colour: Colour) -> None:
    _rectangle(c, at, r, (-0.15, 0.3, 0.15, 1), _DARK)
    for top, width in ((-1.0, 0.5), (-0.6, 0.7), (-0.2, 0.9)):
        _polygon(
            c, at, r, [(0, top), (-width, top + 0.75), (width, top + 0.75)], colour
        )


SHAPES: dict[str, Callable[[ImageDraw.ImageDraw, Point, float, Colour], None]] = {
    "apple": _apple, "ball": _ball, "book": _book, "car": _car, "cloud": _cloud,
    "cup": _cup, "fish": _fish, "flower": _flower, "house": _house, "moon": _moon,
    "star": _star, "tree": _tree,
}  # fmt: skip
"""What draws a thing of a colour, from its centre and its radius in pixels."""
