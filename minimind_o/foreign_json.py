"""JSON from outside: whatever is wrong with it is a `ValueError`.

Python's own reader raises `RecursionError` where arrays are nested deeply enough.
"""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """What `text` says.

    Raises:
        ValueError: it is not JSON, not UTF-8, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
