"""Resident memory of one process that reads a set far larger than its memory may be.

    python benchmarks/stream_memory.py --record

Writes 200,000 rows of 25 kB each, 5 GB in 20 files (--work needs the room): spoken
questions and their answers as in `sft_a2a`, each recording replaced by noise that no
file can make smaller. Then reads one epoch as a training does, shuffled and cut into
batches, and looks at the process's resident memory after every batch. Recordings are
decoded; the speech encoder, whose work would take an hour and whose memory does not
hang on the set, is replaced by zeros.
"""

import argparse
import io
from collections.abc import Sequence
from multiprocessing import Process
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from tqdm.auto import tqdm

from minimind_o import figures, tokenizer
from minimind_o.assets import Assets
from minimind_o.data.encoders import SPEECH_RATE, MediaEncoders, Source, States
from minimind_o.data.examples import ExampleOptions, RowPreparer
from minimind_o.data.media import read_audio
from minimind_o.data.row import RowFormat
from minimind_o.data.schema import BadRows
from minimind_o.data.stream import ExampleStream, RowGroups, StreamSettings
from minimind_o.layout import LayoutSpec
from minimind_o.model.omni import OmniModel

FILES, ROWS_OF_A_FILE, ROWS_OF_A_GROUP = 20, 10_000, 1000
NUM_SAMPLES = 12_400
"""Of a recording, 16 bits each: 24.8 kB."""
SAMPLES_PER_STATE, MAX_POSITIONS = 960, 1280


class NoEncoder(MediaEncoders):
    """Decodes what it is given; its states are zeros, as many as there would be."""

    def speech(self, recordings: Sequence[Source]) -> list[States]:
        """One state of 60 ms each."""
        waves = [read_audio(source)[0] for source in recordings]
        return [
            np.zeros((max(1, len(w) // SAMPLES_PER_STATE), 1), np.float16)
            for w in waves
        ]


def write_set(folder: Path, source: Path) -> None:
    """The files that are not there yet."""
    rows = pq.read_table(source)
    column = rows.schema.get_field_index("question_audios")
    field = rows.schema.field(column)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        path = folder / f"part_{number:02d}.parquet"
        if path.is_file():
            continue
        rng = np.random.default_rng(number)
        temporary = path.with_suffix(".tmp")
        with pq.ParquetWriter(temporary, rows.schema) as writer:
            for _ in range(ROWS_OF_A_FILE // ROWS_OF_A_GROUP):
                group = rows.take(rng.integers(len(rows), size=ROWS_OF_A_GROUP))
                noise = [[recording(rng)] for _ in range(ROWS_OF_A_GROUP)]
                group = group.set_column(column, field, pa.array(noise, field.type))
                writer.write_table(group)
        temporary.replace(path)


def recording(rng: np.random.Generator) -> bytes:
    """Noise as a WAV file."""
    file = io.BytesIO()
    samples = rng.integers(-3000, 3000, NUM_SAMPLES, dtype=np.int16)
    soundfile.write(file, samples, SPEECH_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def open_stream(addresses: str, assets: Assets) -> ExampleStream:
    """The set as the nano model's trainings read theirs."""
    config = OmniModel.from_pretrained(assets.omni).config
    spec = LayoutSpec.from_config(config)
    preparer = RowPreparer(
        tokenizer=tokenizer.load(assets.tokenizer),
        spec=spec,
        options=ExampleOptions(max_length=320),
        encoders=NoEncoder(),
    )
    return ExampleStream(
        RowGroups([addresses]),
        preparer,
        RowFormat(num_codes=spec.num_codes),
        StreamSettings(max_positions=MAX_POSITIONS),
        BadRows("fatal"),
    )


def resident_mb(stream: ExampleStream) -> list[float]:
    """MB resident after every batch of the first epoch."""
    process, found = psutil.Process(), []
    rows = stream.groups.num_rows
    with tqdm(total=rows, mininterval=10) as bar:
        for batch, position in stream.iterate():
            if position["epoch"] > 0:
                break
            found.append(process.memory_info().rss / 1e6)
            bar.update(len(batch["input_ids"]))
    return found


def main() -> None:
    """Write the set, read it, print and record the most memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/stream_memory"))
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    assets = Assets.find()
    source = assets.sft_a2a / "train.parquet"
    writer = Process(target=write_set, args=(arguments.work, source))
    writer.start()  # a process of its own, whose memory does not count
    writer.join()
    size = sum(path.stat().st_size for path in arguments.work.glob("*.parquet"))
    stream = open_stream(str(arguments.work / "*.parquet"), assets)
    rows = stream.groups.num_rows
    found = resident_mb(stream)
    fifths = [float(part.max()) for part in np.array_split(np.array(found), 5)]
    shown = ", ".join(f"{value:.0f}" for value in fifths)
    note = f"{rows:,} rows, {size / 1e9:.1f} GB; most in each fifth of it {shown}"
    print(f"stream_rss_mb: {max(found):.0f} ({note})")
    if arguments.record:
        figures.record(
            "stream_rss_mb",
            max(found),
            command="python benchmarks/stream_memory.py --record",
            note=note,
        )


if __name__ == "__main__":
    main()
