"""The harness pairs, counts and reports; model and codec are real, if untrained.

Only the transcriber is a function that knows what it will be asked.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from minimind_o import tokenizer
from minimind_o.assets import Assets
from minimind_o.data.facts import spoken
from minimind_o.data.speech import VOICES, render
from minimind_o.data.world import held_out_texts
from minimind_o.errors import UserError
from minimind_o.evaluation.cases import Case, select
from minimind_o.evaluation.consistency import (
    Consistency,
    ConsistencyRun,
    compare,
    run,
)
from minimind_o.evaluation.originals import original_waves
from minimind_o.evaluation.report import (
    by_length,
    ceilings,
    floors,
    markdown,
    right_share,
)
from minimind_o.evaluation.tables import Provenance
from minimind_o.evaluation.yardsticks import decode, measure_yardsticks
from minimind_o.frozen.mimi import Mimi
from minimind_o.generation.batch import BatchAnswer, BatchSampling, generate_batch
from minimind_o.generation.sampling import GREEDY
from minimind_o.layout import LayoutSpec
from minimind_o.model import OmniModel
from tests.evaluation.conftest import NUM_OF_KIND, VOICE

SAMPLING = BatchSampling(text=GREEDY, audio=GREEDY, max_frames=9, max_text_tokens=8)
FIGURES = [
    "codec_wer_gap",
    "transcriber_cer_en",
    "transcriber_cer_zh",
    "consistency_cer_t2a_seen",
    "answers_right_t2a",
    "consistency_cer_read_aloud",
]


def case(answer: str, language: str = "en", **changes: object) -> Case:
    fields: dict = {
        "kind": "fact",
        "language": language,
        "voice": VOICE,
        "prompt": f"Question about {answer}",
        "answer": answer,
        "reference_codes_QR": None,
        "speaker_embedding": None,
        "answer_codes_QF": None,
    }
    return Case(**{**fields, **changes})


def answer(text: str, num_frames: int, is_finished: bool = True) -> BatchAnswer:
    codes_QF = np.random.default_rng(num_frames).integers(0, 32, (8, num_frames))
    return BatchAnswer(text=text, codes_QF=codes_QF, is_finished=is_finished)


def test_each_answer_is_compared_with_what_is_heard_of_it(mimi: Mimi) -> None:
    cases = [case("It is 21."), case("大", "zh"), case("blue"), case("red")]
    answers = [
        answer("it is twenty-one", 9),
        answer("小", 2),
        answer("Blue.", 5),
        answer("", 0, is_finished=False),
    ]
    heard = {9: "it is twenty one", 2: "小小", 5: "blew"}

    def transcriber(waves: list[np.ndarray], sample_rate: int) -> list[str]:
        assert sample_rate == 24_000
        return [heard[len(wave) // 1920] for wave in waves]

    items = compare(cases, answers, mimi, transcriber)
    assert [item.hearing.heard for item in items] == [*heard.values(), ""]
    assert [item.hearing.characters.rate for item in items] == [0, 1, 0.5, 0]
    assert [item.hearing.words.rate for item in items] == [0, 1, 1, 0]
    assert [item.is_right for item in items] == [True, False, True, False]
    assert [item.is_finished for item in items] == [True, True, True, False]
    assert [item.num_words for item in items] == [4, 1, 1, 0]
    assert right_share(items).value == 0.5


def test_decoding_is_that_of_the_codec_for_every_answer_alone(mimi: Mimi) -> None:
    wave = decode(mimi, answer("", 7).codes_QF)
    assert wave.shape == (7 * 1920,)
    assert decode(mimi, answer("", 0).codes_QF).shape == (0,)


def test_length_buckets_hold_every_item_once(mimi: Mimi) -> None:
    lengths = [0, 1, 15, 16, 30, 31, 60, 61]
    cases = [case("word")] * len(lengths)
    answers = [answer(" ".join(["word"] * length), 1) for length in lengths]
    items = compare(cases, answers, mimi, lambda waves, rate: ["word"] * len(waves))
    counts = {
        name: [i.num_words for i in part] for name, part in by_length(items).items()
    }
    assert counts == {
        "≤ 15 words": [0, 1, 15],
        "16–30 words": [16, 30],
        "31–60 words": [31, 60],
        "> 60 words": [61],
    }


def test_floor_and_ceiling_are_of_the_same_recordings(mimi: Mimi) -> None:
    rng = np.random.default_rng(0)
    lengths = [9600, 5000, 30_000]
    originals = [rng.normal(0, 0.1, size).astype(np.float32) for size in lengths]
    cases = [case("one"), case("不", voice=""), case("two"), case("三", "zh")]
    waves = [originals[0], None, *originals[1:]]

    def transcriber(waves: list[np.ndarray], sample_rate: int) -> list[str]:
        said = dict(zip(lengths, ["one", "two", "三"], strict=True))
        return [said.get(len(wave), f"codec {len(wave)}") for wave in waves]

    yardsticks = measure_yardsticks(cases, waves, mimi, transcriber)
    assert yardsticks[1] == (None, None)
    floors, ceilings = zip(*(yardsticks[i] for i in (0, 2, 3)), strict=True)
    assert [h.text for h in floors] == ["one", "two", "三"]
    assert [h.heard for h in floors] == ["one", "two", "三"]
    assert [h.language for h in floors] == ["en", "en", "zh"]
    assert [h.text for h in ceilings] == ["one", "two", "三"]
    # Whole frames come back from the codec; the first length is whole already.
    heard = [h.heard for h in ceilings]
    assert heard == ["one", f"codec {3 * 1920}", f"codec {16 * 1920}"]


def test_without_originals_the_ceiling_is_that_of_the_rows_codes(mimi: Mimi) -> None:
    codes_QF = np.zeros((8, 3), np.int32)
    cases = [case("of another world", answer_codes_QF=codes_QF), case("silent")]
    yardsticks = measure_yardsticks(
        cases, [None, None], mimi, lambda waves, rate: ["x"] * len(waves)
    )
    (floor, ceiling), silent = yardsticks
    assert floor is None
    assert ceiling.text == "of another world"
    assert silent == (None, None)


def test_an_original_is_spoken_by_its_voice_with_forced_pronunciation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def listening_render(*arguments):
        asked.append(arguments)
        return render(*arguments)

    monkeypatch.setattr("minimind_o.evaluation.originals.render", listening_render)
    dialogue = next(
        d for d in held_out_texts("en", "test", 200) if d.marked_answer != d.answer
    )
    cases = [
        case(dialogue.answer),
        case(dialogue.answer, voice="nobody"),
        case("A text that no split holds"),
        case("A big red cup high up.", kind="picture"),
    ]
    waves = original_waves(cases)
    assert asked == [
        (spoken(dialogue.marked_answer)[0], "en-us", VOICES[VOICE]),
        ("A big red cup high up.", "en-us", VOICES[VOICE]),
    ]
    assert len(waves[0]) > 10_000
    assert waves[1:3] == [None, None]
    assert len(waves[3]) > 10_000


@pytest.fixture(scope="module")
def consistency(
    assets: Assets, tmp_path_factory: pytest.TempPathFactory
) -> Consistency:
    return run_suite(assets, tmp_path_factory.mktemp("out"))


def loudness(waves: list[np.ndarray], sample_rate: int) -> list[str]:
    """A transcriber that tells waves apart, whatever they say."""
    return [f"{np.abs(wave).sum():.3f}" for wave in waves]


def run_suite(assets: Assets, out: Path, **changes: object) -> Consistency:
    options: dict = {
        "model": assets.omni,
        "data": assets.sft_t2a / "test.parquet",
        "out": out,
        "num": NUM_OF_KIND,
    }
    keywords = {
        name: changes.pop(name)
        for name in ("record_command", "figures_file")
        if name in changes
    }
    return run(
        ConsistencyRun(**{**options, **changes}),
        assets,
        sampling=SAMPLING,
        transcriber=loudness,
        show=lambda text: None,
        **keywords,
    )


def test_run_answers_the_rows_with_their_own_voice(
    assets: Assets, mimi: Mimi, consistency: Consistency, dialogues
) -> None:
    assert [i.prompt for i in consistency.items] == [d.question for d in dialogues]
    assert {item.voice for item in consistency.items} == {VOICE}
    model = OmniModel.from_pretrained(assets.omni).eval()
    data = pq.read_table(assets.sft_t2a / "test.parquet").to_pylist()
    references = [np.array(row["ref_audios"]).reshape(-1, 8).T for row in data]
    expected = generate_batch(
        model,
        tokenizer.load(assets.tokenizer),
        LayoutSpec.from_config(model.config),
        [dialogue.question for dialogue in dialogues],
        references,
        SAMPLING,
    )
    assert [i.hearing.text for i in consistency.items] == [a.text for a in expected]
    waves = [decode(mimi, answer.codes_QF) for answer in expected]
    assert [i.hearing.heard for i in consistency.items] == loudness(waves, 24_000)


def test_run_writes_a_row_per_prompt_and_a_summary(assets: Assets, tmp_path) -> None:
    result = run_suite(assets, tmp_path / "new folder")
    table = pq.read_table(tmp_path / "new folder" / "consistency.parquet").to_pylist()
    assert [row["prompt"] for row in table] == [item.prompt for item in result.items]
    assert {row["kind"] for row in table} == {"fact", "read_aloud"}
    assert {row["language"] for row in table} == {"en", "zh"}
    for row, item in zip(table, result.items, strict=True):
        assert row["cer"] == item.hearing.characters.rate
        assert row["floor_cer"] == item.floor.characters.rate
        assert row["num_words"] == item.num_words
        changes = ("words_substituted", "words_deleted", "words_inserted")
        assert sum(row[name] for name in changes) == row["word_errors"]
    summary = (tmp_path / "new folder" / "consistency.md").read_text("utf-8")
    for title in ("facts", "read aloud", "floor", "ceiling", "right"):
        assert title in summary
    questions = (tmp_path / "new folder" / "consistency_questions.md").read_text(
        "utf-8"
    )
    for row in table:
        assert f"| {row['prompt']} | {VOICE} | {row['alignment']} |" in questions
    assert list(tmp_path.rglob("*.partial")) == []


def test_run_of_one_kind_leaves_the_other_out(assets: Assets, tmp_path) -> None:
    result = run_suite(assets, tmp_path, kinds=("read_aloud",))
    assert {item.kind for item in result.items} == {"read_aloud"}


def test_figures_are_recorded_with_interval_and_number(
    assets: Assets, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("minimind_o.evaluation.consistency.MIN_RECORDED", 1)
    file = tmp_path / "figures.json"
    result = run_suite(
        assets, tmp_path, record_command="minimind-o evaluate", figures_file=file
    )
    records = {record["name"]: record for record in json.loads(file.read_text())}
    assert list(records) == FIGURES
    share = records["answers_right_t2a"]
    facts = [item for item in result.items if item.kind == "fact"]
    assert share["figure"] == right_share(facts).value
    assert "n=3" in share["note"]
    floor, ceiling = (
        sum(h.words.errors for h in hearings) / sum(h.words.length for h in hearings)
        for hearings in (floors(result.items), ceilings(result.items))
    )
    gap = records["codec_wer_gap"]["figure"]
    assert gap == pytest.approx(ceiling - floor, rel=1e-3)
    assert gap != pytest.approx(ceiling, rel=1e-3)
    assert records["transcriber_cer_en"]["figure"] > 0.5


def test_too_few_prompts_are_not_recorded(assets: Assets, tmp_path) -> None:
    file = tmp_path / "figures.json"
    with pytest.raises(UserError, match="--num 3 is too few"):
        run_suite(assets, tmp_path, record_command="x", figures_file=file)
    assert not file.exists()


def test_more_prompts_than_rows_are_refused(assets: Assets, tmp_path) -> None:
    with pytest.raises(UserError, match=r"test\.parquet has 3 prompts"):
        run_suite(assets, tmp_path, num=4)
    assert select([], "fact", 0) == []


def test_the_tables_say_how_they_were_measured(assets: Assets, tmp_path) -> None:
    run_suite(assets, tmp_path, seed=3)
    notes = pq.read_schema(tmp_path / "consistency.parquet").metadata
    assert notes[b"seed"] == b"3"
    assert notes[b"transcriber"] == b"loudness"
    assert notes[b"model"] == b"omni"
    for page in ("consistency.md", "consistency_questions.md"):
        text = (tmp_path / page).read_text("utf-8")
        assert "Model `omni`, transcriber `loudness`, seed 3" in text


def test_each_part_has_the_floor_and_the_ceiling_of_its_own_answers(mimi) -> None:
    cases = [case("one"), case("two words"), case("三", "zh")]
    answers = [answer("one", 1), answer("two words", 2), answer("三", 3)]
    items = compare(cases, answers, mimi, lambda waves, rate: ["one"] * len(waves))
    waves = [np.zeros(9600, np.float32)] * 3
    heard = iter(["one", "two words", "三", "one", "two", ""])
    yardsticks = measure_yardsticks(
        cases, waves, mimi, lambda waves, rate: [next(heard) for _ in waves]
    )
    items = [
        replace(item, floor=floor, ceiling=ceiling)
        for item, (floor, ceiling) in zip(items, yardsticks, strict=True)
    ]
    page = markdown(items, Provenance(model="m", transcriber="t", seed=0))
    rows = {
        line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")
        for line in page.split("## Means")[0].splitlines()
        if line.startswith("| facts")
    }
    english = [cell.split(" ")[0] for cell in rows["facts, unseen phrasings, en"][1:]]
    # Of "onetwowords" five characters are lost through the codec, one word of three.
    assert english == ["2", "0.636", "0.000", "0.455", "0.667", "0.000", "0.333"]
    mandarin = [cell.split(" ")[0] for cell in rows["facts, unseen phrasings, zh"][1:]]
    assert mandarin == ["1", "3.000", "0.000", "1.000", "1.000", "0.000", "1.000"]
    assert "| words | (nothing) | 1 |" in page
    assert "| 三 | one | 1 |" in page
