"""The Python sides of the widgets; their other sides run in tests/browser."""

import io
import re
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
import torch

from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.frozen.mimi import load_mimi
from minimind_o.realtime.connection import MAX_FILE_BYTES
from minimind_o.widgets.ab_listener import ABListener, preference
from minimind_o.widgets.codebook_microscope import AROUND, CodebookMicroscope
from minimind_o.widgets.microphone import MAX_WAITING, SILENCE_S, Microphone
from minimind_o.widgets.player import Player
from minimind_o.widgets.twin import AudioWidget

RATE = 16_000


def sent_by(widget: AudioWidget, monkeypatch: pytest.MonkeyPatch) -> list:
    """What the widget tells its page, instead of telling it."""
    sent: list = []
    monkeypatch.setattr(
        type(widget),
        "send",
        lambda _self, content, buffers=None: sent.append((content, buffers)),
    )
    return sent


def tells(widget: AudioWidget, content: dict, payload: bytes | None = None) -> None:
    """The page tells the widget."""
    buffers = [] if payload is None else [memoryview(payload)]
    widget._handle_custom_msg(content, buffers)


def wait_until_empty(microphone: Microphone) -> None:
    until = time.monotonic() + 20
    while not microphone._waiting.empty() and time.monotonic() < until:
        time.sleep(0.001)


