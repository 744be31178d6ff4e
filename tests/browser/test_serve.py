"""The served page in a real browser: press, speak, hear, interrupt, ask again."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest
from playwright.sync_api import Page, TimeoutError, expect

from minimind_o.assets import Assets
from minimind_o.evaluation.error_rates import character_errors
from tests.browser.conftest import SAMPLE_RATE, Ears, say, silence

LONG = (
    "Say: the old man and the small child read a long book near the river, and the "
    "white bird sings in the green tree."
)
# A state may last for less than a look at the page takes: the page itself keeps them.
RECORD_STATES = """() => {
  const state = document.getElementById("state");
  window.states = [state.textContent];
  new MutationObserver((changes) => {
    const added = changes.flatMap(({ addedNodes }) => [...addedNodes]);
    window.states.push(...added.map(({ textContent }) => textContent));
  }).observe(state, { childList: true });
}"""
TAKE_STATE = """(state) => {
  const place = window.states.indexOf(state);
  window.states.splice(0, place + 1);
  return place >= 0;
}"""


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


@pytest.fixture
def opened(url: str, browse: Callable) -> Callable[..., AbstractContextManager[Ears]]:
    """Open the served page; its microphone hears a wave, once."""

    @contextmanager
    def listening(microphone_N: np.ndarray) -> Iterator[Ears]:
        with browse(url, microphone_N) as ears:
            ears.page.evaluate(RECORD_STATES)
            comes_to(ears.page, "listening")
            yield ears

    return listening


def comes_to(page: Page, *states: str) -> None:
    """Wait until the page has been in these states, one after the other.

    Only those count that follow what was waited for last.
    """
    for state in states:
        try:
            page.wait_for_function(TAKE_STATE, arg=state)
        except TimeoutError:
            since = page.evaluate("() => window.states")
            pytest.fail(f"the page did not come to '{state}', only to {since}")


def ask(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.click("#send")


def last_answer(page: Page) -> str:
    return page.locator(".bubble.model p").last.inner_text()


def error_rate(heard: str, text: str) -> float:
    return character_errors(text, heard, "en").rate


def test_what_is_spoken_is_answered_aloud(opened: Callable) -> None:
    question = [silence(1.5), say("What colour is the sky?"), silence(120)]
    with opened(np.concatenate(question)) as ears:
        page = ears.page
        page.click("#call")
        comes_to(page, "hearing", "thinking", "speaking", "listening")
        text = last_answer(page)
        note = page.locator(".bubble.model small").last
        expect(note).to_have_text(re.compile(r"first word \d+ ms, first sound \d+ ms"))
        assert page.locator(".bubble.user").inner_text() == "(spoken)"
        assert error_rate(ears.words(ears.wave()), text) < 0.6, text
        page.click("#call")
        expect(page.locator("#call")).to_have_text("call")


def test_speaking_silences_an_answer_and_is_answered(opened: Callable) -> None:
    spoken = [silence(3.5), say("What colour is the sky?"), silence(120)]
    with opened(np.concatenate(spoken)) as ears:
        page = ears.page
        ask(page, LONG)
        comes_to(page, "speaking")
        page.click("#call")  # and the microphone's file begins
        comes_to(page, "hearing")
        cut = page.locator(".bubble.model.cut p")
        expect(cut).to_have_count(1)
        comes_to(page, "thinking", "speaking", "listening")
        *first, second = ears.parts(1.0)
        assert sum(map(len, first)) < 5 * SAMPLE_RATE  # of nine seconds
        answer = last_answer(page)
        assert answer != cut.inner_text()
        assert error_rate(ears.words(second), answer) < 0.6, answer
        ears.forget()
        ask(page, "What is three plus four?")
        comes_to(page, "thinking", "speaking", "listening")
        assert last_answer(page) == "Three plus four is seven."
        assert error_rate(ears.words(ears.wave()), "three plus four is seven") < 0.6


def test_picture_recording_voice_and_stop(opened: Callable) -> None:
    examples = Assets.find().examples
    with opened(silence(5)) as ears:
        page = ears.page
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
        comes_to(page, "thinking", "speaking", "listening")
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
    comes_to(page, "loading", "listening")
    ears.forget()
    ask(page, "What is three plus four?")
    comes_to(page, "thinking", "speaking", "listening")
    assert last_answer(page) == "Three plus four is seven."
    assert np.abs(ears.wave()).max() > 0.05
