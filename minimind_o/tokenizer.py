"""The text tokenizer: a directory of tokenizer.json and tokenizer_config.json.

Reads the released directory and our own (see `minimind_o.tokenizer_training`). Works on
the ``tokenizers`` library alone: importing transformers costs more than a second, and
the first sound must not wait for it.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as FastTokenizer

from minimind_o.chat import (
    AUDIO_PLACEHOLDER,
    EMPTY_THOUGHT,
    IMAGE_PLACEHOLDER,
    PAD,
    TURN_END,
    TURN_START,
    Turn,
    check_turns,
    compile_template,
    split_thought,
)
from minimind_o.errors import UserError
from minimind_o.tokenizer_training import train_bpe

__all__ = ["EncodedConversation", "StreamDecoder", "Tokenizer", "load", "train_bpe"]


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedConversation:
    """A rendered conversation as ids, and where its last answer is."""

    text_ids: list[int]
    """All turns, closed by the end marker and a newline."""
    assistant_start: int
    """First position of the last answer, after its thought."""
    label_start: int
    """First position of the last assistant turn's content, thought included."""
    answer: str
    """The last answer's text, without its thought."""
    answer_positions: NDArray[np.int32]
    """(len(answer),): the position of the token that holds each character."""


class Tokenizer:
    """Encodes text and conversations, decodes ids at once or as they come."""

    def __init__(self, fast: FastTokenizer, chat_template: str) -> None:
        self._fast = fast
        self._source = chat_template
        self._template = compile_template(chat_template)
        added = fast.get_added_tokens_decoder()
        self._special = {index for index, token in added.items() if token.special}
        self._added = {index: token.content for index, token in added.items()}
        self.pad_id = self.token_id(PAD)
        self.turn_start_id = self.token_id(TURN_START)
        self.turn_end_id = self.token_id(TURN_END)
        self.audio_placeholder_id = self.token_id(AUDIO_PLACEHOLDER)
        self.image_placeholder_id = self.token_id(IMAGE_PLACEHOLDER)

    @property
    def vocab_size(self) -> int:
        """Number of ids, control tokens included."""
        return self._fast.get_vocab_size(with_added_tokens=True)

    @property
    def digest(self) -> str:
        """Twelve letters that another vocabulary, merge or template would change."""
        contents = self._fast.to_str() + self._source
        return hashlib.sha256(contents.encode()).hexdigest()[:12]

    def token_id(self, name: str) -> int:
        """The id of a token by its name.

        Raises:
            UserError: if the vocabulary lacks it.
        """
        index = self._fast.token_to_id(name)
        if index is None:
            raise UserError(f"The tokenizer has no token {name!r}.")
        return index

    def encode(self, text: str) -> list[int]:
        """Ids of a text; control tokens written in it become their ids."""
        return self._fast.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """Text of ids; incomplete UTF-8 shows as U+FFFD."""
        decoder = self.stream_decoder(skip_special=skip_special)
        return "".join(map(decoder.push, ids)) + decoder.finish()

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Each id's own text, for labels in tables and figures."""
        return [self.token_bytes(int(i)).decode("utf-8", "replace") for i in ids]

    def token_bytes(self, index: int) -> bytes:
        """The UTF-8 bytes one id stands for (a part of a character, sometimes).

        Raises:
            UserError: for an id outside the vocabulary.
        """
        if index in self._added:
            return self._added[index].encode()
        token = self._fast.id_to_token(index)
        if token is None:
            raise UserError(f"Id {index} is outside 0..{self.vocab_size - 1}.")
        return bytes(_BYTE_OF_CHARACTER[character] for character in token)

    def is_special(self, index: int) -> bool:
        """True for control tokens that are never shown."""
        return index in self._special

    def stream_decoder(self, *, skip_special: bool = True) -> StreamDecoder:
        """A decoder to push ids into one at a time."""
        return StreamDecoder(self, skip_special=skip_special)

    def render(
        self,
        turns: Sequence[Turn],
        *,
        add_generation_prompt: bool = False,
        open_thinking: bool = False,
        remove_empty_thought: bool = True,
    ) -> str:
        """Apply the chat template.

        Args:
            turns: system, user and assistant turns.
            add_generation_prompt: end with the opening of an assistant turn.
            open_thinking: leave the thought open for the model to write.
            remove_empty_thought: drop the ``<think>`` block where it is empty, as the
                released training data mostly does.
        """
        check_turns(turns)
        text = self._template.render(
            messages=list(turns),
            add_generation_prompt=add_generation_prompt,
            open_thinking=open_thinking,
        )
        return text.replace(EMPTY_THOUGHT, "") if remove_empty_thought else text

    def encode_conversation(
        self, turns: Sequence[Turn], *, remove_empty_thought: bool = True
    ) -> EncodedConversation:
        """Encode a finished conversation for training.

        Raises:
            UserError: if it does not end with an assistant turn.
        """
        check_turns(turns)
        if turns[-1]["role"] != "assistant":
            raise UserError("The conversation must end with an assistant turn.")
        _, answer = split_thought(turns[-1]["content"])
        text = self.render(turns, remove_empty_thought=remove_empty_thought)
        answer_end = len(text) - len(f"{TURN_END}\n")
        answer_start = answer_end - len(answer)
        header = f"{TURN_START}assistant\n"
        turn_start = text.rindex(header, 0, answer_start) + len(header)

        encoding = self._fast.encode(text, add_special_tokens=False)
        starts = np.array([start for start, _ in encoding.offsets])
        ends = np.array([end for _, end in encoding.offsets])
        # The first token that reaches beyond a character holds it (or its first bytes).
        characters = np.arange(answer_start, answer_end)
        return EncodedConversation(
            text_ids=encoding.ids,
            assistant_start=int(np.searchsorted(starts, answer_start)),
            label_start=int(np.searchsorted(starts, turn_start)),
            answer=answer,
            answer_positions=np.searchsorted(ends, characters, "right").astype(
                np.int32
            ),
        )

    def encode_prompt(
        self,
        turns: Sequence[Turn],
        *,
        open_thinking: bool = False,
        remove_empty_thought: bool = True,
    ) -> list[int]:
        """Encode a conversation up to the answer that is to be generated.

        Raises:
            UserError: if it ends with an assistant turn or an empty question.
        """
        check_turns(turns)
        if turns[-1]["role"] != "user":
            raise UserError("The conversation must end with a user turn.")
        if not turns[-1]["content"].strip():
            raise UserError("The question is empty; ask something.")
        return self.encode(
            self.render(
                turns,
                add_generation_prompt=True,
                open_thinking=open_thinking,
                remove_empty_thought=remove_empty_thought,
            )
        )


