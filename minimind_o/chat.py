"""The chat format: control tokens, the template, and where media runs go.

A turn is rendered ``<|im_start|>role\\ncontent<|im_end|>\\n``; before an assistant's
content stands its thought, ``<think>\\nthought\\n</think>\\n\\n``, empty or not. Names,
ids and rendering are those of the released tokenizer, so that its files and ours are
interchangeable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from minimind_o.errors import UserError

Turn = Mapping[str, str]
"""``{"role": "user", "content": "…"}``"""

CONTROL_TOKENS: tuple[str, ...] = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|audio_start|>",
    "<|audio_end|>",
    "<|audio_pad|>",
    "<tts_pad>",
    "<tts_text_bos>",
    "<tts_text_eod>",
    "<tts_text_bos_single>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
    *(f"<|buffer{number}|>" for number in range(1, 10)),
)
"""Ids 0..35, in order."""

NUM_SPECIAL_TOKENS = 21
"""Ids below it never show in decoded text; tool and thought marks do."""

TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
PAD = "<|endoftext|>"
AUDIO_PLACEHOLDER = "<|audio_pad|>"
IMAGE_PLACEHOLDER = "<|image_pad|>"
IMAGE_MARK = "<image>"
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"

CHAT_TEMPLATE = """\
{%- for turn in messages -%}
{%- set text = turn.content if turn.content is string else '' -%}
{{- '<|im_start|>' + turn.role + '\\n' -}}
{%- if turn.role == 'assistant' -%}
{%- set thought = turn.reasoning_content -%}
{%- if thought is not string -%}
{%- set parts = text.split('</think>') -%}
{%- set thought = parts[0].split('<think>')[-1] if parts | length > 1 else '' -%}
{%- set text = parts[-1] -%}
{%- endif -%}
{{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + text.lstrip('\\n') -}}
{%- else -%}
{{- text -}}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n<think>\\n' -}}
{%- if not open_thinking -%}{{- '\\n</think>\\n\\n' -}}{%- endif -%}
{%- endif -%}
"""
"""Jinja template for system, user and assistant turns; calls of tools are left out."""


def compile_template(template: str) -> Template:
    """Compile a chat template in the sandbox and dialect that transformers uses.

    Raises:
        UserError: if the template is not valid Jinja.
    """
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = _to_json
    try:
        return environment.from_string(template)
    except TemplateError as error:
        raise UserError(f"The chat template is not valid Jinja: {error}.") from error


def split_thought(content: str) -> tuple[str, str]:
    """An assistant's content as (thought, answer); the thought may be empty."""
    head, mark, answer = content.rpartition("</think>")
    thought = head.split("</think>")[0].rpartition("<think>")[2] if mark else ""
    return thought.strip("\n"), answer.lstrip("\n")


def add_media(content: str, audio_frames: int = 0, image_tokens: int = 0) -> str:
    """Append placeholder runs to a user turn: speech after the text, then the image.

    Args:
        content: the turn's text; the ``<image>`` mark of released rows is removed.
        audio_frames: length of the speech encoder's output (one per 60 ms).
        image_tokens: length of the vision encoder's output, 0 for no image.
    """
    if image_tokens:
        content = content.replace(f"{IMAGE_MARK}\n", "").replace(IMAGE_MARK, "")
    if audio_frames:
        content += "\n\n" + AUDIO_PLACEHOLDER * audio_frames
    if image_tokens:
        content += "\n\n" + IMAGE_PLACEHOLDER * image_tokens
    return content


def place_media(
    turns: Sequence[Turn],
    audio_frames: Sequence[int] = (),
    image_tokens: Sequence[int] = (),
) -> list[Turn]:
    """A conversation with the placeholder runs of its recordings and pictures.

    Recordings belong to the last user turns, one each. A picture belongs to the user
    turn that has its ``<image>`` mark, and without marks to the last one.

    Args:
        turns: the conversation.
        audio_frames: length of each recording's states.
        image_tokens: length of each picture's states.

    Raises:
        UserError: more recordings than user turns, or marks for other than the number
            of pictures.
    """
    users = [index for index, turn in enumerate(turns) if turn["role"] == "user"]
    if len(audio_frames) > len(users):
        raise UserError(
            f"The conversation has {len(audio_frames)} recordings and {len(users)} "
            "user turns; a user turn can hold one recording."
        )
    marks = [i for i in users for _ in range(turns[i]["content"].count(IMAGE_MARK))]
    if marks and len(marks) != len(image_tokens):
        raise UserError(
            f"The conversation has {len(marks)} {IMAGE_MARK} marks and "
            f"{len(image_tokens)} pictures; the two must be equal."
        )
    if image_tokens and not users:
        raise UserError("The conversation has a picture and no user turn to show it.")
    places = marks or users[-1:] * len(image_tokens)
    frames = dict(
        zip(users[len(users) - len(audio_frames) :], audio_frames, strict=True)
    )
    images: dict[int, int] = {}
    for index, count in zip(places, image_tokens, strict=True):
        images[index] = images.get(index, 0) + count
    return [
        {
            **turn,
            "content": add_media(turn["content"], frames.get(i, 0), images.get(i, 0)),
        }
        for i, turn in enumerate(turns)
    ]


def check_plain_text(text: str, what: str = "The question") -> None:
    """Refuse control tokens in typed text: they would end the turn or fake a medium.

    Raises:
        UserError: naming the token found; or what is no Unicode text.
    """
    _check_unicode(text, what)
    for token in CONTROL_TOKENS:
        if token in text:
            raise UserError(
                f"{what} contains the control token {token}; write it without it."
            )


def check_turns(turns: Sequence[Turn]) -> None:
    """Check that a conversation is a list of role/content turns.

    Raises:
        UserError: saying which turn is wrong.
    """
    if not turns:
        raise UserError("The conversation is empty; it needs at least one turn.")
    for number, turn in enumerate(turns):
        if not isinstance(turn, Mapping):
            raise UserError(f"Turn {number} is no object with role and content.")
        if turn.get("role") not in ("system", "user", "assistant"):
            raise UserError(
                f"Turn {number} has the role {turn.get('role')!r}; "
                "it must be system, user or assistant."
            )
        if not isinstance(turn.get("content"), str):
            raise UserError(f"Turn {number} has no content string.")
        for text in turn.values():  # a thought may stand beside the content
            if isinstance(text, str):
                _check_unicode(text, f"Turn {number}")


def _check_unicode(text: str, what: str) -> None:
    """Refuse half a surrogate pair: JSON can hold one, UTF-8 and tokenizers cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{what} is no Unicode text: character {error.start} is half a surrogate "
            "pair."
        ) from None


def _to_json(value: Any, indent: int | None = None) -> str:
    # Jinja's own filter escapes HTML, which would change tool descriptions.
    return json.dumps(value, ensure_ascii=False, indent=indent)
