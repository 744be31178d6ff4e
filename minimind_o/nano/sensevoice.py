"""Train the nano SenseVoice: funasr's encoder with CTC, on clean and on asked speech.

Half of the speech is clean, as it comes from the synthesiser; the other half is as
questions are asked: random voices at any speed, in rooms, with noise, as Vorbis. For
the last part of the steps half of the clean speech has gone through the codec, so that
the transcriber judges words and not the codec's colour. It never hears the Talker.
Until half of the steps a second head must say which phoneme sounds at every moment,
which spares CTC the search for where the words are.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn
from tqdm.auto import tqdm

from minimind_o.data.facts import plain, spoken
from minimind_o.data.pictures import describe, random_scene
from minimind_o.data.speech import SAMPLE_RATE, VOICES, random_voice, render
from minimind_o.data.spoken_questions import at_some_speed, in_a_room, recording
from minimind_o.data.world import (
    Dialogue,
    Language,
    fact_dialogues,
    held_out_answers,
    held_out_texts,
    read_aloud_stream,
)
from minimind_o.evaluation.error_rates import character_errors, word_errors
from minimind_o.evaluation.normalise import normalise
from minimind_o.frozen.funasr_directory import save_half
from minimind_o.frozen.sensevoice import NUM_QUERIES, SenseVoice, load_sensevoice
from minimind_o.nano.answers import LANGUAGE
from minimind_o.nano.codec_pool import run_codec
from minimind_o.nano.i2t import QUESTIONS
from minimind_o.nano.progress import Progress
from minimind_o.nano.sensevoice_directory import (
    RICH_TOKENS,
    spaced,
    untrained_model,
    write_cmvn,
    write_directory,
)
from minimind_o.nano.speech_pool import phoneme_labels
from minimind_o.training.optimiser import (
    Optimisers,
    learning_rate_at,
    muon_and_adamw,
    set_learning_rate,
)

PHONEME_RATE = 50  # labels a second: three for each of the encoder's states
WARMUP_STEPS = 150


@dataclass(frozen=True, kw_only=True)
class SenseVoiceRecipe:
    """Everything that decides the outcome.

    asked_share: part of the utterances that is as questions are asked.
    recoded_share: part of the clean ones that passes through the codec from
        `recoded_from` (a share of the steps) on.
    phoneme_weight: of the phoneme head's loss at first; 0 from half of the steps on.
    """

    seed: int = 0
    utterances: int = 24_000
    asked_share: float = 0.5
    recoded_share: float = 0.5
    recoded_from: float = 0.6
    steps: int = 7000
    phoneme_weight: float = 0.6
    batch_size: int = 32
    learning_rate: float = 2e-3
    width: int = 144
    num_blocks: int = 6
    num_top_blocks: int = 2


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one utterance says; `marked` is with pronunciation mark-up."""

    marked: str
    language: Language


@dataclass(frozen=True, kw_only=True)
class Utterances:
    """Speech to recognise: waves at 24 kHz, normalised texts, languages.

    phonemes: indices at 50 Hz, 0 for silence, out of `num_phonemes`.
    """

    waves: list[np.ndarray]
    texts: list[str]
    languages: list[Language]
    phonemes: list[np.ndarray]
    num_phonemes: int


def draw_lines(seed: int, count: int, exclude: frozenset[str]) -> list[Line]:
    """Everything that is ever said in training: three quarters English.

    Half of it is read aloud; a fifth are facts' answers, and three twentieths each
    their questions and what is said of pictures.
    """
    rng = np.random.default_rng(seed)
    read = {
        language: read_aloud_stream(seed, language, exclude)
        for language in ("en", "zh")
    }
    facts = {language: fact_dialogues(language, "train") for language in ("en", "zh")}

    def draw() -> Line:
        language: Language = "zh" if rng.random() < 0.25 else "en"
        kind = rng.choice(4, p=(0.5, 0.2, 0.15, 0.15))
        if kind == 0:
            marked = next(read[language]).marked_answer
        elif kind == 3:
            scene = random_scene(rng, held_out=False, language=language)
            asks = rng.random() < 0.1
            said = (
                rng.choice(QUESTIONS[language]) if asks else describe(scene, language)
            )
            marked = str(said)
        else:
            fact = facts[language][rng.integers(len(facts[language]))]
            marked = fact.marked_answer if kind == 1 else fact.question
        return Line(marked=marked, language=language)

    return [draw() for _ in range(count)]


