"""Synthetic pictures: coloured things on a plain ground, and what can be said of them.

A scene is one thing somewhere, several alike, or two in a relation. Everything in it
can be named with the words of the nano world, so a description can be spoken and
judged. Drawn four times too large and scaled down, which rounds the edges.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PICTURE_SIZE = 64
_OVERSAMPLING = 4
_CANVAS = PICTURE_SIZE * _OVERSAMPLING

COLOURS = {
    "red": (205, 35, 40),
    "blue": (40, 80, 205),
    "green": (40, 150, 65),
    "yellow": (245, 215, 45),
    "orange": (240, 130, 25),
    "purple": (125, 55, 165),
    "black": (20, 20, 25),
    "white": (252, 252, 252),
}
GROUNDS = ((200, 196, 188), (182, 192, 200), (196, 184, 200), (176, 188, 172))
PLACES: dict[str, tuple[float, float]] = {
    "left": (0.25, 0.5),
    "right": (0.75, 0.5),
    "up": (0.5, 0.25),
    "down": (0.5, 0.75),
}
"""Centres of the places a thing can be in, as shares of width and height."""

PLURALS = {
    "apple": "apples", "book": "books", "cloud": "clouds", "fish": "fish",
    "flower": "flowers", "tree": "trees",
}  # fmt: skip
"""What is drawn in numbers; the world knows no other plurals."""

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
MANDARIN = {
    "red": "红", "blue": "蓝", "green": "绿", "yellow": "黄", "black": "黑",
    "white": "白", "big": "大", "small": "小",
    "apple": "苹果", "book": "书", "car": "车", "cup": "杯子", "fish": "鱼",
    "flower": "花", "moon": "月亮", "tree": "树",
    "left": "左边", "right": "右边", "up": "上面", "down": "下面",
    3: "三", 4: "四", 5: "五",
}  # fmt: skip

Size = Literal["big", "small"]
Kind = Literal["one", "count", "two"]
Damage = Literal["clean", "jittered", "noisy", "jpeg"]
DAMAGES: tuple[Damage, ...] = ("clean", "jittered", "noisy", "jpeg")
_RADIUS: dict[Size, float] = {"big": 0.21, "small": 0.11}


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What is to be drawn, without where."""

    name: str
    colour: str
    size: Size


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a picture shows.

    one: `things[0]` at `place`. count: `number` of `things[0]`. two: `things[0]` at
    `place` and `things[1]` on the other side.
    """

    kind: Kind
    things: tuple[Thing, ...]
    place: str = ""
    number: int = 1


def random_thing(
    rng: np.random.Generator, names: tuple[str, ...], colours: tuple[str, ...]
) -> Thing:
    """A thing drawn at random."""
    size: Size = "big" if rng.random() < 0.5 else "small"
    return Thing(
        name=str(rng.choice(names)), colour=str(rng.choice(colours)), size=size
    )


def is_held_out(thing: Thing) -> bool:
    """Whether training never shows this thing in this colour: one pair in eight."""
    names, colours = tuple(_SHAPES), tuple(COLOURS)
    return (names.index(thing.name) + 3 * colours.index(thing.colour)) % 8 == 0


def random_scene(
    rng: np.random.Generator,
    *,
    held_out: bool,
    language: Literal["en", "zh"] = "en",
) -> Scene:
    """A scene drawn at random.

    Args:
        rng: where chance comes from.
        held_out: every thing is a held-out pair of name and colour; else none is.
        language: one in which all of it can be named.
    """
    named = language == "zh"
    names = tuple(n for n in _SHAPES if not named or n in MANDARIN)
    colours = tuple(c for c in COLOURS if not named or c in MANDARIN)
    kinds: tuple[Kind, ...] = ("one", "count", "two")
    kind = kinds[rng.choice(3, p=(0.4, 0.3, 0.3))]
    if kind == "count":
        names = tuple(n for n in names if n in PLURALS)

    def draw() -> Thing:
        while True:
            thing = random_thing(rng, names, colours)
            if is_held_out(thing) == held_out:
                return thing

    things = [draw()]
    if kind == "two":
        other = draw()
        while other.name == things[0].name or other.colour == things[0].colour:
            other = draw()
        things.append(other)
    fewest = 3 if named else 2  # two of a thing would be 两, which is not in the world
    places = ("left", "up") if kind == "two" else tuple(PLACES)
    return Scene(
        kind=kind,
        things=tuple(things),
        place="" if kind == "count" else str(rng.choice(places)),
        number=int(rng.integers(fewest, 6)) if kind == "count" else len(things),
    )


# Words


def describe(scene: Scene, language: Literal["en", "zh"] = "en") -> str:
    """One sentence that names every attribute of a scene."""
    return _english(scene) if language == "en" else _mandarin(scene)


def _english(scene: Scene) -> str:
    first = scene.things[0]
    if scene.kind == "count":
        number = NUMBERS[scene.number].capitalize()
        return f"{number} {first.size} {first.colour} {PLURALS[first.name]}."
    if scene.kind == "one":
        return f"{_a(first).capitalize()} {_WHERE[scene.place]}."
    second = scene.things[1]
    if scene.place == "up":
        return f"{_a(second).capitalize()} under {_a(first)}."
    return f"{_a(first).capitalize()} on the left and {_a(second)} on the right."


def _a(thing: Thing) -> str:
    return f"a {thing.size} {thing.colour} {thing.name}"


_WHERE = {
    "left": "on the left", "right": "on the right", "up": "high up", "down": "low down"
}  # fmt: skip


def _mandarin(scene: Scene) -> str:
    def named(thing: Thing) -> str:
        words = (thing.size, thing.colour, thing.name)
        return "".join(MANDARIN[word] for word in words)

    first = named(scene.things[0])
    if scene.kind == "count":
        return f"{MANDARIN[scene.number]}个{first}。"
    if scene.kind == "one":
        return f"{MANDARIN[scene.place]}有一个{first}。"
    other = {"left": "right", "up": "down"}[scene.place]
    second = named(scene.things[1])
    return f"{MANDARIN[scene.place]}有一个{first}，{MANDARIN[other]}有一个{second}。"


# Drawing


def draw(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The picture of a scene, RGB, `PICTURE_SIZE` square; `rng` moves things about."""
    ground = GROUNDS[rng.integers(len(GROUNDS))]
    image = Image.new("RGB", (_CANVAS, _CANVAS), ground)
    canvas = ImageDraw.Draw(image)
    for thing, (x, y), radius in _placed(scene, rng):
        centre = (x * _CANVAS, y * _CANVAS)
        colour = COLOURS[thing.colour]
        _SHAPES[thing.name](canvas, centre, radius * _CANVAS, colour)
    return image.resize((PICTURE_SIZE, PICTURE_SIZE), Image.Resampling.LANCZOS)


