"""Synthetic pictures: coloured things on a plain ground, and what can be said of them.

A scene is one thing somewhere, several alike, or two in a relation. Everything in it
can be named with the words of the nano world, so a description can be spoken and
judged. Drawn four times too large and scaled down, which rounds the edges.
"""

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from minimind_o.data.picture_shapes import SHAPES, Point
from minimind_o.data.world import Language

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
THINGS = tuple(SHAPES)
"""Everything that can be drawn."""
PLACES: dict[str, Point] = {
    "left": (0.25, 0.5),
    "right": (0.75, 0.5),
    "up": (0.5, 0.25),
    "down": (0.5, 0.75),
}
"""Centres of the places a thing can be in, as shares of width and height."""
_OTHER_SIDE = {"left": "right", "up": "down"}  # of a scene with two things

PLURALS = {
    "apple": "apples", "book": "books", "cloud": "clouds", "fish": "fish",
    "flower": "flowers", "tree": "trees",
}  # fmt: skip
"""What is drawn in numbers; the world knows no other plurals."""

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
MANDARIN: dict[str | int, str] = {
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
    """Whether training never shows this thing in this colour and size: one in eight.

    The thing of that colour in the other size is shown. Were it not, what the pictures
    would teach is that a thing of that colour is anything but this (LOG.md).
    """
    pair = THINGS.index(thing.name) + 3 * tuple(COLOURS).index(thing.colour)
    return pair % 8 == {"big": 0, "small": 4}[thing.size]


def random_scene(
    rng: np.random.Generator,
    *,
    held_out: bool,
    language: Language = "en",
) -> Scene:
    """A scene drawn at random.

    Args:
        rng: where chance comes from.
        held_out: everything in it is held out (`is_held_out`); else nothing is.
        language: one in which all of it can be named.
    """
    named = language == "zh"
    names = tuple(n for n in THINGS if not named or n in MANDARIN)
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
    places = tuple(_OTHER_SIDE if kind == "two" else PLACES)
    return Scene(
        kind=kind,
        things=tuple(things),
        place="" if kind == "count" else str(rng.choice(places)),
        number=int(rng.integers(fewest, 6)) if kind == "count" else len(things),
    )


# Words


def describe(scene: Scene, language: Language = "en") -> str:
    """One sentence that names every attribute of a scene."""
    return _english(scene) if language == "en" else _mandarin(scene)


def phrases(scene: Scene, language: Language = "en") -> set[str]:
    """Everything true that can be said of a scene in one word or two.

    A size, a colour, a thing, a number or a place; a thing with one of the others.
    What the language has no word for is left out.
    """
    said: set[tuple[str | int, ...]] = set()
    places = [scene.place, _OTHER_SIDE.get(scene.place, "")]
    for thing, place in zip(scene.things, places, strict=False):
        others: list[str | int] = [thing.size, thing.colour]
        if place:
            others.append(place)
        if scene.kind == "count":
            others.append(scene.number)
        said |= {(thing.name,)}
        said |= {(other,) for other in others} | {(o, thing.name) for o in others}
    if language == "zh":
        known = [words for words in said if all(word in MANDARIN for word in words)]
        return {"".join(MANDARIN[word] for word in words) for words in known}
    return {
        " ".join(NUMBERS[w] if isinstance(w, int) else w for w in words)
        for words in said
    }


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
    other = _OTHER_SIDE[scene.place]
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
        SHAPES[thing.name](canvas, centre, radius * _CANVAS, colour)
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


def _placed(scene: Scene, rng: np.random.Generator) -> list[tuple[Thing, Point, float]]:
    """Each thing with the centre (x, y) and the radius, in shares of the picture."""

    def shaken(x: float, y: float) -> Point:
        right, down = rng.uniform(-0.03, 0.03, 2)
        return x + float(right), y + float(down)

    if scene.kind == "count":
        thing = scene.things[0]
        radius = {"big": 0.15, "small": 0.085}[thing.size]
        cells = rng.permutation(9)[: scene.number]
        centres = [
            (0.19 + 0.31 * (cell % 3), 0.19 + 0.31 * (cell // 3)) for cell in cells
        ]
        return [(thing, shaken(*centre), radius) for centre in centres]
    places = [scene.place]
    if scene.kind == "two":
        places.append(_OTHER_SIDE[scene.place])
    return [
        (thing, shaken(*PLACES[place]), _RADIUS[thing.size])
        for thing, place in zip(scene.things, places, strict=True)
    ]