def answers_of(dialogues: Sequence[Dialogue]) -> list[Line]:
    """What the answers of some dialogues say."""
    return [Line(marked=d.marked_answer, language=d.language) for d in dialogues]


def asked_questions(seed: int, language: Language, count: int) -> list[Line]:
    """Questions in test phrasings."""
    rng = np.random.default_rng(seed)
    facts = fact_dialogues(language, "test")
    rows = rng.choice(len(facts), count, replace=False)
    return [Line(marked=facts[row].question, language=language) for row in rows]


def synthesise(
    lines: Sequence[Line],
    seed: int,
    random_share: float = 0.3,
    asked_share: float = 0.0,
) -> Utterances:
    """Speak the lines, in the twelve voices and for a share in random ones.

    The last `asked_share` of them are as questions are asked, all in random voices.
    """
    rng = np.random.default_rng(seed)
    voices = list(VOICES.values())
    num_clean = len(lines) - round(asked_share * len(lines))
    waves, phonemes = [], []
    names = {"_": 0}
    for index, line in enumerate(tqdm(lines, desc="speak", mininterval=5)):
        asked = index >= num_clean
        voice = voices[rng.integers(len(voices))]
        if asked or rng.random() < random_share:
            voice = random_voice(rng, "random")
        if asked:
            voice = at_some_speed(voice, rng)
        utterance = render(spoken(line.marked)[0], LANGUAGE[line.language], voice)
        wave = _asked(utterance.wave, rng) if asked else utterance.wave
        size = len(wave) * PHONEME_RATE // SAMPLE_RATE
        waves.append(wave)
        phonemes.append(phoneme_labels(utterance, size, PHONEME_RATE, names))
    return Utterances(
        waves=waves,
        texts=[normalise(plain(line.marked), line.language) for line in lines],
        languages=[line.language for line in lines],
        phonemes=phonemes,
        num_phonemes=len(names),
    )


