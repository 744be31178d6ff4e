"""Time to first audio and real-time factor of the streaming engine.

    python benchmarks/latency.py [--assets FOLDER] [--record]

Asks the test split's questions one after another, model loaded and warm, and prints the
medians with their quartiles. Run it on an idle machine.
"""

import argparse
import shlex
import sys

import numpy as np
import torch

from minimind_o import figures
from minimind_o.assets import Assets
from minimind_o.data.schema import BadRows, RowFormat, read_rows
from minimind_o.generation.engine import Request
from minimind_o.generation.loading import load_engine
from minimind_o.generation.voices import load_voice

VOICE = "ada"
WARM_UP = 5


def main() -> None:
    """Measure, print, and record where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", default=None, metavar="FOLDER")
    parser.add_argument("--num", type=int, default=40, help="questions timed")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--record", action="store_true", help="write figures.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    assets = Assets.find(arguments.assets)
    engine = load_engine(assets)
    voice = load_voice(assets.voices, VOICE)
    num_codes = engine.model.config.num_codes
    rows = read_rows(
        assets.sft_t2a / "test.parquet", RowFormat(num_codes=num_codes), BadRows()
    )
    questions = [row.turns[-2]["content"] for row in rows]
    step = max(1, len(questions) // (arguments.num + WARM_UP))
    first_audio, factors = [], []
    for index, question in enumerate(questions[::step]):
        request = Request(question=question, voice=voice, seed=index)
        timings = engine.answer(request).end.timings
        if index < WARM_UP or timings.time_to_first_audio_s is None:
            continue
        first_audio.append(1000 * timings.time_to_first_audio_s)
        factors.append(timings.real_time_factor)
    command = "python benchmarks/latency.py " + shlex.join(sys.argv[1:])
    for name, values in (("ttfa_text_ms", first_audio), ("rtf_generate", factors)):
        low, median, high = np.percentile(values, [25, 50, 75])
        note = f"median of {len(values)} questions, quartiles {low:.3g} and {high:.3g}"
        print(f"{name}: {median:.4g} ({note})")
        if arguments.record:
            figures.record(name, float(median), command=command, note=note)


if __name__ == "__main__":
    main()
