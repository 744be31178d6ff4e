"""Floor and ceiling: what the transcriber makes of speech that is right.

A figure of a model's speech alone can flatter or slander: the transcriber errs by
itself, and the codec loses something before the model can. So the data's own recordings
of the same answers are transcribed, too: before the codec (the floor: what remains when
nothing is wrong) and through the codec (the ceiling: what perfect codes would reach).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from minimind_o.evaluation.cases import Case
from minimind_o.evaluation.hearing import Hearing, hear
from minimind_o.evaluation.transcribe import Transcriber, Wave
from minimind_o.frozen.mimi import Mimi

Yardstick = tuple[Hearing | None, Hearing | None]
"""Floor and ceiling of one answer, where they are known."""


def measure_yardsticks(
    cases: Sequence[Case],
    originals: Sequence[Wave | None],
    mimi: Mimi,
    transcriber: Transcriber,
) -> list[Yardstick]:
    """Floor and ceiling of each case's answer in the data.

    Where originals are known both are measured on the same recordings, so that their
    difference is the codec's alone. Where none is known there is no floor and the
    ceiling is that of the codes in the data.

    Args:
        cases: with their answers.
        originals: (N,) recordings of these answers before the codec, or None.
        mimi: the codec.
        transcriber: who listens.
    """
    before = {i: wave for i, wave in enumerate(originals) if wave is not None}
    if before:
        after = {i: through_codec(mimi, wave) for i, wave in before.items()}
    else:
        after = {
            i: decode(mimi, case.answer_codes_QF)
            for i, case in enumerate(cases)
            if case.answer_codes_QF is not None
        }

    def listen(waves: dict[int, Wave]) -> dict[int, Hearing]:
        heard = hear(
            [cases[i].answer for i in waves],
            list(waves.values()),
            [cases[i].language for i in waves],
            transcriber,
            mimi.sample_rate,
        )
        return dict(zip(waves, heard, strict=True))

    floors, ceilings = listen(before), listen(after)
    return [(floors.get(i), ceilings.get(i)) for i in range(len(cases))]


def decode(mimi: Mimi, codes_QF: object) -> Wave:
    """The wave of one answer's codes; no samples for no frames."""
    codes_BQF = torch.as_tensor(codes_QF, dtype=torch.int64)[None]
    if codes_BQF.shape[-1] == 0:
        return torch.zeros(0).numpy()
    return mimi.decode(codes_BQF)[0].numpy()


def through_codec(mimi: Mimi, wave_N: Wave) -> Wave:
    """A recording as its own codes say it."""
    codes_BQF = mimi.encode(torch.from_numpy(wave_N)[None])
    return mimi.decode(codes_BQF)[0].numpy()
