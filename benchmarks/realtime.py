"""A session that is spoken to for hours, as fast as the computer can.

    python benchmarks/realtime.py --record [PART …]

Parts, all by default: `turns`, `latency`, `interruptions`, `false`, `soak`,
`concurrent`. Everything is played and heard by `VirtualClient`, with the nano model,
silero-vad and nano voices the model's training never had. `latency` and `concurrent`
measure time: nothing else may be running.
"""

import argparse
import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import psutil
import soundfile
import soxr
import torch
from tqdm.auto import tqdm

from minimind_o import figures
from minimind_o.assets import Assets
from minimind_o.data.speech import UNSEEN_VOICES, VOICES, render
from minimind_o.data.world import fact_dialogues
from minimind_o.generation.engine import Engine, Request
from minimind_o.generation.events import AudioEvent
from minimind_o.generation.loading import load_engine
from minimind_o.generation.voices import load_voice
from minimind_o.realtime.detectors import SAMPLE_RATE, WINDOW, SileroDetector
from minimind_o.realtime.host import own_engine
from minimind_o.realtime.session import Session, Silence, Sound, State
from minimind_o.realtime.simulate import PLAYED_A_WINDOW, Room, VirtualClient

ECHO_DB, NOISE_SNR_DB = -12.0, 10.0
MEASURES: dict[str, Callable[["Bench"], Iterator[tuple[str, float, str]]]] = {}


class Bench:
    """The engine, and questions as somebody asks them."""

    def __init__(self, scale: float) -> None:
        assets = Assets.find()
        self.scale = scale
        self.engine: Engine = load_engine(assets)
        self.request = Request(voice=load_voice(assets.voices), seed=1)
        self.rng = np.random.default_rng(0)
        self.facts = fact_dialogues("en", "test")
        self._asked: dict[tuple[str, str], np.ndarray] = {}

    def question(self) -> np.ndarray:
        """A test question at 16 kHz, its silence cut away in front."""
        fact = self.facts[self.rng.integers(len(self.facts))]
        voice = str(self.rng.choice(UNSEEN_VOICES))
        if (fact.question, voice) not in self._asked:
            wave_N = render(fact.question, "en-us", VOICES[voice]).wave
            wave_N = soxr.resample(wave_N, 24_000, SAMPLE_RATE)
            first = int(np.flatnonzero(np.abs(wave_N) > 0.01)[0])
            self._asked[fact.question, voice] = wave_N[first:].astype(np.float32)
        return self._asked[fact.question, voice]

    def client(
        self, room: Room | None = None, work: int = 16, answerer: Engine | None = None
    ) -> VirtualClient:
        """Of a session of its own."""
        session = Session(
            answerer or own_engine(self.engine), SileroDetector(), self.request
        )
        return VirtualClient(session, room, work)

    def times(self, number: int) -> int:
        """How often, scaled down for a trial."""
        return max(1, round(number * self.scale))


def measure(function: Callable) -> Callable:
    """Register a part under the function's name."""
    MEASURES[function.__name__] = function
    return function


class Recorder:
    """An engine whose codes can be looked at afterwards."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.codes = engine, []

    def stream(self, request: Request, on_stage=None):
        """The engine's events."""
        self.codes = []
        for event in self.engine.stream(request, on_stage):
            if isinstance(event, AudioEvent):
                self.codes.append(event.codes_Q)
            yield event


@measure
def turns(bench: Bench) -> Iterator[tuple[str, float, str]]:
    """What is played against decoding the same codes at once; all frames in order."""
    recorder = Recorder(own_engine(bench.engine))
    one = bench.client(answerer=recorder, work=64)
    worst, frames, count = 0.0, 0, bench.times(1000)
    for turn in tqdm(range(1, count + 1), desc="turns", mininterval=10):
        fact = bench.facts[bench.rng.integers(len(bench.facts))]
        one.session.ask(Request(question=fact.question))
        first = len(one.heard.outputs)
        while one.session.state is not State.LISTENING:
            one.wait(0.32)
        sounds = [o for _, o in one.heard.outputs[first:] if isinstance(o, Sound)]
        assert [s.number for s in sounds] == list(range(len(sounds))), turn
        assert len(sounds) == len(recorder.codes)
        one.forget()
        if sounds:
            codes_QF = torch.from_numpy(np.stack(recorder.codes, axis=1))
            whole_N = bench.engine.mimi.decode(codes_QF[None])[0].numpy()
            played_N = np.concatenate([s.pcm_N for s in sounds])
            worst = max(worst, float(np.abs(played_N - whole_N).max()))
            frames += len(sounds)
    yield (
        "stream_offline_max_error",
        worst,
        f"{count:,} turns, {frames:,} frames, none missing or twice",
    )


