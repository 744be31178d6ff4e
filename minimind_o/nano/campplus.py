"""Train the nano CAM++: which of many synthetic speakers is this?

Every speaker is drawn at random, and none is one of the twelve voices. The encoder
learns to name the speaker with an additive angular margin (Deng et al. 2019,
arXiv 1801.07698), as CAM++ itself does; the classes are thrown away, and the vector
before them tells voices apart that were never heard. Everything is heard twice, as it
was recorded and through the codec, because that is how the model's own speech reaches
the encoder; the two vectors must agree, or what is measured is the codec (LOG.md).
"""

import itertools
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from minimind_o.data.speakers import draw_speakers
from minimind_o.data.speech import SAMPLE_RATE, VOICES, Voice, render
from minimind_o.frozen import campplus
from minimind_o.frozen.campplus import CampPlus, features, load_campplus
from minimind_o.frozen.funasr_directory import save_half, write_configuration
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.frozen.waves import resampled
from minimind_o.nano.codec_pool import run_codec
from minimind_o.nano.progress import Progress
from minimind_o.nano.speech_pool import random_words
from minimind_o.training.optimiser import learning_rate_at, set_learning_rate
from minimind_o.training.processes import autocast

NANO_CAMPPLUS = {
    "feat_dim": 80, "embedding_size": 192, "growth_rate": 8, "bn_size": 4,
    "init_channels": 32, "config_str": "batchnorm-relu", "memory_efficient": False,
    "output_level": "segment",
}  # fmt: skip
WEIGHTS = "model.pt"


@dataclass(frozen=True, kw_only=True)
class CampPlusRecipe:
    """Everything that decides the outcome.

    pair_weight: of 1 - cosine between a recording and the same through the codec, from
        half of the steps on; it grows from 0, or all vectors would soon be one.
    batch_size: utterances, each of them heard twice.
    crop_frames: of 10 ms, what the encoder hears of an utterance at a time.
    scale, margin: of the additive angular margin; the margin in radians.
    """

    seed: int = 0
    speakers: int = 200
    utterances: int = 16
    pair_weight: float = 4.0
    steps: int = 3500
    batch_size: int = 16
    crop_frames: int = 120
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    scale: float = 24.0
    margin: float = 0.2


@dataclass(frozen=True, kw_only=True)
class SpeakerSpeech:
    """Log-mel features (T, 80) of utterances, and who speaks each."""

    recorded: list[Tensor]
    recoded: list[Tensor]
    """Of the same utterances through the codec, frame for frame."""
    speakers: np.ndarray


def speak(
    speakers: list[Voice], utterances: int, seed: int, mimi_directory: Path
) -> SpeakerSpeech:
    """So many utterances of random words of every speaker, a quarter in Mandarin."""
    rng = np.random.default_rng(seed)
    labels = np.arange(len(speakers)).repeat(utterances)
    waves = []
    for label in labels:
        language = "cmn" if rng.random() < 0.25 else "en-us"
        text = random_words(rng, language, int(rng.integers(5, 11)))
        waves.append(render(text, language, speakers[label]).wave)

    def heard(wave: np.ndarray) -> Tensor:
        at_rate = resampled(wave, SAMPLE_RATE, campplus.SAMPLE_RATE)
        noise = rng.normal(0, 10 ** rng.uniform(-4, -2.3), len(at_rate))
        return features((at_rate + noise).astype(np.float32))

    return SpeakerSpeech(
        recorded=[heard(wave) for wave in waves],
        recoded=[heard(w) for w in run_codec(mimi_directory, waves, "recode")],
        speakers=labels,
    )


