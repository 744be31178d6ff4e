"""What the nano tokenizer is trained on: single words, so that merges never cross them.

The Talker looks up what it speaks token by token. Were every word one token, it would
have to know by heart how each sounds, and to count where in it it is; a piece of one to
three letters is said in two or three frames and sounds much the same wherever it
stands. A Mandarin character, three bytes, is one piece.
"""

from collections.abc import Iterator

from minimind_o.data import vocabulary
from minimind_o.data.world import fact_dialogues

LONGEST_PIECE = 3  # bytes


def tokenizer_texts(repeat: int = 20) -> Iterator[str]:
    """Words with and without a leading space and a capital; characters one by one."""
    words = (
        *vocabulary.all_english_words(),
        *vocabulary.HETERONYMS,
        *vocabulary.HOMOPHONES,
    )
    characters = set("".join(vocabulary.MANDARIN_WORDS))
    for split in ("train", "validation", "test"):
        for dialogue in fact_dialogues("zh", split):
            characters |= {
                c for c in dialogue.question + dialogue.answer if not c.isascii()
            }
    for _ in range(repeat):
        for word in sorted(set(words)):
            capital = word[0].upper() + word[1:]
            yield from (f" {word}", f" {word}", word, capital, capital)
        yield from 3 * sorted(characters)
        yield from (
            "Say:",
            "读：",
            "Say: ",
            "user\n",
            "assistant\n",
            " x ",
            " + ",
            " - ",
        )
