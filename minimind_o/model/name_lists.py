"""How the parameters found differ from those expected, in few words, none left out.

What differs only in its numbers, in every combination of them, is one entry, such as
`talker.layers.{0-3}.norm.weight`.
"""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from torch import Size, Tensor

_NUMBER = re.compile(r"\d+")


def differences(
    expected: Mapping[str, Size],
    found: Mapping[str, Tensor],
    optional: Collection[str] = (),
) -> str:
    """Every name that is missing, unexpected or of another shape; empty for none.

    Args:
        expected: the shapes by name.
        found: the tensors by name.
        optional: names of `expected` that need not be there.
    """
    misshapen: dict[str, list[str]] = defaultdict(list)
    for name in expected.keys() & found.keys():
        if found[name].shape != expected[name]:
            shapes = (tuple(found[name].shape), tuple(expected[name]))
            misshapen["{} instead of {}".format(*shapes)].append(name)
    kinds = {
        "missing": compact(expected.keys() - found.keys() - set(optional)),
        "unexpected": compact(found.keys() - expected.keys()),
        "of another shape": sorted(
            f"{entry} {shapes}"
            for shapes, names in misshapen.items()
            for entry in compact(names)
        ),
    }
    return "; ".join(
        f"{kind}: {', '.join(entries)}" for kind, entries in kinds.items() if entries
    )


def compact(names: Iterable[str]) -> list[str]:
    """The same names, sorted, those of one pattern as one entry.

    >>> compact(["a.0.b", "a.1.b", "a.3.b", "c"])
    ['a.{0-1,3}.b', 'c']
    """
    by_pattern: dict[str, set[tuple[int, ...]]] = defaultdict(set)
    for name in names:
        numbers = tuple(int(number) for number in _NUMBER.findall(name))
        by_pattern[_NUMBER.sub("#", name)].add(numbers)
    entries = []
    for pattern, found in by_pattern.items():
        places = [sorted(set(column)) for column in zip(*found, strict=True)]
        if len(found) == math.prod(len(place) for place in places):
            entries.append(_filled(pattern, [_ranges(place) for place in places]))
        else:  # not every combination: one by one
            entries += [_filled(pattern, [str(n) for n in one]) for one in found]
    return sorted(entries)


def _filled(pattern: str, numbers: list[str]) -> str:
    rest = iter(numbers)
    return re.sub("#", lambda _: next(rest), pattern)


def _ranges(numbers: list[int]) -> str:
    """Sorted numbers as `3` or `{0-2,5}`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    if len(numbers) == 1:
        return str(numbers[0])
    shown = (str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)
    return "{" + ",".join(shown) + "}"
