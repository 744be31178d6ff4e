"""A browser with a microphone that plays a file, and ears at its loudspeaker."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, expect, sync_playwright

from minimind_o.assets import Assets
from minimind_o.data.speech import VOICES, render
from minimind_o.evaluation.transcribe import Transcriber, sensevoice_transcriber

SAMPLE_RATE = 24_000
WAIT_MS = 150_000
"""Generous: a browser, a server and a model share two cores."""
QUIET = 1e-4
BLOCK = 120
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TAP = Path(__file__).with_name("tap.js")


def say(text: str, voice: str = "gina") -> np.ndarray:
    """What a user says, at 24 kHz."""
    return render(text, "en-us", VOICES[voice]).wave


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


class Ears:
    """What a page has sent to the loudspeaker."""

    def __init__(self, page: Page, transcribe: Transcriber) -> None:
        self.page, self.transcribe = page, transcribe

    def wave(self) -> np.ndarray:
        """All of it, at 24 kHz."""
        blocks = self.page.evaluate("() => window.heard.map((a) => Array.from(a))")
        return np.concatenate([np.zeros(0), *blocks]).astype(np.float32)

    def parts(self, pause_s: float) -> list[np.ndarray]:
        """The wave, parted where nothing was played for so long."""
        wave_N = self.wave()
        sound_N = np.flatnonzero(np.abs(wave_N) > QUIET)
        ends = np.flatnonzero(np.diff(sound_N) > pause_s * SAMPLE_RATE)
        return [wave_N[part[0] : part[-1] + 1] for part in np.split(sound_N, ends + 1)]

    def words(self, wave_N: np.ndarray) -> str:
        """What the transcriber hears; where the player ran dry is left out.

        A browser, a model and whatever else runs on two cores: it does, at times.
        """
        blocks = wave_N[: len(wave_N) // BLOCK * BLOCK].reshape(-1, BLOCK)
        heard_N = blocks[np.abs(blocks).max(axis=1) > QUIET].ravel()
        return self.transcribe([heard_N], SAMPLE_RATE)[0]

    def forget(self) -> None:
        self.page.evaluate("() => { window.heard.length = 0; }")


@pytest.fixture(scope="session")
def transcribe() -> Transcriber:
    return sensevoice_transcriber(Assets.find().sensevoice)


@pytest.fixture
def browse(tmp_path: Path, transcribe: Transcriber) -> Iterator[object]:
    """Open a page whose microphone hears a wave, once."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")

    @contextmanager
    def opened(url: str, microphone_N: np.ndarray) -> Iterator[Ears]:
        file = tmp_path / "microphone.wav"
        soundfile.write(file, microphone_N, SAMPLE_RATE, subtype="PCM_16")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=[
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    "--use-fake-ui-for-media-stream",
                    "--use-fake-device-for-media-stream",
                    f"--use-file-for-fake-audio-capture={file}%noloop",
                ],
            )
            page = browser.new_page(viewport={"width": 1000, "height": 800})
            page.set_default_timeout(WAIT_MS)
            expect.set_options(timeout=WAIT_MS)
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.add_init_script(path=TAP)
            page.goto(url)
            try:
                yield Ears(page, transcribe)
            except BaseException:
                page.screenshot(path=tmp_path / "at_the_failure.png")
                raise
            browser.close()
            assert errors == []

    return opened  # type: ignore[return-value]
