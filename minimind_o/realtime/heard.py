"""What a listener has heard of an answer that was interrupted."""

from __future__ import annotations

FRAMES_OF_A_CHARACTER = 0.9
"""Of English text in the nano voices; where the end of the sound is not yet known."""
_HAN = range(0x3400, 0xA000)
FRAMES_OF_A_HAN_CHARACTER = 3.0


def heard_part(
    text: str, played: int, there_are: int, *, is_whole: bool, frame_size: int = 1920
) -> str:
    """The words of `text` of which all sound was played.

    Text and sound do not know of each other, so it is taken that sound goes evenly
    through the text: by its length where all of it is there, and else by the least
    that it can be (`there_are`) and what such a text takes.

    Args:
        text: as far as it was written.
        played: samples that were played.
        there_are: samples that there are so far.
        is_whole: no more will come.
        frame_size: samples of a frame.
    """
    if not played:
        return ""
    total = there_are
    if not is_whole:
        total = max(total, round(_frames_of(text) * frame_size))
    share = played / total
    if share >= 1:
        return text
    reached = int(len(text) * share)
    if any(ord(c) in _HAN for c in text):
        return text[:reached]
    end = text.rfind(" ", 0, reached + 1)
    return text[: max(end, 0)]


def _frames_of(text: str) -> float:
    han = sum(ord(character) in _HAN for character in text)
    return FRAMES_OF_A_HAN_CHARACTER * han + FRAMES_OF_A_CHARACTER * (len(text) - han)
