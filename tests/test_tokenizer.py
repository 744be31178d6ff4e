"""Our tokenizer files and the released ones are interchangeable."""

import json

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from minimind_o import tokenizer
from minimind_o.chat import (
    CHAT_TEMPLATE,
    CONTROL_TOKENS,
    add_media,
    check_plain_text,
    compile_template,
    split_thought,
)
from minimind_o.errors import UserError

CORPUS = [
    "What color is the sky?",
    "The sky is blue and the bird is red.",
    "天空是蓝色的。",
    "今天星期几？",
]
WORDS = ["sky", "blue", "bird", "the", "The", "What", "天空", "蓝色", "今天", "星期"]


@pytest.fixture(scope="session")
def nano_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.train_bpe(CORPUS, 420, folder, whole_words=WORDS)
    return folder


@pytest.fixture(scope="session")
def nano(nano_folder):
    return tokenizer.load(nano_folder)


def test_a_template_in_a_file_of_its_own_goes_before_the_settings(
    nano_folder, tmp_path
):
    settings_file = nano_folder / "tokenizer_config.json"
    template = json.loads(settings_file.read_text())["chat_template"]
    (tmp_path / "tokenizer.json").write_bytes(
        (nano_folder / "tokenizer.json").read_bytes()
    )
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text(template)
    conversation = [{"role": "user", "content": "天空?"}]
    loaded = tokenizer.load(tmp_path)
    expected = tokenizer.load(nano_folder).encode_prompt(conversation)
    assert loaded.encode_prompt(conversation) == expected
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"chat_template\.jinja is not UTF-8"):
        tokenizer.load(tmp_path)


content = st.lists(
    st.sampled_from(["Hi", "天空", " ", "\n", "\n\n", "a<b>&'", "thought", ".", "é"]),
    max_size=6,
).map("".join)
assistant = st.one_of(
    content,
    st.tuples(content, content).map("<think>\n{0[0]}\n</think>\n\n{0[1]}".format),
    st.tuples(content, content).map("{0[0]}</think>{0[1]}".format),
)
turns = st.lists(
    st.one_of(
        st.tuples(st.just("user"), content),
        st.tuples(st.just("assistant"), assistant),
        st.tuples(st.just("system"), content),
    ),
    min_size=1,
    max_size=5,
).map(lambda pairs: [{"role": role, "content": text} for role, text in pairs])


@given(turns, st.booleans(), st.booleans())
@settings(max_examples=300)
def test_our_chat_template_renders_as_the_released_one(
    shared_settings, conversation, add_generation_prompt, open_thinking
):
    released, ours = shared_settings
    options = {
        "messages": conversation,
        "add_generation_prompt": add_generation_prompt,
        "open_thinking": open_thinking,
    }
    assert ours.render(options) == released.render(options)


@pytest.fixture(scope="session")
def shared_settings(shared):
    text = (shared / "released/tokenizer_config.json").read_text("utf-8")
    released = compile_template(json.loads(text)["chat_template"])
    return released, compile_template(CHAT_TEMPLATE)


def test_our_template_honours_a_separate_thought(shared_settings):
    released, ours = shared_settings
    turn = {"role": "assistant", "content": "Hi", "reasoning_content": "\nwell\n"}
    assert ours.render(messages=[turn]) == released.render(messages=[turn])


def test_transformers_reads_a_trained_directory_alike(nano_folder, nano):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(nano_folder)
    conversation = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "天空 & sky?"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nBlue."},
        {"role": "user", "content": "Why?"},
    ]
    text = nano.render(
        conversation, add_generation_prompt=True, remove_empty_thought=False
    )
    assert text == theirs.apply_chat_template(
        conversation, tokenize=False, add_generation_prompt=True
    )
    assert nano.encode(text) == theirs(text)["input_ids"]
    assert theirs.eos_token_id == 2
    assert theirs.pad_token_id == 0


def test_control_tokens_have_the_released_ids(shared, nano):
    released = tokenizer.load(shared / "released")
    for index, token in enumerate(CONTROL_TOKENS):
        assert released.token_id(token) == nano.token_id(token) == index
        assert released.is_special(index) == nano.is_special(index)


