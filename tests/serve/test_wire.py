"""Frames of the web socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimind_o.errors import UserError
from minimind_o.serve.wire import pack, unpack


@given(
    st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.booleans())),
    st.binary(),
)
def test_what_is_packed_is_unpacked(message: dict, payload: bytes) -> None:
    assert unpack(pack(message, payload)) == (message, payload)


@given(st.one_of(st.text(), st.binary(max_size=200)))
def test_other_frames_are_refused_or_are_messages(frame: object) -> None:
    try:
        message, _ = unpack(frame)
    except UserError:
        return
    assert isinstance(message, dict)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ('{"kind": "ask"}', "text"),
        (b"", "length"),
        (b"\x05\x00\x00\x00{}", "length"),
        (b"\x02\x00\x00\x00[]", "object"),
        (b"\x02\x00\x00\x00{]", "JSON"),
        ((60_000).to_bytes(4, "little") + b"[" * 60_000, "JSON"),
    ],
)
def test_a_refusal_says_why(frame: object, said: str) -> None:
    with pytest.raises(UserError, match=said):
        unpack(frame)
