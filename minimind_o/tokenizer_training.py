"""Train a byte-level BPE that is interchangeable with the released tokenizer.

Same control tokens at the same ids, same chat rendering, same file format; only the
learned pieces differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from minimind_o.chat import (
    AUDIO_PLACEHOLDER,
    CHAT_TEMPLATE,
    CONTROL_TOKENS,
    IMAGE_PLACEHOLDER,
    NUM_SPECIAL_TOKENS,
    PAD,
    TURN_END,
    TURN_START,
)
from minimind_o.errors import UserError

ROLES = ("system", "user", "assistant")


def train_bpe(
    texts: Iterable[str],
    vocab_size: int,
    out_dir: str | Path,
    *,
    whole_words: Sequence[str] | None = None,
    longest_piece: int | None = None,
) -> int:
    """Train a tokenizer and write its directory.

    Args:
        texts: the corpus.
        vocab_size: most ids to use: 36 control tokens, 256 bytes, learned pieces.
        out_dir: gets tokenizer.json and tokenizer_config.json.
        whole_words: learn no pieces but these words, each with and without a space
            before it, the characters of the corpus beyond ASCII, and the roles. Then
            no piece spans two words, so that every spoken word has positions of its
            own: in Chinese, which has no spaces, plain BPE merges across words.
        longest_piece: most bytes of a learned piece, None for no limit; a Chinese
            character has 3.

    Returns:
        The number of ids, at most `vocab_size`.

    Raises:
        UserError: if `vocab_size` has no room for the bytes or for `whole_words`.
    """
    smallest = len(CONTROL_TOKENS) + 256
    if vocab_size < smallest:
        raise UserError(f"vocab_size is {vocab_size}; it must be at least {smallest}.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2 if whole_words is None else 1,
        special_tokens=[AddedToken(t, normalized=False) for t in CONTROL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        # The library stops one short of the length that it is given.
        max_token_length=None if longest_piece is None else longest_piece + 1,
        show_progress=False,
    )
    units = None if whole_words is None else _units(texts, whole_words)
    tokenizer.train_from_iterator(texts if units is None else units, trainer)
    if units is not None:
        _check_units(tokenizer, units, vocab_size)

    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    description = json.loads(tokenizer.to_str())
    for token in description["added_tokens"]:
        token["special"] = token["id"] < NUM_SPECIAL_TOKENS
    _write_json(folder / "tokenizer.json", description)
    _write_json(folder / "tokenizer_config.json", _settings())
    return tokenizer.get_vocab_size(with_added_tokens=True)


def _units(texts: Iterable[str], whole_words: Sequence[str]) -> list[str]:
    characters = {c for text in texts for c in text if not c.isascii()}
    words = {word for word in whole_words if word}
    spaced = {f" {word}" for word in words if word.isascii()}
    # Sorted, because the order decides ties between merges, and so the ids.
    return sorted(words | spaced | characters | set(ROLES))


def _check_units(tokenizer: Tokenizer, units: list[str], vocab_size: int) -> None:
    split = tokenizer.pre_tokenizer
    assert split is not None
    for unit in units:
        pieces = tokenizer.encode(unit, add_special_tokens=False).tokens
        if len(pieces) > len(split.pre_tokenize_str(unit)):
            raise UserError(
                f"vocab_size {vocab_size} leaves {unit!r} in {len(pieces)} pieces; "
                "it must be larger for every word to be one token."
            )


def _settings() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": TURN_START,
        "eos_token": TURN_END,
        "pad_token": PAD,
        "unk_token": PAD,
        "audio_token": AUDIO_PLACEHOLDER,
        "image_token": IMAGE_PLACEHOLDER,
        "additional_special_tokens": list(CONTROL_TOKENS[1:NUM_SPECIAL_TOKENS]),
        "clean_up_tokenization_spaces": False,
        "model_max_length": 131072,
        "chat_template": CHAT_TEMPLATE,
    }


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", "utf-8")