def test_assistant_start_is_behind_the_thought_and_labels_start_before_it(nano):
    conversation = [
        {"role": "user", "content": "What?"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nThe sky."},
    ]
    encoded = nano.encode_conversation(conversation)
    ids = encoded.text_ids
    answer = nano.decode(ids[encoded.assistant_start :], skip_special=False)
    assert answer == "The sky.<|im_end|>\n"
    turn = nano.decode(ids[encoded.label_start :], skip_special=False)
    assert turn == "<think>\nhm\n</think>\n\nThe sky.<|im_end|>\n"


@pytest.mark.parametrize("remove", [True, False])
def test_an_empty_thought_is_removed_or_kept_and_the_prompt_agrees(nano, remove):
    question = [{"role": "user", "content": "What?"}]
    answer = [{"role": "assistant", "content": "The sky."}]
    encoded = nano.encode_conversation(question + answer, remove_empty_thought=remove)
    prompt = nano.encode_prompt(question, remove_empty_thought=remove)
    assert encoded.text_ids[: encoded.assistant_start] == prompt
    assert ("<think>" in nano.decode(prompt)) == (not remove)


@given(st.text(max_size=30).map(lambda text: text.lstrip()))
def test_every_answer_character_is_mapped_to_a_token_that_holds_it(nano, answer):
    if "think>" in answer:
        return
    encoded = nano.encode_conversation(
        [{"role": "user", "content": "x"}, {"role": "assistant", "content": answer}]
    )
    assert encoded.answer == answer
    positions = encoded.answer_positions
    assert len(positions) == len(answer)
    assert (np.diff(positions) >= 0).all()
    for character, position in zip(answer, positions, strict=True):
        held = nano.token_bytes(encoded.text_ids[position])
        first_byte = character.encode()[:1]
        assert first_byte in held


@given(st.lists(st.integers(0, 10_000), max_size=40))
def test_streamed_text_equals_the_librarys_decoding_at_once(nano_folder, nano, ids):
    library = tokenizers.Tokenizer.from_file(str(nano_folder / "tokenizer.json"))
    ids = [index % nano.vocab_size for index in ids]
    assert nano.decode(ids) == library.decode(ids, skip_special_tokens=True)


def test_stream_decoder_waits_for_the_rest_of_a_character(nano):
    decoder = nano.stream_decoder()
    ids = nano.encode("é")
    assert len(ids) == 2
    assert [decoder.push(ids[0]), decoder.push(ids[1])] == ["", "é"]
    decoder.push(ids[0])
    assert decoder.finish() == "\ufffd"


def test_text_survives_a_round_trip(nano):
    for text in [*CORPUS, "unseen words 🎈\tand tabs", ""]:
        assert nano.decode(nano.encode(text)) == text


def test_whole_words_are_one_token_each_and_none_spans_two(nano):
    assert nano.tokens(nano.encode("the blue bird")) == ["the", " blue", " bird"]
    assert nano.tokens(nano.encode("今天星期")) == ["今天", "星期"]
    ids = nano.encode("<|im_start|>user\n")
    assert nano.tokens(ids) == ["<|im_start|>", "user", "\n"]


def test_training_is_reproducible(tmp_path):
    for name in ("a", "b"):
        tokenizer.train_bpe(CORPUS, 400, tmp_path / name, whole_words=WORDS)
    files = [(tmp_path / name / "tokenizer.json").read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]


def test_plain_training_learns_from_the_corpus(tmp_path):
    size = tokenizer.train_bpe(CORPUS * 3, 310, tmp_path)
    loaded = tokenizer.load(tmp_path)
    assert size == loaded.vocab_size == 310
    assert len(loaded.encode(CORPUS[1])) < len(CORPUS[1])


def test_a_vocabulary_too_small_for_the_words_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"vocab_size 300 leaves .* pieces"):
        tokenizer.train_bpe(CORPUS, 300, tmp_path, whole_words=WORDS)
    with pytest.raises(UserError, match="must be at least 292"):
        tokenizer.train_bpe(CORPUS, 100, tmp_path)


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"tokenizer\.json is missing"):
        tokenizer.load(tmp_path)
    tokenizer.train_bpe(CORPUS, 300, tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(UserError, match="must be JSON with a chat_template"):
        tokenizer.load(tmp_path)
    whole = (tmp_path / "tokenizer.json").read_text("utf-8")
    (tmp_path / "tokenizer.json").write_text(whole[:500], "utf-8")
    with pytest.raises(UserError, match=r"tokenizer\.json is not a readable tokenizer"):
        tokenizer.load(tmp_path)


def test_bad_conversations_and_questions_are_named(nano):
    with pytest.raises(UserError, match="question is empty"):
        nano.encode_prompt([{"role": "user", "content": " \n"}])
    with pytest.raises(UserError, match="must end with an assistant turn"):
        nano.encode_conversation([{"role": "user", "content": "x"}])
    with pytest.raises(UserError, match="Turn 0 has the role 'robot'"):
        nano.encode_prompt([{"role": "robot", "content": "x"}])
    with pytest.raises(UserError, match="Turn 1 has no content string"):
        nano.render([{"role": "user", "content": "x"}, {"role": "user"}])
    with pytest.raises(UserError, match="conversation is empty"):
        nano.encode_prompt([])
    with pytest.raises(UserError, match=r"control token <\|im_end\|>"):
        check_plain_text("hello <|im_end|> there")


def test_media_runs_follow_the_text_speech_first():
    assert add_media("say", 2) == "say\n\n<|audio_pad|><|audio_pad|>"
    assert add_media("<image>\nlook", 0, 1) == "look\n\n<|image_pad|>"
    assert add_media("<image>\nx", 1, 1) == "x\n\n<|audio_pad|>\n\n<|image_pad|>"


def test_split_thought():
    assert split_thought("<think>\nhm\n</think>\n\nDone.") == ("hm", "Done.")
    assert split_thought("Done.") == ("", "Done.")
