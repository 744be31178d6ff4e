"""The frozen models that the runs of one process share, each loaded when needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from minimind_o import tokenizer as tokenizers
from minimind_o.assets import Assets
from minimind_o.config import OmniConfig
from minimind_o.data.encoders import MediaEncoders
from minimind_o.data.row import RowFormat
from minimind_o.evaluation.transcribe import Transcriber, sensevoice_transcriber
from minimind_o.frozen.campplus import CampPlus, load_campplus
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.generation.voices import Voice, list_voices, load_voice
from minimind_o.model.checkpoints import read_checkpoint
from minimind_o.tokenizer import Tokenizer
from minimind_o.training.processes import Processes


@dataclass(frozen=True, kw_only=True, eq=False)
class Workbench:
    """Assets, a device, and a folder for what can be made again."""

    assets: Assets
    work: Path
    device: torch.device

    @property
    def alone(self) -> Processes:
        """For a training: a run is always of one process."""
        return Processes(rank=0, world_size=1, device=self.device)

    @cached_property
    def config(self) -> OmniConfig:
        """Of the language model that runs start from."""
        return read_checkpoint(self.assets.llm).config

    @cached_property
    def row_format(self) -> RowFormat:
        """What the data's codes and vectors look like."""
        return RowFormat(
            num_codebooks=self.config.num_codebooks,
            num_codes=self.config.num_codes,
            speaker_embedding_size=self.config.speaker_embedding_size,
        )

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The text's."""
        return tokenizers.load(self.assets.tokenizer)

    @cached_property
    def mimi(self) -> Mimi:
        """The codec, on the CPU."""
        return load_mimi(self.assets.mimi)

    @cached_property
    def campplus(self) -> CampPlus:
        """The speaker encoder, on the CPU."""
        return load_campplus(self.assets.campplus)

    @cached_property
    def transcriber(self) -> Transcriber:
        """Who listens, on the CPU."""
        return sensevoice_transcriber(self.assets.sensevoice)

    @cached_property
    def encoders(self) -> MediaEncoders:
        """For spoken questions and pictures; what is encoded once is kept."""
        return MediaEncoders(
            self.assets.path("sensevoice"),
            self.assets.path("siglip2"),
            str(self.device),
            keep=True,
        )

    @cached_property
    def voices(self) -> list[Voice]:
        """The voice prompts."""
        folder = self.assets.voices
        return [load_voice(folder, name) for name in list_voices(folder)]
