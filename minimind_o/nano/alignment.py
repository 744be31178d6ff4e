"""Which character of an answer every frame of its speech speaks."""

from collections.abc import Sequence

import numpy as np

from minimind_o.data.speech import Utterance


def sound_spans(
    utterance: Utterance, origins: Sequence[int], answer: str
) -> tuple[list[int], list[int]]:
    """When each sound of the utterance begins, and the character that it speaks.

    The synthesiser tells when words and phonemes begin, not which letters a phoneme
    stands for: the phonemes of a word are laid evenly over its letters. Some short
    words share an event with the word before (`on the`); then over the letters of both.
    A word begins with its event, which a stop consonant's closure keeps silent.

    Returns:
        First samples, ascending, and places in `answer`.
    """
    words: list[tuple[int, int]] = []
    for offset, sample in utterance.words:
        first = origins[min(offset, len(origins) - 1)]
        while answer[first : first + 1].isspace():
            first += 1  # some sentences are said to begin at the space before
        if first < len(answer) and answer[first].isalnum():
            words.append((first, sample))
    sounds = [item for item in utterance.phonemes if not item[0].startswith("_")]
    starts = [sample for _, sample in words]
    members: list[list[int]] = [[] for _ in words]
    for _, sample in sounds:
        word = int(np.searchsorted(starts, sample, side="right")) - 1
        members[max(word, 0)].append(sample)
    samples, characters = [], []
    for index, (first, start) in enumerate(words):
        following = words[index + 1][0] if index + 1 < len(words) else len(answer)
        letters = _letters(answer, first, following)
        inside = [start, *members[index][1:]]
        for rank, sample in enumerate(inside):
            samples.append(sample)
            characters.append(letters[rank * len(letters) // len(inside)])
    return samples, characters


def _letters(answer: str, first: int, following: int) -> list[int]:
    """Places of the letters from `first` to before the word at `following`."""
    stop = following if following > first else len(answer)
    places = range(first, stop)
    return [i for i in places if answer[i].isalnum() or answer[i] == "'"]


def frame_alignment(
    utterance: Utterance, origins: Sequence[int], answer: str, frame_size: int
) -> list[int]:
    """For each codec frame the character it speaks, -1 in the silence after."""
    num_frames = -(-len(utterance.wave) // frame_size)
    samples, characters = sound_spans(utterance, origins, answer)
    pauses = [s for name, s in utterance.phonemes if name.startswith("_:")]
    end = pauses[-1] if pauses else len(utterance.wave)
    alignment = []
    for frame in range(num_frames):
        middle = (frame + 0.5) * frame_size
        sound = int(np.searchsorted(samples, middle, side="right")) - 1
        alignment.append(characters[max(sound, 0)] if samples and middle < end else -1)
    return alignment