def damaged(
    image: Image.Image, damage: Damage, rng: np.random.Generator
) -> Image.Image:
    """The picture as a camera or a file may spoil it; `clean` leaves it."""
    if damage == "clean":
        return image
    if damage == "jpeg":
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(25, 70)))
        with Image.open(io.BytesIO(buffer.getvalue())) as opened:
            return opened.convert("RGB")
    pixels = np.asarray(image, dtype=np.float64)
    if damage == "jittered":
        gains = rng.uniform(0.93, 1.07, 3) * rng.uniform(0.85, 1.15)
        pixels = pixels * gains + rng.uniform(-12, 12)
    else:
        pixels = pixels + rng.normal(0, rng.uniform(4, 14), pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: Literal["PNG", "JPEG"] = "PNG") -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": 85} if kind == "JPEG" else {}))
    return buffer.getvalue()


def _placed(
    scene: Scene, rng: np.random.Generator
) -> list[tuple[Thing, tuple[float, float], float]]:
    """Each thing with the centre (x, y) and the radius, in shares of the picture."""

    def shake() -> NDArray[np.float64]:
        return rng.uniform(-0.03, 0.03, 2)

    if scene.kind == "count":
        thing = scene.things[0]
        radius = {"big": 0.15, "small": 0.085}[thing.size]
        cells = rng.permutation(9)[: scene.number]
        centres = [
            (0.19 + 0.31 * (cell % 3), 0.19 + 0.31 * (cell // 3)) for cell in cells
        ]
        return [(thing, _moved(c, shake()), radius) for c in centres]
    places = [scene.place]
    if scene.kind == "two":
        places.append({"left": "right", "up": "down"}[scene.place])
    return [
        (thing, _moved(PLACES[place], shake()), _RADIUS[thing.size])
        for thing, place in zip(scene.things, places, strict=True)
    ]


def _moved(centre: tuple[float, float], by: NDArray[np.float64]) -> tuple[float, float]:
    return centre[0] + float(by[0]), centre[1] + float(by[1])


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


_SHAPES: dict[str, Callable[[ImageDraw.ImageDraw, Point, float, Colour], None]] = {
    "apple": _apple, "ball": _ball, "book": _book, "car": _car, "cloud": _cloud,
    "cup": _cup, "fish": _fish, "flower": _flower, "house": _house, "moon": _moon,
    "star": _star, "tree": _tree,
}  # fmt: skip
THINGS = tuple(_SHAPES)
"""Everything that can be drawn."""