class AngularMargin(nn.Module):
    """Cross-entropy over cosines; the right class must win by an angle.

    Shapes: B vector, S width, C class.
    """

    def __init__(self, width: int, classes: int, scale: float, margin: float) -> None:
        super().__init__()
        self.weight_CS = nn.Parameter(torch.randn(classes, width) * 0.1)
        self.scale, self.margin = scale, margin

    def forward(self, vectors_BS: Tensor, labels_B: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and the share of vectors nearest to their own class."""
        cosines_BC = F.normalize(vectors_BS) @ F.normalize(self.weight_CS).T
        right = F.one_hot(labels_B, cosines_BC.shape[1]).bool()
        angles_BC = torch.acos(cosines_BC.clamp(-1 + 1e-6, 1 - 1e-6))
        widened_BC = torch.cos((angles_BC + self.margin).clamp(max=math.pi))
        logits_BC = self.scale * torch.where(right, widened_BC, cosines_BC)
        share = (cosines_BC.argmax(dim=1) == labels_B).float().mean()
        return F.cross_entropy(logits_BC, labels_B), share


class SpeakerTrainer:
    """The encoder, its classes, the optimiser, and one step."""

    def __init__(self, recipe: CampPlusRecipe, data: SpeakerSpeech) -> None:
        from funasr.models.campplus.model import CAMPPlus

        torch.manual_seed(recipe.seed)
        self.recipe, self.data = recipe, data
        self.model = CAMPPlus(**NANO_CAMPPLUS)
        # Its convolutions over time and frequency are most of the work.
        self.model.head = self.model.head.to(memory_format=torch.channels_last)
        width = int(NANO_CAMPPLUS["embedding_size"])  # type: ignore[call-overload]
        self.classes = AngularMargin(
            width, recipe.speakers, recipe.scale, recipe.margin
        )
        parameters = itertools.chain(self.model.parameters(), self.classes.parameters())
        self.optimiser = torch.optim.AdamW(
            parameters, lr=recipe.learning_rate, weight_decay=0.02
        )
        self.index = 0

    def step(self) -> dict[str, float]:
        """One update on random crops of random utterances."""
        recipe = self.recipe
        rate = learning_rate_at(
            self.index, recipe.steps, recipe.learning_rate, recipe.warmup_steps
        )
        set_learning_rate(self.optimiser, rate)
        crops_BTF, labels_B = self._crops()
        self.model.train()
        with autocast(torch.device("cpu"), "auto"):
            vectors_BS = self.model(crops_BTF)
        vectors_BS = vectors_BS.float()
        named, share = self.classes(vectors_BS, labels_B)
        apart = 1 - F.cosine_similarity(*vectors_BS.chunk(2)).mean()
        grown = min(1.0, 2 * self.index / recipe.steps)
        loss = named + grown * recipe.pair_weight * apart
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.index += 1
        return {
            "loss": float(named.detach()),
            "apart": float(apart.detach()),
            "named": float(share),
        }

    def _crops(self) -> tuple[Tensor, Tensor]:
        """Crops as recorded, then the same ones through the codec; who speaks them."""
        recipe, data = self.recipe, self.data
        rng = np.random.default_rng([recipe.seed, self.index])
        rows = rng.integers(0, len(data.recorded), recipe.batch_size)
        crops: tuple[list[Tensor], list[Tensor]] = ([], [])
        for row in rows:
            pair = torch.stack([data.recorded[row], data.recoded[row]])
            repeats = -(-recipe.crop_frames // pair.shape[1])
            pair = pair.repeat(1, repeats, 1)
            start = int(rng.integers(0, pair.shape[1] - recipe.crop_frames + 1))
            pair = pair[:, start : start + recipe.crop_frames]
            for version, crop in zip(crops, pair, strict=True):
                version.append(crop - crop.mean(dim=0))
        labels_B = torch.from_numpy(data.speakers[rows]).repeat(2)
        return torch.stack([*crops[0], *crops[1]]), labels_B

    def state(self) -> dict:
        """What `load_state` needs to go on."""
        return {
            "index": self.index,
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "classes": self.classes.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state(self, state: dict) -> None:
        """Go on where a checkpoint stopped."""
        self.index = state["index"]
        for name in ("model", "classes", "optimiser"):
            getattr(self, name).load_state_dict(state[name])


def write_directory(model: nn.Module, directory: Path) -> None:
    """Write funasr's own format, weights in float16."""
    directory.mkdir(parents=True, exist_ok=True)
    config = {"model": "CAMPPlus", "model_conf": NANO_CAMPPLUS}
    (directory / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    write_configuration(directory, "speaker-verification", {"init_param": WEIGHTS})
    save_half(model, directory / WEIGHTS)


def train_campplus(
    recipe: CampPlusRecipe, mimi_directory: Path, work: Path, out: Path
) -> dict[str, float]:
    """Train (or resume from `work/campplus.pt`) and write the directory `out`.

    Returns the figures of the card, among them those of `twelve_told_apart`.
    """
    speech = speak(
        draw_speakers(recipe.seed, recipe.speakers),
        recipe.utterances,
        recipe.seed,
        mimi_directory,
    )
    trainer = SpeakerTrainer(recipe, speech)
    progress = Progress(work / "campplus.pt")
    progress.resume(trainer)
    for _ in progress.steps(trainer, recipe.steps):
        progress.note(trainer.step())
    write_directory(trainer.model, out)
    ran = {"minutes": progress.minutes, "steps": float(recipe.steps)}
    encoder, codec = load_campplus(out), load_mimi(mimi_directory)
    return progress.means | ran | twelve_told_apart(encoder, codec, recipe.seed)


def twelve_told_apart(
    encoder: CampPlus, codec: Mimi, seed: int, utterances: int = 8
) -> dict[str, float]:
    """How well the encoder tells the twelve voices, which it has never heard.

    Args:
        encoder: the speaker encoder.
        codec: what speech goes through.
        seed: draws the words.
        utterances: of each voice.

    Returns:
        the figures of `told_apart` on recordings, on the same through the codec
        (`…_recoded`), and of these against the recordings (`…_across`).
    """
    rng = np.random.default_rng([seed, 12])
    original, recoded = [], []
    for voice in VOICES.values():
        waves = [
            render(random_words(rng, "en-us", 8), "en-us", voice).wave
            for _ in range(utterances)
        ]
        original.append(F.normalize(encoder.embed(waves, SAMPLE_RATE)))
        coded = [_recoded(codec, wave) for wave in waves]
        recoded.append(F.normalize(encoder.embed(coded, SAMPLE_RATE)))
    original_VUS, recoded_VUS = torch.stack(original), torch.stack(recoded)
    figures = {}
    for ending, heard_VUS, known_VUS in (
        ("", original_VUS, original_VUS),
        ("_recoded", recoded_VUS, recoded_VUS),
        ("_across", recoded_VUS, original_VUS),
    ):
        for name, value in told_apart(heard_VUS, known_VUS).items():
            figures[name + ending] = value
    return figures


def told_apart(heard_VUS: Tensor, known_VUS: Tensor) -> dict[str, float]:
    """How near vectors of length 1 are to those of the same and of other voices.

    An utterance is never compared with itself.

    Shapes: V voice, U utterance, S width.

    Returns:
        `same_voice`, `other_voice`: mean cosine between utterances of one voice and of
        different ones. `nearest_right`: share of utterances whose voice, by the mean of
        its other utterances, is the nearest.
    """
    num_voices, utterances, _ = heard_VUS.shape
    sums_VS = known_VUS.sum(dim=1)
    right = 0
    for voice, utterance in itertools.product(range(num_voices), range(utterances)):
        centres_VS = sums_VS.clone()
        centres_VS[voice] -= known_VUS[voice, utterance]
        cosines_V = F.normalize(centres_VS) @ heard_VUS[voice, utterance]
        right += int(cosines_V.argmax()) == voice
    cosines = heard_VUS.flatten(0, 1) @ known_VUS.flatten(0, 1).T
    voices = torch.arange(num_voices).repeat_interleave(utterances)
    same = voices[:, None] == voices[None]
    others = ~torch.eye(len(voices), dtype=torch.bool)
    return {
        "same_voice": float(cosines[same & others].mean()),
        "other_voice": float(cosines[~same].mean()),
        "nearest_right": right / len(voices),
    }


def _recoded(codec: Mimi, wave_N: np.ndarray) -> np.ndarray:
    whole = np.pad(wave_N, (0, -len(wave_N) % codec.frame_size))
    return codec.decode(codec.encode(torch.from_numpy(whole)[None]))[0].numpy()