def wav(seconds: float, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    tone = 0.3 * np.sin(np.arange(round(seconds * rate)) * 0.1)
    soundfile.write(file, tone, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def test_a_players_sounds_are_numbered_anew_each_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    player = Player()
    sent = sent_by(player, monkeypatch)
    player.push([0.1, 0.2])
    player.push([0.3])
    player.new_turn()
    player.push([0.4])
    kinds = [(c["kind"], c["turn"], c.get("number")) for c, _ in sent]
    assert kinds == [
        ("sound", 1, 0),
        ("sound", 1, 1),
        ("silence", 1, None),
        ("sound", 2, 0),
    ]
    assert np.frombuffer(sent[0][1][0], "<f4") == pytest.approx([0.1, 0.2])


def test_a_player_knows_what_was_played_and_what_was_lost() -> None:
    reports: list[tuple[int, int]] = []
    player = Player(on_played=lambda turn, samples: reports.append((turn, samples)))
    player.new_turn(3)
    tells(player, {"kind": "played", "turn": 2, "samples": 99})
    tells(player, {"kind": "played", "turn": 3, "samples": 1920})
    tells(player, {"kind": "gap", "turn": 3, "number": 4})
    tells(player, {"kind": "silent", "turn": 3})
    tells(player, {"kind": "nonsense"})
    assert (player.played, player.gaps, player.silent_turns) == (1920, 1, [3])
    assert reports == [(2, 99), (3, 1920)]


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_recording_comes_in_as_the_microphone_does(rate: int) -> None:
    heard: list[np.ndarray] = []
    microphone = Microphone(heard.append)
    microphone.replay(wav(0.5, rate), pace=0)
    wave_N = np.concatenate(heard)
    assert len(wave_N) == pytest.approx((0.5 + SILENCE_S) * RATE, abs=520)
    assert microphone.heard_N == pytest.approx(wave_N)
    # The tone is where it was: in radians a second.
    spectrum = np.abs(np.fft.rfft(wave_N[: RATE // 2]))
    assert spectrum.argmax() * 2 == pytest.approx(0.1 * rate / (2 * np.pi), abs=4)


def test_pieces_of_the_browser_are_heard_and_bad_ones_noted() -> None:
    heard: list[np.ndarray] = []
    microphone = Microphone(heard.append)
    piece = np.full(320, 0.1, "<f4").tobytes()
    tells(microphone, {"kind": "microphone", "number": 0, "rate": RATE}, piece)
    for number in (2, 1):  # JupyterLab does that
        louder = np.full(320, 0.1 * (1 + number), "<f4").tobytes()
        tells(
            microphone, {"kind": "microphone", "number": number, "rate": RATE}, louder
        )
    for number in range(4, 6 + MAX_WAITING):
        tells(microphone, {"kind": "microphone", "number": number, "rate": RATE}, piece)
        wait_until_empty(microphone)
    microphone.close()
    assert [round(float(wave_N[0]), 1) for wave_N in heard[:4]] == [0.1, 0.2, 0.3, 0.1]
    assert microphone.num_missing == 1
    assert heard[0] == pytest.approx(np.full(320, 0.1))
    tells(microphone, {"kind": "microphone", "number": 1, "rate": RATE}, b"odd")
    assert "4 bytes" in microphone.note
    tells(microphone, {"kind": "recording"}, bytes(MAX_FILE_BYTES + 1))
    assert "at most 10" in microphone.note
    assert len(heard) == 5 + MAX_WAITING


def test_an_uploaded_recording_is_replayed_on_a_thread_of_its_own() -> None:
    done = threading.Event()
    count = 0

    def hear(wave_N: np.ndarray) -> None:
        nonlocal count
        count += len(wave_N)
        if count >= (0.1 + SILENCE_S) * RATE - 200:
            done.set()

    tells(Microphone(hear), {"kind": "recording"}, wav(0.1))
    assert done.wait(20)


@pytest.fixture
def listener() -> ABListener:
    pairs = {str(n): (np.full(400, 0.1), np.full(400, 0.2)) for n in range(6)}
    return ABListener(("soft", "loud"), pairs, seed=3)


def louder(listener: ABListener) -> str:
    """What a careful listener chooses."""
    first, second = (
        np.abs(soundfile.read(io.BytesIO(flac))[0]).max()
        for flac in listener._sounds(listener.trial)
    )
    return "first" if first > second else "second"


def test_choices_by_ear_find_the_name(listener: ABListener) -> None:
    choices = []
    while listener.trial < listener.trials:
        choices.append(louder(listener))
        tells(
            listener,
            {"kind": "choice", "trial": listener.trial, "choice": choices[-1]},
        )
    assert set(choices) == {"first", "second"}  # the order is no clue
    assert listener.chosen == ["loud"] * 6
    assert listener.preference.share == 0
    assert "loud: 6" in listener.result
    with pytest.raises(UserError, match="all pairs"):
        listener.choose("first")


def test_the_page_does_not_know_which_is_which(
    listener: ABListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = sent_by(listener, monkeypatch)
    tells(listener, {"kind": "pair", "trial": 0})
    tells(listener, {"kind": "pair", "trial": 99})
    assert len(sent) == 1
    known = str(sent[0][0]) + str(listener.get_state(["trial", "trials", "result"]))
    assert not re.search("soft|loud", known)
    tells(listener, {"kind": "choice", "trial": 4, "choice": "first"})  # stale
    assert listener.chosen == []


def test_a_preference_has_the_exact_interval_of_a_binomial() -> None:
    found = preference(("a", "b"), ["a"] * 9 + ["b"] + ["same"] * 3)
    assert found.counts == {"a": 9, "b": 1, "same": 3}
    assert found.share == pytest.approx(0.9)
    # Clopper and Pearson 1934, n = 10, x = 9; 2 · 11 / 1024
    assert (found.low, found.high) == pytest.approx((0.5550, 0.9975), abs=1e-4)
    assert found.p_value == pytest.approx(22 / 1024)
    assert preference(("a", "b"), ["same"]).p_value == 1
    with pytest.raises(UserError, match="no pair"):
        preference(("a", "b"), [])


def test_a_comparison_needs_two_things() -> None:
    with pytest.raises(UserError, match="two names"):
        ABListener(("a", "a"), {"x": ([0.1], [0.1])})
    with pytest.raises(UserError, match="one pair"):
        ABListener(("a", "b"), {})


@pytest.fixture(scope="module")
def microscope() -> CodebookMicroscope:
    mimi = load_mimi(Assets.find().mimi)
    codes_QT = torch.arange(8 * 12).reshape(8, 12) % mimi.num_codes
    return CodebookMicroscope(mimi, codes_QT)


def test_a_frame_is_heard_with_its_neighbours(microscope: CodebookMicroscope) -> None:
    size = microscope._mimi.frame_size
    whole = microscope.wave()
    assert microscope.frame(5) == pytest.approx(
        whole[(5 - AROUND) * size : (6 + AROUND) * size]
    )
    assert len(microscope.frame(0)) == (1 + AROUND) * size
    with pytest.raises(UserError, match="frame 12"):
        microscope.frame(12)


def test_a_muted_codebook_is_not_heard(
    microscope: CodebookMicroscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = sent_by(microscope, monkeypatch)
    whole = microscope.wave()
    microscope.muted = [0]
    tells(microscope, {"kind": "whole"})
    heard, _ = soundfile.read(io.BytesIO(sent[-1][1][0]))
    assert np.abs(heard - whole).max() > 0.01
    assert heard == pytest.approx(np.clip(microscope.wave(), -1, 1), abs=1e-4)
    microscope.muted = []


@pytest.mark.parametrize(
    "make",
    [
        Player,
        lambda: Microphone(lambda _: None),
        lambda: ABListener(("a", "b"), {"x": ([0.1] * 400, [0.2] * 400)}),
    ],
)
def test_a_widget_carries_its_twin(make: Callable[[], AudioWidget]) -> None:
    widget = make()
    data, _ = widget._repr_mimebundle_()  # type: ignore[misc]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == repr(widget) == f"{type(widget).__name__}()"
    assert 'src="data:image/png;base64,' in data["text/html"]


def test_a_twin_shows_and_plays(microscope: CodebookMicroscope) -> None:
    twin = microscope.twin()
    assert twin.png.startswith(b"\x89PNG")
    assert "data:audio/flac;base64," in twin.data
    pairs = {"x": (np.full(400, 0.1), np.full(400, 0.2))}
    blind = ABListener(("soft", "loud"), pairs).twin().data
    assert "<details>" in blind
    assert not re.search("soft|loud", blind.partition("<details>")[0])
