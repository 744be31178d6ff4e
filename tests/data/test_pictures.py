"""Synthetic pictures show what their descriptions say."""

import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image

from minimind_o.data.pictures import (
    COLOURS,
    DAMAGES,
    PICTURE_SIZE,
    THINGS,
    Scene,
    Thing,
    damaged,
    describe,
    draw,
    encoded,
    is_held_out,
    phrases,
    random_scene,
)
from minimind_o.data.world import Language, fact_dialogues, world_words


def scenes(language: Language, held_out: bool = False) -> list[Scene]:
    """Two hundred scenes drawn at random."""
    rng = np.random.default_rng(3)
    return [random_scene(rng, held_out=held_out, language=language) for _ in range(200)]


def coloured(image: Image.Image, colour: str) -> np.ndarray:
    """Which pixels have a colour, or nearly."""
    distance = np.asarray(image, np.int32) - np.array(COLOURS[colour])
    return (np.abs(distance) < 40).all(axis=-1)


@pytest.mark.parametrize("name", THINGS)
@pytest.mark.parametrize("place", ["left", "right", "up", "down"])
def test_a_thing_is_where_it_is_said_to_be(name: str, place: str) -> None:
    thing = Thing(name=name, colour="red", size="big")
    scene = Scene(kind="one", things=(thing,), place=place)
    rows, columns = np.nonzero(coloured(draw(scene, np.random.default_rng(0)), "red"))
    assert len(rows) > 60
    across = columns.mean() / PICTURE_SIZE - 0.5
    down = rows.mean() / PICTURE_SIZE - 0.5
    wanted = {"left": -across, "right": across, "up": -down, "down": down}[place]
    other = down if place in ("left", "right") else across
    assert wanted > 0.12
    assert wanted > 1.3 * abs(other)


def test_big_things_cover_more_than_twice_what_small_ones_do() -> None:
    for name in THINGS:
        areas = []
        for size in ("small", "big"):
            thing = Thing(name=name, colour="blue", size=size)  # type: ignore[arg-type]
            scene = Scene(kind="one", things=(thing,), place="left")
            image = draw(scene, np.random.default_rng(0))
            areas.append(coloured(image, "blue").sum())
        assert areas[1] > 2 * areas[0], name


@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_as_many_things_are_drawn_as_are_counted(number: int) -> None:
    thing = Thing(name="flower", colour="purple", size="small")
    areas = {}
    for count in (1, number):
        scene = Scene(kind="count", things=(thing,), number=count)
        images = [draw(scene, np.random.default_rng(seed)) for seed in range(5)]
        areas[count] = [coloured(image, "purple").sum() for image in images]
    ratios = np.array(areas[number]) / np.mean(areas[1])
    assert np.allclose(ratios, number, rtol=0.08)
    word = ("Two", "Three", "Four", "Five")[number - 2]
    assert describe(scene) == f"{word} small purple flowers."


def test_descriptions_name_every_attribute() -> None:
    star = Thing(name="star", colour="blue", size="big")
    cup = Thing(name="cup", colour="red", size="small")
    assert describe(Scene(kind="one", things=(star,), place="up")) == (
        "A big blue star high up."
    )
    assert describe(Scene(kind="two", things=(star, cup), place="left", number=2)) == (
        "A big blue star on the left and a small red cup on the right."
    )
    below = Scene(kind="two", things=(star, cup), place="up", number=2)
    assert describe(below) == "A small red cup under a big blue star."
    fish = Thing(name="fish", colour="white", size="small")
    both = Scene(kind="two", things=(fish, cup), place="up", number=2)
    assert describe(both, "zh") == "上面有一个小白鱼，下面有一个小红杯子。"
    count = Scene(kind="count", things=(fish,), number=4)
    assert describe(count, "zh") == "四个小白鱼。"


def test_every_word_of_a_description_is_a_word_of_the_world() -> None:
    english, mandarin = world_words()
    for scene in scenes("en"):
        assert set(re.findall("[a-z]+", describe(scene).lower())) <= english
    characters = set("".join(mandarin))
    for dialogue in fact_dialogues("zh", "train"):
        characters |= set(dialogue.question + dialogue.answer)
    for scene in scenes("zh"):
        assert set(describe(scene, "zh")) - set("，。") <= characters


@pytest.mark.parametrize("language", ["en", "zh"])
def test_held_out_combinations_are_never_shown_in_training(
    language: Language,
) -> None:
    hidden: list[bool] = []
    for held_out in (False, True):
        for scene in scenes(language, held_out):
            assert {is_held_out(thing) for thing in scene.things} == {held_out}
    for name, colour in itertools.product(THINGS, COLOURS):
        big, small = (
            is_held_out(Thing(name=name, colour=colour, size=size))  # type: ignore[arg-type]
            for size in ("big", "small")
        )
        hidden += [big, small]
        assert not (big and small)  # training shows it in the other size
    assert sum(hidden) == len(hidden) // 8


def test_phrases_are_all_that_one_word_or_two_can_say() -> None:
    fish = Thing(name="fish", colour="red", size="big")
    star = Thing(name="star", colour="orange", size="small")
    three = Scene(kind="count", things=(fish,), number=3)
    said = {"fish", "big", "red", "three", "big fish", "red fish", "three fish"}
    assert phrases(three) == said
    assert phrases(three, "zh") == {
        "鱼", "大", "红", "三", "大鱼", "红鱼", "三鱼"
    }  # fmt: skip
    both = phrases(Scene(kind="two", things=(fish, star), place="left"))
    assert {"left", "right", "left fish", "right star", "orange star"} <= both
    assert not {"right fish", "left star", "orange fish", "two fish"} & both
    # There is no word for a star or for orange in the Mandarin of the nano world.
    one = Scene(kind="one", things=(star,), place="up")
    assert phrases(one, "zh") == {"小", "上面"}


def test_damage_changes_the_pixels_and_not_what_is_seen() -> None:
    scene = Scene(
        kind="one", things=(Thing(name="ball", colour="red", size="big"),), place="left"
    )
    clean = draw(scene, np.random.default_rng(0))
    for damage in DAMAGES:
        spoilt = damaged(clean, damage, np.random.default_rng(1))
        assert spoilt.size == clean.size
        assert spoilt.mode == "RGB"
        difference = np.abs(np.asarray(spoilt, float) - np.asarray(clean, float)).mean()
        assert (difference == 0) == (damage == "clean")
        assert difference < 30


def test_a_picture_becomes_a_file() -> None:
    image = draw(random_scene(np.random.default_rng(0), held_out=False),
                 np.random.default_rng(0))  # fmt: skip
    for kind in ("PNG", "JPEG"):
        with Image.open(io.BytesIO(encoded(image, kind))) as opened:  # type: ignore[arg-type]
            assert (opened.format, opened.size) == (kind, (PICTURE_SIZE, PICTURE_SIZE))
    with Image.open(io.BytesIO(encoded(image))) as opened:
        assert np.array_equal(np.asarray(opened), np.asarray(image))
