"""The text side of an answer: drawn until the turn's end, then the layout's silence."""

import torch
from torch import Tensor

from minimind_o.generation.sampling import SamplingConfig, sample
from minimind_o.tokenizer import Tokenizer


class TextStream:
    """Draws the answer's tokens and says what the model reads next.

    After the turn's end the text stream gets what a training example has there: the
    rest of the template's closing (a newline), then pad.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        sampling: SamplingConfig,
        *,
        forbidden_V: Tensor,
        max_tokens: int,
    ) -> None:
        self.next_id = tokenizer.pad_id
        """What stands in the text stream at the newest position."""
        self.last_piece = ""
        """The text that the last token completed."""
        self.has_ended = False
        """The turn's end is written: text logits are no longer needed."""
        self.was_cut = False
        """It ended because it was as long as allowed."""
        self._tokenizer = tokenizer
        self._sampling = sampling
        self._forbidden_V = forbidden_V
        self._num_left = max_tokens
        self._closing = tokenizer.encode("\n")
        self._decoder = tokenizer.stream_decoder()
        self._pieces: list[str] = []

    def advance(
        self, logits_1V: Tensor | None, generator: torch.Generator | None
    ) -> int | None:
        """Go one position on; the token, where it belongs to the answer."""
        if self.has_ended:
            pad = self._tokenizer.pad_id
            self.next_id = self._closing.pop(0) if self._closing else pad
            return None
        assert logits_1V is not None
        drawn_1 = sample(
            logits_1V,
            self._sampling,
            forbidden_NV=self._forbidden_V,
            generator=generator,
        )
        self.next_id = int(drawn_1)
        self.was_cut = (
            self._num_left == 0 and self.next_id != self._tokenizer.turn_end_id
        )
        if self.was_cut:
            self.next_id = self._tokenizer.turn_end_id
        if self.next_id == self._tokenizer.turn_end_id:
            self.has_ended = True
            return None
        self._num_left -= 1
        self.last_piece = self._decoder.push(self.next_id)
        self._pieces.append(self.last_piece)
        return self.next_id

    def finish(self) -> str:
        """The whole text."""
        return "".join(self._pieces) + self._decoder.finish()


def forbidden_text(
    tokenizer: Tokenizer, vocab_size: int, device: torch.device | str = "cpu"
) -> Tensor:
    """(V,): -inf for control tokens other than the turn's end, and for unused ids."""
    forbidden = torch.zeros(vocab_size, device=device)
    forbidden[tokenizer.vocab_size :] = -torch.inf
    for index in range(min(tokenizer.vocab_size, vocab_size)):
        if tokenizer.is_special(index) and index != tokenizer.turn_end_id:
            forbidden[index] = -torch.inf
    return forbidden