def _asked(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a recording of it in a room sounds like, again at 24 kHz."""
    file = io.BytesIO(recording(in_a_room(wave, rng)))
    heard, rate = soundfile.read(file, dtype="float32")
    return soxr.resample(heard, rate, SAMPLE_RATE)


class RecogniserTrainer:
    """CTC on the speech states and cross-entropy on the four query states."""

    def __init__(
        self, recipe: SenseVoiceRecipe, voice: SenseVoice, data: Utterances
    ) -> None:
        self.recipe, self.voice = recipe, voice
        self.model = voice.model.train()
        self.rng = np.random.default_rng(recipe.seed)
        self.features = self._features(data.waves)
        lengths = [len(f) for f in self.features]
        self.phonemes = [
            _three_each(labels, length)
            for labels, length in zip(data.phonemes, lengths, strict=True)
        ]
        self.num_phonemes = data.num_phonemes
        self.phoneme_head = nn.Linear(recipe.width, 3 * data.num_phonemes)
        processor = voice.tokenizer.sp
        self.targets = [
            torch.tensor(processor.EncodeAsIds(spaced(t))) for t in data.texts
        ]
        ids = {token: processor.PieceToId(token) for token in RICH_TOKENS}
        tail = [ids["<|Speech|>"], ids["<|NEUTRAL|>"], ids["<|woitn|>"]]
        tail = [tail[1], tail[0], tail[2]]
        self.rich = torch.tensor(
            [[ids[f"<|{language}|>"], *tail] for language in data.languages]
        )
        self.optimiser = self._optimiser()
        self.buckets = np.argsort(lengths, kind="stable")
        self.index = 0

    def _optimiser(self) -> Optimisers:
        """Muon for the matrices of the blocks, AdamW for the rest."""
        matrices: list[nn.Parameter] = []
        others = [*self.phoneme_head.parameters()]
        for name, parameter in self.model.named_parameters():
            in_a_block = "encoders" in name and parameter.ndim == 2
            (matrices if in_a_block else others).append(parameter)
        return muon_and_adamw(
            [{"params": matrices, "weight_decay": 1e-2}],
            [{"params": others, "weight_decay": 1e-2}],
            self.recipe.learning_rate,
        )

    def _features(self, waves: Sequence[np.ndarray]) -> list[Tensor]:
        return [
            self.voice.features([wave], SAMPLE_RATE)[0][0].half()
            for wave in tqdm(waves, desc="features", mininterval=5)
        ]

    def replace(self, waves: Sequence[np.ndarray]) -> None:
        """From now on the first utterances sound like these."""
        self.features[: len(waves)] = self._features(waves)

    def batch(self) -> np.ndarray:
        """Rows of similar length, drawn at random."""
        size = self.recipe.batch_size
        start = int(self.rng.integers(0, max(1, len(self.buckets) - 4 * size)))
        return self.rng.choice(
            self.buckets[start : start + 4 * size], size, replace=False
        )

    def step(self) -> dict[str, float]:
        """One update."""
        progress = self.index / self.recipe.steps
        rate = learning_rate_at(
            self.index, self.recipe.steps, self.recipe.learning_rate, WARMUP_STEPS
        )
        set_learning_rate(self.optimiser, rate)
        rows = self.batch()
        features = [self._augment(self.features[i].float()) for i in rows]
        lengths = torch.tensor([len(f) for f in features])
        batch = nn.utils.rnn.pad_sequence(features, batch_first=True)
        with torch.autocast("cpu", torch.bfloat16):
            states, state_lengths = self.voice.run_encoder(batch, lengths)
        states = states.float()
        loss = self._loss(states, state_lengths, rows)
        phoneme_weight = self.recipe.phoneme_weight * max(0.0, 1 - 2 * progress)
        if phoneme_weight > 0:
            loss = loss + phoneme_weight * self._phoneme_loss(states, rows)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimiser.step()
        self.index += 1
        return {"loss": float(loss.detach())}

    def _phoneme_loss(self, states: Tensor, rows: np.ndarray) -> Tensor:
        labels = nn.utils.rnn.pad_sequence(
            [self.phonemes[i] for i in rows], batch_first=True, padding_value=-100
        )
        logits = self.phoneme_head(states[:, NUM_QUERIES:])
        return F.cross_entropy(
            logits.reshape(-1, self.num_phonemes), labels.flatten(), ignore_index=-100
        )

    def _loss(self, states: Tensor, lengths: Tensor, rows: np.ndarray) -> Tensor:
        logits = self.model.ctc.ctc_lo(states)
        targets = [self.targets[i] for i in rows]
        ctc = F.ctc_loss(
            logits[:, NUM_QUERIES:].log_softmax(-1).transpose(0, 1),
            torch.cat(targets),
            lengths - NUM_QUERIES,
            torch.tensor([len(t) for t in targets]),
            zero_infinity=True,
        )
        rich = F.cross_entropy(
            logits[:, :NUM_QUERIES].flatten(0, 1), self.rich[rows].flatten()
        )
        return ctc + 0.1 * rich

    def _augment(self, features: Tensor) -> Tensor:
        """Gain, noise, and a masked stretch of time or of mel channels."""
        features = features + 0.3 * float(self.rng.normal())
        features = features + 0.15 * torch.randn_like(features)
        if self.rng.random() < 0.2:
            start = int(self.rng.integers(0, max(1, len(features) - 3)))
            features[start : start + int(self.rng.integers(1, 3))] = 0.0
        if self.rng.random() < 0.5:
            mel = int(self.rng.integers(0, 70))
            features.view(len(features), 7, 80)[
                :, :, mel : mel + int(self.rng.integers(1, 10))
            ] = 0.0
        return features

    def state(self) -> dict:
        """What `load_state` needs to go on."""
        return {
            "index": self.index,
            "model": self.model.state_dict(),
            "phoneme_head": self.phoneme_head.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rng": json.dumps(self.rng.bit_generator.state),
            "torch_rng": torch.get_rng_state(),
        }

    def load_state(self, state: dict) -> None:
        """Go on where a checkpoint stopped."""
        self.index = state["index"]
        for name in ("model", "phoneme_head", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.rng.bit_generator.state = json.loads(state["rng"])
        torch.set_rng_state(state["torch_rng"])


def _three_each(labels: np.ndarray, num_states: int) -> Tensor:
    """Labels (num_states, 3); silence where the sound is over."""
    padded = np.zeros(3 * num_states, np.int64)
    padded[: len(labels)] = labels[: 3 * num_states]
    return torch.from_numpy(padded).view(num_states, 3)


def train_sensevoice(
    recipe: SenseVoiceRecipe, mimi_directory: Path, work: Path, out: Path
) -> dict[str, float]:
    """Train (or resume from `work/sensevoice.pt`) and write the directory `out`.

    Returns the figures of the card.
    """
    progress = Progress(work / "sensevoice.pt")
    torch.manual_seed(recipe.seed)
    exclude = held_out_answers("en") | held_out_answers("zh")
    lines = draw_lines(recipe.seed, recipe.utterances, exclude)
    data = synthesise(lines, recipe.seed, asked_share=recipe.asked_share)
    write_directory(
        out,
        [spaced(text) for text in data.texts],
        width=recipe.width,
        num_blocks=recipe.num_blocks,
        num_top_blocks=recipe.num_top_blocks,
    )
    voice = fresh_model(recipe, out, data)
    trainer = RecogniserTrainer(recipe, voice, data)
    progress.resume(trainer)
    recoded = 0
    for _ in progress.steps(trainer, recipe.steps):
        if not recoded and trainer.index >= recipe.recoded_from * recipe.steps:
            progress.save(trainer)
            clean = (1 - recipe.asked_share) * recipe.utterances
            recoded = round(recipe.recoded_share * clean)
            trainer.replace(run_codec(mimi_directory, data.waves[:recoded], "recode"))
        progress.note(trainer.step())
    save_half(voice.model, out / "model.pt")
    return progress.means | {"minutes": progress.minutes, "steps": recipe.steps}


def fresh_model(recipe: SenseVoiceRecipe, out: Path, data: Utterances) -> SenseVoice:
    """Measure the feature statistics, write them, and build the untrained model."""
    from funasr.frontends.wav_frontend import WavFrontend
    from funasr.tokenizer.sentencepiece_tokenizer import SentencepiecesTokenizer

    tokenizer = SentencepiecesTokenizer(bpemodel=str(out / "bpe.model"))
    config = yaml.safe_load((out / "config.yaml").read_text())
    frontend_conf = config["frontend_conf"] | {"cmvn_file": str(out / "am.mvn")}
    plain_frontend = WavFrontend(**frontend_conf | {"dither": 0.0})
    model = untrained_model(out)
    probe = SenseVoice(model, plain_frontend, tokenizer)
    sample = torch.cat(
        [probe.features([w], SAMPLE_RATE)[0][0] for w in data.waves[::20]]
    )
    write_cmvn(
        out / "am.mvn",
        -sample.mean(0).numpy(),
        1 / sample.std(0).clamp(min=0.1).numpy(),
    )
    return SenseVoice(model, WavFrontend(**frontend_conf | {"dither": 0.0}), tokenizer)


def transcriber_errors(directory: Path, mimi_directory: Path) -> dict[str, float]:
    """CER and WER per language: of held-out texts, clean and re-coded, and as asked.

    What is asked are questions in test phrasings.
    """
    voice = load_sensevoice(directory)
    figures = {}
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages:
        clean = synthesise(
            answers_of(held_out_texts(language, "test", 300)[:200]), 11, 0.0
        )
        questions = asked_questions(11, language, 200)
        asked = synthesise(questions, 11, asked_share=1.0)
        recoded = run_codec(mimi_directory, clean.waves, "recode")
        for name, data, waves in (
            ("original", clean, clean.waves),
            ("recoded", clean, recoded),
            ("asked", asked, asked.waves),
        ):
            heard = voice.transcribe(waves, SAMPLE_RATE)
            for kind, count in (("cer", character_errors), ("wer", word_errors)):
                pairs = zip(data.texts, heard, strict=True)
                counts = [count(text, found, language) for text, found in pairs]
                total = sum(c.length for c in counts)
                figures[f"{language}_{name}_{kind}"] = (
                    sum(c.errors for c in counts) / total
                )
    return figures
