"""Does it help to train on slightly wrong codes? (As the released training does.)

In training a Talker reads right codes, in speaking its own. So a share of the codes
that it reads is replaced at random. The released implementation draws from all ids of a
stream, pad, stop and speaker code among them, which no answer ever holds; here they are
left out by default. Both are tried, at two rates, and without noise.

Beside the consistency stands the loss when 10 % of the codes that are read are wrong
(by codes, in all settings): what a Talker loses by its own slips.
"""

from minimind_o.ablations.closed_world import choose, write_world
from minimind_o.ablations.experiment import Experiment, Measures, Setting, Trained
from minimind_o.ablations.measures import cases_of, consistency, losses_of
from minimind_o.ablations.recipe import MAX_LENGTH, MAX_POSITIONS, NUM_ANSWERS
from minimind_o.data.examples import ExampleDataset, ExampleOptions
from minimind_o.layout import LayoutSpec
from minimind_o.training.stage import validation_batches

SLIPS = 0.1


def _measure(run: Trained) -> Measures:
    noisy = ExampleDataset(
        [run.files.validation],
        run.bench.tokenizer,
        LayoutSpec.from_config(run.model.config),
        ExampleOptions(max_length=MAX_LENGTH, code_noise=SLIPS),
        speaker_embedding_size=run.model.config.speaker_embedding_size,
    )
    slipped = losses_of(
        run.model, validation_batches(noisy, 2 * MAX_POSITIONS), run.bench.device
    )
    return {
        "audio_loss_noisy": slipped["audio_loss"],
        "codebook_loss_noisy": slipped["codebook_loss"],
        **consistency(run, choose(cases_of(run), NUM_ANSWERS)),
    }


EXPERIMENT = Experiment(
    name="input_noise",
    question="Does it help to train on slightly wrong codes, and on which?",
    settings=(
        Setting(name="none", what="no noise", data={"code_noise": 0.0}),
        *(
            Setting(
                name=f"{share:.0%}_{'any' if specials else 'codes'}".replace("%", ""),
                what=f"{share:.0%}, {'any ids' if specials else 'codes only'}",
                data={"code_noise": share, "noise_specials": specials},
            )
            for share in (0.05, 0.1)
            for specials in (False, True)
        ),
    ),
    world=write_world,
    world_name="one_voice",
    measure=_measure,
    evaluation_minutes=1.1,
)
