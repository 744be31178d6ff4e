"""A description is held against its reference, and against guessing."""

from dataclasses import replace

import numpy as np
import pytest

from minimind_o.data.pictures import describe, random_scene
from minimind_o.evaluation.attributes import attributes, named_of, token_f1
from minimind_o.evaluation.descriptions import describe_items, other_references
from minimind_o.evaluation.hearing import Hearing, hear
from minimind_o.evaluation.report import Item
from minimind_o.evaluation.tables import Provenance
from minimind_o.evaluation.vision_report import markdown, pictures_markdown, rows

PROVENANCE = Provenance(model="m", transcriber="t", seed=0)


def hearing(text: str, heard: str, language: str = "en") -> Hearing:
    wave = np.zeros(24_000, np.float32)
    return hear([text], [wave], [language], lambda waves, rate: [heard], 24_000)[0]


def item(text: str, reference: str, heard: str = "", language: str = "en") -> Item:
    return Item(
        kind="picture",
        voice="",
        prompt="<image>",
        reference_answer=reference,
        is_right=text == reference,
        is_finished=True,
        hearing=hearing(text, heard, language),
        ceiling=hearing(reference, reference, language),
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_attribute_of_a_scene_is_found_in_its_description(language) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        scene = random_scene(rng, held_out=False, language=language)
        found = attributes(describe(scene, language), language)
        count = {kind: 0 for kind, _ in found}
        for (kind, _), times in found.items():
            count[kind] += times
        expected = {"colour": len(scene.things), "size": len(scene.things)}
        expected["thing"] = len(scene.things)
        if scene.kind == "count":
            expected["number"] = 1
        else:
            # One thing is "under" the other; in Mandarin both have a place.
            named = 2 if language == "zh" or scene.place != "up" else 1
            expected["place"] = named if scene.kind == "two" else 1
        assert count == expected, describe(scene, language)


def test_attributes_count_as_often_as_the_reference_has_them() -> None:
    reference = "A big red cup on the left and a big blue car on the right."
    named = named_of(reference, "a big red car on the left", "en")
    assert named["colour"] == (1, 2)
    assert named["size"] == (1, 2)
    assert named["thing"] == (1, 2)
    assert named["place"] == (1, 2)
    assert named["number"] == (0, 0)
    assert named_of("三个大红苹果。", "三 个 小 红 苹 果", "zh") == {
        "colour": (1, 1), "size": (0, 1), "thing": (1, 1), "place": (0, 0),
        "number": (1, 1),
    }  # fmt: skip


def test_token_f1_is_one_for_the_same_words_in_any_order() -> None:
    assert token_f1("a red cup", "cup red a", "en") == 1
    assert token_f1("a red cup", "a blue cup here", "en") == pytest.approx(4 / 7)
    assert token_f1("a a cup", "a cup", "en") == pytest.approx(4 / 5)
    assert token_f1("cup", "", "en") == 0
    assert token_f1("", "", "en") == 1


def test_the_other_reference_is_of_another_scene_as_long_in_the_language() -> None:
    items = [
        item("", "a red cup"),
        item("", "a big blue car here"),
        item("", "one blue car"),
        item("", "a red cup"),
        item("", "红", language="zh"),
    ]
    others = other_references(items, seed=1)
    assert others[0] == others[3] == "one blue car"
    assert others[1] in ("a red cup", "one blue car")
    assert others[2] == "a red cup"
    assert others[4] is None


def test_written_heard_and_other_are_each_held_against_the_reference() -> None:
    items = [
        item("a red cup", "a red cup", heard="a red cap"),
        item("a big cup", "a blue car", heard="big"),
    ]
    first, second = describe_items(items)
    assert (first.written.is_right, second.written.is_right) == (True, False)
    assert first.written.words.rate == 0
    assert first.heard.words.rate == pytest.approx(1 / 3)
    assert first.other.words.rate == second.other.words.rate == pytest.approx(2 / 3)
    assert second.heard.words.rate == 1
    assert first.ceiling.words.rate == 0
    assert first.floor is None
    table = rows([first, second])
    assert [row["written_reference_wer"] for row in table] == [0, pytest.approx(2 / 3)]
    assert [row["floor_reference_wer"] for row in table] == [None, None]
    assert [row["colour_named"] for row in table] == [1, 0]


@pytest.mark.parametrize(("num_words", "fits"), [(5, False), (6, True), (10, True)])
def test_a_description_is_length_matched_within_a_third(num_words, fits) -> None:
    reference = " ".join(["word"] * 8)
    (one,) = describe_items([item(" ".join(["other"] * num_words), reference)])
    assert one.is_length_matched == fits
    (empty,) = describe_items([item("", reference)])
    assert not empty.is_length_matched


def test_the_pages_show_means_and_every_picture() -> None:
    items = [
        item("a red cup", "a red cup", heard="a red cap"),
        item("a big cup", "a blue car", heard="big"),
    ]
    items[0] = replace(items[0], floor=items[0].ceiling)
    page = markdown(describe_items(items), PROVENANCE)
    found = {line.split(" | ")[0].strip("| "): line for line in page.splitlines()}
    assert "| 2 | " in found["written"]
    assert "0.333 [0.000, 0.667]" in found["written"]
    assert "| 1 | 0.000 [0.000, 0.000]" in found["floor: reference, spoken"]
    assert found["colour"].startswith("| colour | 2 | 0.500")
    assert found["number"] == "| number | 0 | – | – | – | – | – |"
    pictures = pictures_markdown(describe_items(items), PROVENANCE)
    assert "| a [-blue car-]{+big cup+} | big | 3 | 3 | " in pictures
