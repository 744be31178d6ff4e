"""A training small enough for tests: a tiny language model and a tiny Parquet file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from minimind_o import tokenizer as tokenizers
from minimind_o.assets import Assets
from minimind_o.config import OmniConfig
from minimind_o.data.schema import SCHEMA
from minimind_o.model.omni import OmniModel
from minimind_o.training.recipe import TrainingRecipe
from tests.model import tiny as tiny_model

WORDS = "cat dog red blue one two three sun moon tree".split()


def tiny_config(**changes: Any) -> OmniConfig:
    """Four Thinker and four Talker blocks of width 32, the nano tokenizer."""
    fields: dict[str, Any] = {
        "vocab_size": tokenizers.load(Assets.find().tokenizer).vocab_size,
        "num_talker_hidden_layers": 4,
        "num_image_tokens": 64,
    }
    return tiny_model.tiny_config(**{**fields, **changes})


def tiny_recipe(**changes: Any) -> TrainingRecipe:
    """Guided text-to-speech in fp32, logging every step."""
    fields: dict[str, Any] = {
        "stage": "t2a",
        "num_steps": 6,
        "learning_rate": 5e-3,
        "warmup_steps": 2,
        "guidance_weight": 0.5,
        "precision": "fp32",
        "validate_every": 100,
        "save_every": 100,
        "log_every": 1,
    }
    return TrainingRecipe(**{**fields, **changes})


def write_language_model(directory: Path, **changes: Any) -> Path:
    """A random language model of `tiny_config`."""
    model = OmniModel(tiny_config(**changes))
    model.init_weights(torch.Generator().manual_seed(0))
    model.save_thinker(directory)
    return directory


def row(seed: int, num_words: int) -> dict[str, Any]:
    """Words to read aloud, three random frames each."""
    rng = np.random.default_rng(seed)
    words = [str(word) for word in rng.choice(WORDS, num_words)]
    answer = " ".join(words)
    starts = np.cumsum([0, *(len(word) + 1 for word in words[:-1])])
    turns = [
        {"role": "user", "content": f"Say: {answer}"},
        {"role": "assistant", "content": answer},
    ]
    return {
        "conversations": json.dumps(turns),
        "question_audios": [],
        "answer_audios": [rng.integers(0, 32, 8 * 3 * num_words).tolist()],
        "image_bytes": [],
        "ref_audios": rng.integers(0, 32, 8 * 4).tolist(),
        "spk_emb": None,
        "answer_alignment": np.repeat(starts, 3).tolist(),
    }


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A Parquet file of the project's schema."""
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    pq.write_table(pa.table(columns, schema=SCHEMA), path)
    return path


def write_data(path: Path, num_rows: int = 12, seed: int = 0) -> Path:
    """Rows of one to five words."""
    return write_rows(path, [row(seed + i, 1 + i % 5) for i in range(num_rows)])