class StreamDecoder:
    """Turns ids into text as they come, never cutting a character in two."""

    def __init__(self, tokenizer: Tokenizer, *, skip_special: bool = True) -> None:
        self._tokenizer = tokenizer
        self._skip_special = skip_special
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, index: int) -> str:
        """The text that became complete with this id, often one word, maybe none."""
        index = int(index)
        if self._skip_special and self._tokenizer.is_special(index):
            return ""
        return self._decoder.decode(self._tokenizer.token_bytes(index))

    def finish(self) -> str:
        """What is left: U+FFFD if the ids ended inside a character."""
        return self._decoder.decode(b"", final=True)


def load(directory: str | Path) -> Tokenizer:
    """Load a tokenizer directory.

    The chat template is in `chat_template.jinja` where there is one, as newer releases
    of transformers write it, otherwise in `tokenizer_config.json`.

    Raises:
        UserError: naming the file that is missing or unreadable.
    """
    folder = Path(directory)
    model, settings = folder / "tokenizer.json", folder / "tokenizer_config.json"
    for path in (model, settings):
        if not path.is_file():
            raise UserError(f"{path} is missing; a tokenizer directory must hold it.")
    try:
        fast = FastTokenizer.from_file(str(model))
    except Exception as error:  # the Rust library raises plain Exception
        raise UserError(f"{model} is not a readable tokenizer: {error}.") from error
    template_file = folder / "chat_template.jinja"
    if template_file.is_file():
        try:
            return Tokenizer(fast, template_file.read_text("utf-8"))
        except UnicodeDecodeError as error:
            raise UserError(f"{template_file} is not UTF-8: {error}.") from error
    try:
        template = json.loads(settings.read_text("utf-8"))["chat_template"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{settings} must be JSON with a chat_template.") from error
    return Tokenizer(fast, template)


def _byte_alphabet() -> dict[str, int]:
    # GPT-2's byte-level alphabet: printable Latin-1 stands for itself, the other
    # bytes for the code points from 256 on, in order.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    alphabet.update({chr(256 + rank): byte for rank, byte in enumerate(others)})
    return alphabet


_BYTE_OF_CHARACTER = _byte_alphabet()