@measure
def latency(bench: Bench) -> Iterator[tuple[str, float, str]]:
    """From the decision that speech has ended to the first sample played."""
    one = bench.client(work=2)  # so that what is ready is played soon
    waits, silences = [], []
    count = bench.times(200)
    for number in tqdm(range(count + 1), desc="latency", mininterval=10):
        one.wait(0.3)
        one.listen(bench.question())
        turn = one.session.turn
        while one.session.turn == turn or one.session.state is not State.LISTENING:
            one.wait(0.032)
        one.forget()
        stamps = one.session.stamps[one.session.turn]
        if number and "first sample played" in stamps:  # the first one warms up
            waits.append(stamps["first sample played"] - stamps["decided"])
            silences.append(stamps["decided"] - stamps["end of speech"])
    median, high = np.percentile(waits, [50, 95])
    wait = f"{len(waits)} turns; before it the detector waits {np.mean(silences):.2f} s"
    yield "ttfs_turn_p50_ms", 1000 * float(median), wait
    yield "ttfs_turn_p95_ms", 1000 * float(high), wait


@measure
def interruptions(bench: Bench) -> Iterator[tuple[str, float, str]]:
    """A user who speaks at a random moment of an answer, over its echo."""
    lost, silent = [], []
    one = bench.client(Room(echo_db=ECHO_DB), work=4)
    count = bench.times(500)
    bar = tqdm(total=count, desc="interruptions", mininterval=10)
    while len(silent) < count:
        one.session.ask(Request(question="Tell me the months of the year."))
        one.wait(float(bench.rng.uniform(0.3, 2.0)))
        if one.session.state is not State.SPEAKING:
            continue
        one.heard.outputs.clear()
        onset = len(one.heard.played)
        asked = bench.question()
        one.listen(asked)
        one.wait(0.1)
        stopped = [o for _, o in one.heard.outputs if isinstance(o, Silence)]
        if not stopped:
            silent.append(float(len(asked) / SAMPLE_RATE))
        else:
            loud = [np.flatnonzero(w).max(initial=-1) for w in one.heard.played[onset:]]
            last = max((i for i, end in enumerate(loud) if end >= 0), default=-1)
            ends = last * PLAYED_A_WINDOW + loud[last] + 1 if last >= 0 else 0
            silent.append(ends / 24_000)
        one.work = 0
        while one.session.state in (State.SPEAKING, State.HEARING):
            one.wait(0.032)
        lost.append(onset_lost(one.session, asked))
        one.work = 4
        one.forget()
        bar.update()
    bar.close()
    silent_ms = 1000 * np.array(silent)
    note = f"{count} interruptions; median {np.median(silent_ms):.0f} ms, most "
    note += f"{silent_ms.max():.0f} ms, from the first audible sample of the user"
    yield "barge_in_silence_p95_ms", float(np.percentile(silent_ms, 95)), note
    yield "barge_in_onset_lost_ms", float(max(lost)), f"{count} interruptions"


