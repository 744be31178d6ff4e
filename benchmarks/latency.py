"""Time to first audio and real-time factor of the streaming engine.

    python benchmarks/latency.py [--assets FOLDER] [--record]

Asks the test splits' questions one after another, written and spoken, model loaded and
warm, and prints the medians with their quartiles. Run it on an idle machine. For a
spoken question the clock starts when the whole recording is there: reading it and the
speech encoder are in the time.
"""

import argparse
import io
import shlex
import sys
from collections.abc import Sequence

import numpy as np
import soundfile
import torch

from minimind_o import figures
from minimind_o.assets import Assets
from minimind_o.data.schema import BadRows, RowFormat, read_rows
from minimind_o.generation.engine import Engine, Request
from minimind_o.generation.events import Timings
from minimind_o.generation.loading import load_engine
from minimind_o.generation.voices import load_voice

WARM_UP = 5
SPOKEN_SECONDS = (2.5, 3.5)


def main() -> None:
    """Measure, print, and record where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", default=None, metavar="FOLDER")
    parser.add_argument("--num", type=int, default=40, help="questions of each kind")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--record", action="store_true", help="write figures.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    assets = Assets.find(arguments.assets)
    engine = load_engine(assets)
    voice = load_voice(assets.voices)
    row_format = RowFormat(num_codes=engine.model.config.num_codes)

    written = [
        Request(question=row.turns[-2]["content"], voice=voice)
        for row in read_rows(assets.sft_t2a / "test.parquet", row_format, BadRows())
    ]
    spoken = [
        Request(speech=row.question_audios[0], voice=voice)
        for row in read_rows(assets.sft_a2a / "test.parquet", row_format, BadRows())
        if SPOKEN_SECONDS[0] <= seconds(row.question_audios[0]) <= SPOKEN_SECONDS[1]
    ]
    timings = measure(engine, written, arguments.num)
    measured = {
        "ttfa_text_ms": first_audio_ms(timings),
        "rtf_generate": [t.real_time_factor for t in timings],
        "ttfa_speech_ms": first_audio_ms(measure(engine, spoken, arguments.num)),
    }
    command = "python benchmarks/latency.py " + shlex.join(sys.argv[1:])
    for name, values in measured.items():
        low, median, high = np.percentile(values, [25, 50, 75])
        note = f"median of {len(values)} questions, quartiles {low:.3g} and {high:.3g}"
        print(f"{name}: {median:.4g} ({note})")
        if arguments.record:
            figures.record(name, float(median), command=command, note=note)


def measure(engine: Engine, requests: Sequence[Request], num: int) -> list[Timings]:
    """Timings of answers with sound, after a few that only warm up."""
    step = max(1, len(requests) // (num + WARM_UP))
    timings = [engine.answer(request).end.timings for request in requests[::step]]
    return [t for t in timings[WARM_UP:] if t.time_to_first_audio_s is not None]


def first_audio_ms(timings: Sequence[Timings]) -> list[float]:
    """Milliseconds until each answer began to sound."""
    return [1000 * (t.time_to_first_audio_s or 0.0) for t in timings]


def seconds(recording: bytes) -> float:
    """How long a recording is."""
    return float(soundfile.info(io.BytesIO(recording)).duration)


if __name__ == "__main__":
    main()
