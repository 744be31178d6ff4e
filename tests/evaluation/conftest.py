"""A small asset tree with a real model, codec and rows, all untrained."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from minimind_o import tokenizer
from minimind_o.assets import Assets
from minimind_o.data.schema import SCHEMA
from minimind_o.data.speech import VOICES
from minimind_o.data.world import Dialogue, fact_dialogues, held_out_texts
from minimind_o.frozen.mimi import Mimi, save_mimi
from minimind_o.generation.voices import Voice, save_voice
from minimind_o.nano.answers import speak
from minimind_o.nano.voice_prompts import reference_codes, reference_waves
from tests.frozen.tiny import small_mimi
from tests.model.tiny import tiny_model

VOICE = "ben"
NUM_OF_KIND = 3


@pytest.fixture(scope="session")
def mimi() -> Mimi:
    return small_mimi()


@pytest.fixture(scope="session")
def dialogues() -> list[Dialogue]:
    """Facts and read-aloud texts of the test split, in both languages."""
    facts = [fact_dialogues("en", "test")[0], *fact_dialogues("zh", "test")[:2]]
    texts = [*held_out_texts("en", "test", 2), *held_out_texts("zh", "test", 1)]
    return [*facts, *texts]


@pytest.fixture(scope="session")
def assets(
    tmp_path_factory: pytest.TempPathFactory, mimi: Mimi, dialogues: list[Dialogue]
) -> Assets:
    root = tmp_path_factory.mktemp("assets")
    tokenizer.train_bpe(
        [d.question + d.answer for d in dialogues], 400, root / "tokenizer"
    )
    vocab_size = tokenizer.load(root / "tokenizer").vocab_size
    model = tiny_model(vocab_size=vocab_size, max_position_embeddings=512)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Large weights, so that the voice prompt makes a difference.
            if weight.ndim >= 2 and "embed_tokens" not in name:
                weight *= 4
    model.save(root / "omni")
    save_mimi(mimi.model, mimi.config, root / "mimi", torch.float32)
    wave = reference_waves(VOICES[VOICE])[0]
    reference = reference_codes(mimi, wave).astype(np.int64)
    save_voice(root / "voices", Voice(name=VOICE, codes_QT=reference))
    write_rows(root / "sft_t2a" / "test.parquet", mimi, dialogues, reference)
    for split in ("train", "validation"):
        write_rows(root / "sft_t2a" / f"{split}.parquet", mimi, [], reference)
    return Assets(root)


def write_rows(
    path: Path, mimi: Mimi, dialogues: list[Dialogue], reference_QR: np.ndarray
) -> None:
    """Rows as the nano builder writes them, coded by `mimi`."""
    rows = []
    for dialogue in dialogues:
        wave = speak(dialogue, VOICE)[0].wave
        codes_QF = mimi.encode(torch.from_numpy(wave)[None])[0].numpy()
        turns = [
            {"role": "user", "content": dialogue.question},
            {"role": "assistant", "content": dialogue.answer},
        ]
        rows.append(
            {
                "conversations": json.dumps(turns, ensure_ascii=False),
                "answer_audios": [codes_QF.T.reshape(-1).tolist()],
                "ref_audios": reference_QR.T.reshape(-1).tolist(),
            }
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
