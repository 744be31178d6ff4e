"""The served page in a real browser: press, speak, hear, interrupt, ask again."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from minimind_o.assets import Assets
from minimind_o.evaluation.error_rates import character_errors
from tests.browser.conftest import SAMPLE_RATE, Ears, say, silence

LONG = (
    "Say: the old man and the small child read a long book near the river, and the "
    "white bird sings in the green tree."
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server as a user starts it."""
    server = subprocess.Popen(
        [sys.executable, "-m", "minimind_o", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found is not None, line
    yield found[0]
    server.terminate()
    assert server.wait(30) == 0


def comes_to(page: Page, state: str) -> None:
    expect(page.locator("#state")).to_have_text(state)


def ask(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.click("#send")


def last_answer(page: Page) -> str:
    return page.locator(".bubble.model p").last.inner_text()


def error_rate(heard: str, text: str) -> float:
    return character_errors(text, heard, "en").rate


def test_what_is_spoken_is_answered_aloud(url: str, browse: Callable) -> None:
    question = [silence(1.5), say("What colour is the sky?"), silence(120)]
    with browse(url, np.concatenate(question)) as ears:
        page = ears.page
        comes_to(page, "listening")
        page.click("#call")
        for state in ("hearing", "thinking", "speaking", "listening"):
            comes_to(page, state)
        text = last_answer(page)
        note = page.locator(".bubble.model small").last
        expect(note).to_have_text(re.compile(r"first word \d+ ms, first sound \d+ ms"))
        assert page.locator(".bubble.user").inner_text() == "(spoken)"
        assert error_rate(ears.words(ears.wave()), text) < 0.6, text
        page.click("#call")
        expect(page.locator("#call")).to_have_text("call")


def test_speaking_silences_an_answer_and_is_answered(
    url: str, browse: Callable
) -> None:
    spoken = [silence(3.5), say("What colour is the sky?"), silence(120)]
    with browse(url, np.concatenate(spoken)) as ears:
        page = ears.page
        comes_to(page, "listening")
        ask(page, LONG)
        comes_to(page, "speaking")
        page.click("#call")  # and the microphone's file begins
        comes_to(page, "hearing")
        cut = page.locator(".bubble.model.cut p")
        expect(cut).to_have_count(1)
        comes_to(page, "speaking")
        comes_to(page, "listening")
        *first, second = ears.parts(1.0)
        assert sum(map(len, first)) < 5 * SAMPLE_RATE  # of nine seconds
        answer = last_answer(page)
        assert answer != cut.inner_text()
        assert error_rate(ears.words(second), answer) < 0.6, answer
        ears.forget()
        ask(page, "What is three plus four?")
        comes_to(page, "speaking")
        comes_to(page, "listening")
        assert last_answer(page) == "Three plus four is seven."
        assert error_rate(ears.words(ears.wave()), "three plus four is seven") < 0.6


def test_picture_recording_voice_and_stop(url: str, browse: Callable) -> None:
    examples = Assets.find().examples
    with browse(url, silence(5)) as ears:
        page = ears.page
        comes_to(page, "listening")
        page.set_input_files("#picture", examples / "picture.png")
        expect(page.locator("#picture-name")).to_have_text("picture.png")
        ask(page, "What do you see?")
        comes_to(page, "speaking")
        page.click("#stop")
        comes_to(page, "listening")
        assert page.locator(".bubble.user img").count() == 1
        page.set_input_files("#clone", examples / "question.wav")
        expect(page.locator("#voice")).to_have_value("your own")
        page.set_input_files("#speech", examples / "question.wav")
        comes_to(page, "speaking")
        comes_to(page, "listening")
        assert last_answer(page)
        page.set_input_files(
            "#picture",
            {"name": "big.png", "mimeType": "image/png", "buffer": bytes(11_000_000)},
        )
        expect(page.locator("#problem")).to_contain_text("10 MB at most")
        page.select_option("#voice", "ben")
        expect(page.locator("#problem")).to_have_text("")
        _model_can_be_chosen_again(page, ears)


def _model_can_be_chosen_again(page: Page, ears: Ears) -> None:
    page.evaluate("() => document.getElementById('model').onchange({target: {}})")
    expect(page.locator("#problem")).to_contain_text("is none of")
    page.evaluate(
        "() => { const list = document.getElementById('model');"
        " list.onchange({ target: list }); }"
    )
    comes_to(page, "listening")
    ears.forget()
    ask(page, "What is three plus four?")
    comes_to(page, "speaking")
    comes_to(page, "listening")
    assert last_answer(page) == "Three plus four is seven."
    assert np.abs(ears.wave()).max() > 0.05
