"""A question, a voice, two temperatures, a button: the answer is read and heard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import ipywidgets
import numpy as np

from minimind_o.errors import UserError
from minimind_o.generation.engine import Engine, Request
from minimind_o.generation.events import AudioEvent, TextEvent
from minimind_o.generation.sampling import AUDIO_SAMPLING, TEXT_SAMPLING
from minimind_o.generation.voices import list_voices, load_voice
from minimind_o.listening import flac

SAMPLE_RATE = 24_000


class QuestionBox(ipywidgets.VBox):
    """Ask an engine from a notebook: the text appears as it comes, the sound after."""

    def __init__(
        self, engine: Engine, voices: Path, question: str = "What is three plus four?"
    ) -> None:
        """Lay out the controls; nothing is asked yet.

        Args:
            engine: who answers.
            voices: the assets' `voices` folder.
            question: what stands in the box.
        """
        self.engine, self.voices = engine, voices
        wide = ipywidgets.Layout(width="520px")
        self.question = ipywidgets.Text(
            value=question, description="question", layout=wide
        )
        self.voice = ipywidgets.Dropdown(
            options=list_voices(voices), description="voice"
        )
        self.temperature = _slider("words", TEXT_SAMPLING.temperature)
        self.audio_temperature = _slider("sound", AUDIO_SAMPLING.temperature)
        self.seed = ipywidgets.IntText(
            value=0, description="seed", layout=ipywidgets.Layout(width="180px")
        )
        self.button = ipywidgets.Button(description="Ask", button_style="primary")
        self.answer = ipywidgets.Label("")
        self.player = ipywidgets.Audio(format="flac", autoplay=True, loop=False)
        self.button.on_click(self._clicked)
        super().__init__(
            [
                self.question,
                ipywidgets.HBox([self.voice, self.seed]),
                ipywidgets.HBox([self.temperature, self.audio_temperature]),
                ipywidgets.HBox([self.button, self.answer]),
                self.player,
            ]
        )

    def request(self) -> Request:
        """What the controls say.

        Raises:
            UserError: an unknown or damaged voice.
        """
        return Request(
            question=self.question.value,
            voice=load_voice(self.voices, self.voice.value),
            text_sampling=replace(TEXT_SAMPLING, temperature=self.temperature.value),
            audio_sampling=replace(
                AUDIO_SAMPLING, temperature=self.audio_temperature.value
            ),
            seed=self.seed.value,
        )

    def ask(self) -> None:
        """Answer what stands in the box, or show the error in the answer's place."""
        pieces = []
        self.answer.value = ""
        try:
            for event in self.engine.stream(self.request()):
                if isinstance(event, TextEvent):
                    self.answer.value += event.text
                elif isinstance(event, AudioEvent):
                    pieces.append(event.pcm_N)
        except UserError as error:
            self.answer.value = str(error)
        if pieces:
            self.player.value = flac(np.concatenate(pieces), SAMPLE_RATE)

    def _clicked(self, _button: object) -> None:
        self.button.disabled = True
        try:
            self.ask()
        finally:
            self.button.disabled = False


def _slider(name: str, value: float) -> ipywidgets.FloatSlider:
    return ipywidgets.FloatSlider(
        value=value, min=0, max=1.5, step=0.1, description=name, readout_format=".1f"
    )
