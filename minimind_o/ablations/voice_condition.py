"""What gives an answer its voice? (Paper, tables 3 and 7.)

A Talker is told whose voice to speak in by reference codes, by a speaker vector, by
both, or not at all; it is trained and asked in the same way. The world has the five
seen voices and the tail of random ones, so that following a prompt can be learned, and
short answers only: similarity asks for a voice, not for long sentences.

Alone of the experiments it starts from all of the shipped model, whose Talker follows
prompts of every kind, and goes on with one kind only, at the rate of the recipe's last
stage. A new Talker learns to speak in so few steps, but not in whose voice (LOG.md).

Twelve voices, seven of them never heard in training, answer the same four questions.
The speaker encoder says how near each answer is to the voice that was asked for, and
whether that voice is the nearest of the twelve. Beside it stand, answer by answer, the
errors of what a transcriber heard (`cer_errors` of `cer_lengths`) and how near the
voice prompt itself is to its speaker vector once it has been through the codec
(`reference_similarity`): does a voice get lost where the speech is unclear, or where
the prompt is poor?
"""

from dataclasses import replace
from functools import partial

import numpy as np

from minimind_o.ablations.closed_world import ANYONE, Choice, choose, write_world
from minimind_o.ablations.experiment import Experiment, Measures, Setting, Trained
from minimind_o.ablations.measures import answer, cases_of
from minimind_o.data.speech import SEEN_VOICES
from minimind_o.evaluation.consistency import compare
from minimind_o.evaluation.voices import speaker_vectors, voice_vectors
from minimind_o.evaluation.yardsticks import decode

QUESTIONS_A_VOICE = 4
MANY_VOICES = partial(
    write_world, choice=Choice(voices=(*SEEN_VOICES, ANYONE), max_words=5)
)
"""The world of the experiments with voices."""


def measure_voices(run: Trained) -> Measures:
    """How near each answer is to its voice, how clear it is, and its prompt's own."""
    bench, voices = run.bench, run.bench.voices
    centres_VS = voice_vectors(voices)
    asked = [
        (
            index,
            replace(
                case,
                reference_codes_QR=voice.codes_QT.astype(np.int32),
                speaker_embedding=voice.speaker_embedding_S,
            ),
        )
        for index, voice in enumerate(voices)
        for case in choose(cases_of(run), QUESTIONS_A_VOICE)
    ]
    answers = answer(run, [case for _, case in asked])
    own = [index for index, _ in asked]
    waves = [decode(bench.mimi, a.codes_QF) for a in answers]
    vectors_NS = speaker_vectors(waves, bench.mimi.sample_rate, bench.campplus)
    items = compare([case for _, case in asked], answers, bench.mimi, bench.transcriber)
    errors = [item.hearing.characters.errors for item in items]
    lengths = [item.hearing.characters.length for item in items]
    prompts_VS = speaker_vectors(
        [decode(bench.mimi, voice.codes_QT) for voice in voices],
        bench.mimi.sample_rate,
        bench.campplus,
    )
    of_prompts = (prompts_VS * centres_VS).sum(dim=1).tolist()
    cosines_NV = vectors_NS @ centres_VS.T
    nearest = cosines_NV.argmax(dim=1).tolist()
    is_heard = vectors_NS.any(dim=1).tolist()
    similarity = [float(cosines_NV[row, index]) for row, index in enumerate(own)]
    names = [voices[index].name for index in own]
    found: Measures = {
        "voice": names,
        "voice_similarity": similarity,
        "is_nearest": [
            int(heard and guess == index)
            for heard, guess, index in zip(is_heard, nearest, own, strict=True)
        ],
        "reference_similarity": [of_prompts[index] for index in own],
        "cer": sum(errors) / max(sum(lengths), 1),
        "cer_errors": errors,
        "cer_lengths": lengths,
    }
    for split in ("seen", "unseen"):
        values = [
            value
            for value, name in zip(similarity, names, strict=True)
            if (name in SEEN_VOICES) == (split == "seen")
        ]
        found[f"similarity_{split}"] = sum(values) / max(len(values), 1)
    return found


EXPERIMENT = Experiment(
    name="voice_condition",
    question="What gives an answer its voice?",
    settings=tuple(
        Setting(
            name=name,
            what=what,
            data={"reference_probability": codes, "speaker_probability": vector},
        )
        for name, what, codes, vector in (
            ("none", "nothing", 0.0, 0.0),
            ("codes", "reference codes", 1.0, 0.0),
            ("vector", "speaker vector", 0.0, 1.0),
            ("both", "both", 1.0, 1.0),
        )
    ),
    world=MANY_VOICES,
    measure=measure_voices,
    start="whole",
    recipe={"learning_rate": 1e-3},
)
