"""Which sounds better? Asked so that the listener cannot know which is which.

Every pair is played in a random order, and the names of the two come to the page only
when all pairs have been judged.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import traitlets
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from minimind_o import plots
from minimind_o.errors import UserError
from minimind_o.listening import flac
from minimind_o.widgets.twin import AudioWidget, Twin

T = TypeVar("T")
CHOICES = ("first", "second", "same")
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Preference:
    """What a listener's choices come to.

    The interval is Clopper and Pearson's, of `share`; `p_value` is that of a listener
    who tosses a coin (the exact two-sided binomial test). Both leave `same` out.
    """

    counts: Mapping[str, int]
    """Pairs in which each name was preferred, and "same"."""
    share: float
    """Of the first name among the pairs in which either was preferred."""
    low: float
    high: float
    p_value: float

    def __str__(self) -> str:
        counts = ", ".join(f"{name}: {count}" for name, count in self.counts.items())
        first = next(iter(self.counts))
        return (
            f"{counts}. {first} is preferred in {100 * self.share:.0f} % "
            f"({100 * self.low:.0f} to {100 * self.high:.0f}); a coin would do so as "
            f"clearly with probability {self.p_value:.2f}."
        )


def preference(names: tuple[str, str], chosen: Sequence[str]) -> Preference:
    """Count choices, each one of the names or "same".

    Raises:
        UserError: no pair was judged.
    """
    if not chosen:
        raise UserError("no pair was judged yet.")
    counts = {name: list(chosen).count(name) for name in (*names, "same")}
    first, either = counts[names[0]], counts[names[0]] + counts[names[1]]
    if not either:
        return Preference(counts=counts, share=0.5, low=0.0, high=1.0, p_value=1.0)
    test = binomtest(first, either)
    interval = test.proportion_ci(CONFIDENCE)
    return Preference(
        counts=counts,
        share=first / either,
        low=float(interval.low),
        high=float(interval.high),
        p_value=float(test.pvalue),
    )


class ABListener(AudioWidget):
    """Judge pairs, blind.

    Args:
        names: of the two that are compared.
        pairs: label of a pair to its two sounds (N,), in the order of the names.
        sample_rate: of the sounds.
        question: what is to be judged.
        seed: of the orders.
    """

    _esm = Path(__file__).with_name("ab_listener.js")
    trial = traitlets.Int(0).tag(sync=True)
    trials = traitlets.Int(0).tag(sync=True)
    question = traitlets.Unicode("").tag(sync=True)
    result = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        names: tuple[str, str],
        pairs: Mapping[str, tuple[ArrayLike, ArrayLike]],
        sample_rate: int = 24_000,
        question: str = "Which sounds better?",
        seed: int = 0,
    ) -> None:
        if not pairs or len(set(names)) < 2:
            raise UserError("a comparison needs two names and at least one pair.")
        self._names, self._sample_rate = names, sample_rate
        self._pairs = dict(pairs)
        rng = random.Random(seed)
        self._order = rng.sample(list(pairs), len(pairs))
        self._is_swapped = [rng.random() < 0.5 for _ in pairs]
        self.chosen: list[str] = []
        """A name or "same", pair by pair as they were judged."""
        super().__init__(trials=len(pairs), question=question)
        self.on_msg(self._received)

    def choose(self, choice: str) -> None:
        """Judge the pair at hand, as the buttons do.

        Args:
            choice: "first", "second" (in the order in which they are played) or "same".

        Raises:
            UserError: another choice, or all pairs have been judged.
        """
        if choice not in CHOICES:
            raise UserError(f"a choice is one of {', '.join(CHOICES)}, not '{choice}'.")
        if self.trial >= self.trials:
            raise UserError("all pairs have been judged.")
        if choice == "same":
            self.chosen.append("same")
        else:
            side = CHOICES.index(choice) ^ self._is_swapped[self.trial]
            self.chosen.append(self._names[side])
        if len(self.chosen) == self.trials:
            self.result = str(self.preference)
        self.trial += 1

    @property
    def preference(self) -> Preference:
        """What the choices so far come to.

        Raises:
            UserError: there is none yet.
        """
        return preference(self._names, self.chosen)

    def twin(self) -> Twin:
        """The first pair as it is played, and what was preferred so far."""
        counts = {name: self.chosen.count(name) for name in (*self._names, "same")}
        return Twin(
            plots.preferences(counts),
            dict(
                zip(
                    CHOICES[:2],
                    self._in_order(self._pairs[self._order[0]], 0),
                    strict=True,
                )
            ),
            self._sample_rate,
            "in how many pairs each was preferred",
            secret=", ".join(self._in_order(self._names, 0)),
        )

    def _in_order(self, both: tuple[T, T], trial: int) -> tuple[T, T]:
        return (both[1], both[0]) if self._is_swapped[trial] else both

    def _sounds(self, trial: int) -> list[bytes]:
        sounds = self._in_order(self._pairs[self._order[trial]], trial)
        return [flac(sound, self._sample_rate) for sound in sounds]

    def _received(self, _widget: object, content: object, _buffers: object) -> None:
        match content:
            case {"kind": "pair", "trial": int(trial)} if 0 <= trial < self.trials:
                self.send({"kind": "pair", "trial": trial}, buffers=self._sounds(trial))
            case {"kind": "choice", "trial": int(trial), "choice": str(choice)}:
                if trial == self.trial and choice in CHOICES:
                    self.choose(choice)