def onset_lost(session: Session, asked_N: np.ndarray) -> float:
    """Milliseconds of the beginning of what was asked that the question lacks."""
    answer = session._answer
    if answer is None or not isinstance(answer.request.speech, bytes):
        return 1000 * len(asked_N) / SAMPLE_RATE
    heard_N, _ = soundfile.read(io.BytesIO(answer.request.speech), dtype="float32")
    probe_N = asked_N[: 4 * WINDOW]
    found = np.correlate(heard_N, probe_N, "valid")
    best = found.max() / (np.dot(probe_N, probe_N) + 1e-9)
    if best > 0.8:  # all of the first 128 ms are in it
        return 0.0
    for start in range(0, len(asked_N) - len(probe_N), WINDOW // 4):
        later_N = asked_N[start : start + len(probe_N)]
        found = np.correlate(heard_N, later_N, "valid")
        if found.max() / (np.dot(later_N, later_N) + 1e-9) > 0.8:
            return 1000 * start / SAMPLE_RATE
    return 1000 * len(asked_N) / SAMPLE_RATE


@measure
def false(bench: Bench) -> Iterator[tuple[str, float, str]]:
    """Half an hour of the model talking to itself, and half an hour of noise."""
    minutes = 30 * bench.scale
    level = float(np.sqrt(np.mean(bench.question() ** 2)))
    echo = bench.client(Room(echo_db=ECHO_DB))
    noise = bench.client(Room(noise=level * 10 ** (-NOISE_SNR_DB / 20)))
    bar = tqdm(total=round(2 * minutes * 60), desc="false", mininterval=10)
    wrong = {
        "echo": times_heard(bench, echo, minutes, asking=1.0, bar=bar),
        "noise": times_heard(bench, noise, minutes, asking=0.2, bar=bar),
    }
    bar.close()
    note = f"{minutes:g} min each; from echo {wrong['echo']}, noise {wrong['noise']}"
    yield "false_interruptions", float(sum(wrong.values())), note


def times_heard(
    bench: Bench, one: VirtualClient, minutes: float, *, asking: float, bar: tqdm
) -> int:
    """How often a session takes what is no user for one; it is asked in writing.

    asking: how likely it is to be asked something at a moment when it listens.
    """
    found = 0
    while one.now < minutes * 60:
        if one.session.state is State.LISTENING and bench.rng.random() < asking:
            fact = bench.facts[bench.rng.integers(len(bench.facts))]
            one.session.ask(Request(question=fact.question))
        one.wait(0.64)
        found += len(one.heard.seconds_of(State.HEARING))
        one.forget()
        bar.update(0.64)
    return found


@measure
def soak(bench: Bench) -> Iterator[tuple[str, float, str]]:
    """An hour of questions, answers and interruptions in one session."""
    process, minutes = psutil.Process(), 60 * bench.scale
    one = bench.client(Room(echo_db=ECHO_DB, noise=0.001))
    # The same all the time: what the bench keeps is not the session's memory.
    asked = [bench.question() for _ in range(40)]
    sizes = []
    bar = tqdm(total=round(minutes * 60), desc="soak", mininterval=10)
    before_any = set(threading.enumerate())  # the bar has one, too
    while one.now < minutes * 60:
        before = one.now
        one.listen(asked[bench.rng.integers(len(asked))])
        one.wait(float(bench.rng.uniform(0.5, 4.0)))
        one.forget()
        sizes.append(process.memory_info().rss)
        bar.update(one.now - before)
    bar.close()
    tenth = max(1, len(sizes) // 10)
    early, late = np.median(sizes[tenth : 2 * tenth]), np.median(sizes[-tenth:])
    one.session.close()
    while one.session.work():
        pass
    left_over = set(threading.enumerate()) - before_any
    assert not left_over, left_over
    note = f"{minutes:g} min, {one.session.turn} turns; from the second tenth to the "
    note += f"last; {late / 1e6:.0f} MB in the end"
    yield "soak_rss_growth", float(late / early - 1), note


@measure
def concurrent(bench: Bench) -> Iterator[tuple[str, float, str]]:
    """Four sessions that all answer at once, on one worker."""
    from minimind_o.realtime.host import Host

    host = Host(bench.engine, most_sessions=4)
    voices = ("ada", "ben", "clara", "dan")
    assets = Assets.find()
    worst = []
    for _ in range(bench.times(10)):
        sessions = [
            host.open(replace(bench.request, voice=load_voice(assets.voices, voice)))
            for voice in voices
        ]
        started = time.perf_counter()
        for session in sessions:
            session.ask(Request(question="Tell me the months of the year."))
        took = {}
        sound = dict.fromkeys(range(len(sessions)), 0.0)
        while len(took) < len(sessions):
            time.sleep(0.005)
            for index, session in enumerate(sessions):
                sounds = [o for o in session.take() if isinstance(o, Sound)]
                sound[index] += 0.08 * len(sounds)
                answer = session._answer
                if index not in took and answer is not None and answer.is_whole:
                    took[index] = time.perf_counter() - started
        worst.append(max(took[i] / sound[i] for i in took))
        for session in sessions:
            session.close()
        while host.num_sessions:
            time.sleep(0.01)
    host.close()
    note = f"median of {len(worst)} rounds, the worst {max(worst):.2f}"
    yield "concurrent_worst_rtf", float(np.median(worst)), note


def main() -> None:
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", default=[*MEASURES])
    parser.add_argument("--scale", type=float, default=1.0, help="less for a trial")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    bench = Bench(arguments.scale)
    for part in arguments.parts:
        for name, value, note in MEASURES[part](bench):
            print(f"{name}: {value:.4g} ({note})", flush=True)
            if arguments.record and arguments.scale >= 1:
                command = f"python benchmarks/realtime.py {part} --record"
                figures.record(name, value, command=command, note=note)


if __name__ == "__main__":
    main()
