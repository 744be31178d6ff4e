"""`minimind-o …`: the course from the command line.

Heavy modules are imported by the command that needs them, so that `--help` and a
mistyped argument answer at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from minimind_o import __version__
from minimind_o.assets import (
    CACHE_VARIABLE,
    ENVIRONMENT_VARIABLE,
    Assets,
    released_root,
)
from minimind_o.config import (
    CODEC_FORMATS,
    EXPORT_DTYPES,
    EXPORT_FORMATS,
    MARKS,
    WEIGHT_PRECISIONS,
)
from minimind_o.errors import UserError

USER_ERROR = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0: done. 2: something the user can mend, told in one sentence. 130: interrupted.
    """
    parser = build_parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and not arguments.passes_rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    try:
        arguments.run(arguments)
    except UserError as error:
        print(f"minimind-o: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("minimind-o: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    parser = argparse.ArgumentParser(
        prog="minimind-o", description="Build, train, hear and measure MiniMind-O."
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.set_defaults(passes_rest=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    say = commands.add_parser("say", help="answer a question aloud into a WAV file")
    say.add_argument("question", help='such as "What is three plus four?"')
    say.add_argument("--out", type=Path, default=Path("answer.wav"), metavar="FILE.wav")
    _add_speaking_options(say, several=False)
    say.set_defaults(run=_say)

    demo = commands.add_parser("demo", help="ask several questions, hear and judge")
    demo.add_argument("questions", nargs="*", help="your own questions instead")
    demo.add_argument(
        "--all-ways", action="store_true", help="ask by speech and picture, too"
    )
    demo.add_argument("--out", type=Path, default=Path("demo_output"), metavar="FOLDER")
    _add_speaking_options(demo, several=True)
    demo.set_defaults(run=_demo)

    ask = commands.add_parser("ask", help="ask by speech, picture and text")
    ask.add_argument("--text", default="", help="what you write")
    ask.add_argument("--audio", type=Path, metavar="FILE", help="what you say")
    ask.add_argument(
        "--mic", type=float, metavar="SECONDS", help="record so long what you say"
    )
    ask.add_argument("--image", type=Path, metavar="FILE", help="what you show")
    ask.add_argument("--out", type=Path, default=Path("answer.wav"), metavar="FILE.wav")
    _add_speaking_options(ask, several=False)
    ask.set_defaults(run=_ask)

    _add_voices(commands)

    _add_serve(commands)

    _add_detect_mark(commands)

    _add_figures(commands)

    _add_claims(commands)

    _add_export(commands)

    _add_convert_codec(commands)

    evaluate = commands.add_parser(
        "evaluate",
        help="measure the model's speech (see evaluate --help)",
        add_help=False,
    )
    evaluate.set_defaults(run=_evaluate, passes_rest=True)

    nano = commands.add_parser(
        "nano", help="make the nano assets from nothing", add_help=False
    )
    nano.set_defaults(run=_nano, passes_rest=True)

    _add_data(commands)

    _add_download(commands)
    return parser


def _add_assets_option(
    parser: argparse.ArgumentParser, default: str | None = None
) -> None:
    parser.add_argument(
        "--assets",
        default=default,
        metavar="FOLDER",
        help=f"the assets' folder, or 'released' (default: ${ENVIRONMENT_VARIABLE} or "
        "data/nano)",
    )


def _add_speaking_options(parser: argparse.ArgumentParser, several: bool) -> None:
    default = "each in turn" if several else "ada, or the first of the assets"
    parser.add_argument("--voice", help=f"a voice's name (default: {default})")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same answer")
    parser.add_argument(
        "--temperature", type=float, metavar="T", help="of the words; 0 is greedy"
    )
    parser.add_argument(
        "--audio-temperature", type=float, metavar="T", help="of the sound; 0 is greedy"
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER",
        help="a model of yours, or data/nano/omni_moe (default: omni of the assets)",
    )
    parser.add_argument(
        "--precision",
        choices=WEIGHT_PRECISIONS,
        default="fp32",
        help="of the model's weights (default: fp32)",
    )
    parser.add_argument(
        "--mark",
        choices=MARKS,
        default="none",
        help="say that the speech is synthetic, see SAFETY.md (default: none)",
    )
    _add_assets_option(parser)


def _add_voices(commands: argparse._SubParsersAction) -> None:
    voices = commands.add_parser("voices", help="list, add and remove voices")
    _add_assets_option(voices)
    voices.set_defaults(run=_voices)
    actions = voices.add_subparsers(metavar="ACTION")
    listing = actions.add_parser("list", help="the voices of the assets")
    add = actions.add_parser("add", help="a voice from a recording")
    add.add_argument("name", help="what to call it")
    add.add_argument("recording", type=Path, help="two seconds of speech or more")
    add.add_argument(
        "--replace", action="store_true", help="an earlier voice of that name goes"
    )
    add.set_defaults(run=_add_voice)
    remove = actions.add_parser("remove", help="delete a voice")
    remove.add_argument("name")
    remove.set_defaults(run=_remove_voice)
    for action in (listing, add, remove):
        # Suppressed, or it would forget what was given before the action.
        _add_assets_option(action, default=argparse.SUPPRESS)


def _add_serve(commands: argparse._SubParsersAction) -> None:
    serve = commands.add_parser("serve", help="talk with the model on a page")
    serve.add_argument("--port", type=int, default=8765, help="0 takes a free one")
    serve.add_argument(
        "--model",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a checkpoint to choose from, may be repeated (default: the assets' own)",
    )
    _add_assets_option(serve)
    serve.set_defaults(run=_serve)


def _add_detect_mark(commands: argparse._SubParsersAction) -> None:
    detect = commands.add_parser(
        "detect-mark", help="look for the inaudible mark in a recording"
    )
    detect.add_argument("file", type=Path, help="WAV, FLAC, OGG or MP3")
    detect.set_defaults(run=_detect_mark)


def _add_figures(commands: argparse._SubParsersAction) -> None:
    figures = commands.add_parser("figures", help="print the measured figures")
    figures.add_argument(
        "--write-readme", action="store_true", help="refresh the README"
    )
    figures.set_defaults(run=_figures)
    actions = figures.add_subparsers(metavar="ACTION")
    record = actions.add_parser("record", help="write a figure measured by hand")
    record.add_argument("name")
    record.add_argument("figure", type=float)
    record.add_argument("--command", required=True, help="what measures it again")
    record.add_argument("--note", default="", help="how it was measured")
    record.set_defaults(run=_record_figure)
    draw = actions.add_parser("draw", help="draw the model into data/figures/model.svg")
    draw.set_defaults(run=_draw_model)


def _add_claims(commands: argparse._SubParsersAction) -> None:
    claims = commands.add_parser(
        "claims", help="judge the paper's claims by the tables of the ablations"
    )
    claims.add_argument(
        "--results", type=Path, help="folder of the tables (default: data/results)"
    )
    claims.add_argument(
        "--record", action="store_true", help="record the share that is covered"
    )
    claims.set_defaults(run=_claims)


def _add_export(commands: argparse._SubParsersAction) -> None:
    export = commands.add_parser(
        "export", help="write a model as the released code reads it"
    )
    export.add_argument(
        "model", type=Path, help="a model's folder or .pth file, ours or a released one"
    )
    export.add_argument("out", type=Path, help="the folder, or the .pth file")
    export.add_argument(
        "--format",
        choices=EXPORT_FORMATS,
        default="released",
        help="a Transformers folder, a .pth state dict, or our own folder "
        "(default: released)",
    )
    export.add_argument(
        "--dtype",
        choices=EXPORT_DTYPES,
        help="of the numbers (default: bf16 in released, fp16 in released-pth, as the "
        "released files are; otherwise keep)",
    )
    export.add_argument(
        "--force", action="store_true", help="replace what is there already"
    )
    export.set_defaults(run=_export)


def _add_convert_codec(commands: argparse._SubParsersAction) -> None:
    convert = commands.add_parser(
        "convert-codec", help="Mimi from moshi's format to transformers', or back"
    )
    convert.add_argument(
        "codec", type=Path, help="a codec's folder, or kyutai's .safetensors file"
    )
    convert.add_argument(
        "out", type=Path, help="the folder; or the .safetensors file, for moshi"
    )
    convert.add_argument(
        "--to",
        choices=CODEC_FORMATS,
        help="the format (default: the one that the codec is not in)",
    )
    convert.add_argument(
        "--force", action="store_true", help="replace what is there already"
    )
    convert.set_defaults(run=_convert_codec)


def _add_data(commands: argparse._SubParsersAction) -> None:
    data = commands.add_parser(
        "data",
        help="check, measure and make Parquet files (see data --help)",
        add_help=False,
    )
    data.set_defaults(run=_data, passes_rest=True)


def _add_download(commands: argparse._SubParsersAction) -> None:
    download = commands.add_parser("download", help="get the released assets")
    download.add_argument(
        "--what",
        default="model,encoders",
        metavar="GROUPS",
        help="some of model,moe,encoders,data-mini,data (default: model,encoders)",
    )
    download.add_argument(
        "--from",
        dest="hub",
        choices=("huggingface", "modelscope"),
        default="huggingface",
    )
    download.add_argument(
        "--into",
        type=Path,
        metavar="FOLDER",
        help=f"default: 'released' in ${CACHE_VARIABLE} or in the user's cache",
    )
    download.set_defaults(run=_download)

    assets = commands.add_parser("assets", help="what is there and what is missing")
    _add_assets_option(assets)
    assets.add_argument(
        "--verify", action="store_true", help="compare checksums of what was downloaded"
    )
    assets.set_defaults(run=_assets)


def _say(arguments: argparse.Namespace) -> None:
    from minimind_o.demo import Asked, Speaking, ask

    ask(
        Asked(text=arguments.question),
        arguments.out,
        Speaking.from_arguments(arguments),
        Assets.find(arguments.assets),
    )


def _demo(arguments: argparse.Namespace) -> None:
    from minimind_o.demo import QUESTIONS, Asked, Speaking, demo, other_ways

    assets = Assets.find(arguments.assets)
    asked = [Asked(text=question) for question in arguments.questions or QUESTIONS]
    if arguments.all_ways:
        asked += other_ways(assets)
    demo(
        asked,
        arguments.out,
        Speaking.from_arguments(arguments),
        assets,
    )


def _ask(arguments: argparse.Namespace) -> None:
    from minimind_o.demo import Asked, Speaking, ask
    from minimind_o.microphone import record_microphone

    if arguments.mic is not None and arguments.audio is not None:
        raise UserError("--mic and --audio are both speech: give one of them")
    if not (arguments.text or arguments.audio or arguments.image or arguments.mic):
        raise UserError("nothing was asked: give --text, --audio, --mic or --image")
    speech = arguments.audio
    if arguments.mic is not None:
        speech = record_microphone(arguments.mic)
    ask(
        Asked(text=arguments.text, speech=speech, picture=arguments.image),
        arguments.out,
        Speaking.from_arguments(arguments),
        Assets.find(arguments.assets),
    )


def _add_voice(arguments: argparse.Namespace) -> None:
    from minimind_o.frozen.campplus import load_campplus
    from minimind_o.frozen.mimi import load_mimi
    from minimind_o.generation.new_voice import check_name, make_voice
    from minimind_o.generation.voices import list_voices, save_voice

    assets = Assets.find(arguments.assets)
    check_name(arguments.name)
    if arguments.name in list_voices(assets.voices) and not arguments.replace:
        raise UserError(
            f"voice '{arguments.name}' exists: choose another name, or --replace it"
        )
    mimi, campplus = load_mimi(assets.mimi), load_campplus(assets.campplus)
    voice = make_voice(arguments.name, arguments.recording, mimi, campplus)
    print(f"{voice.seconds:.1f} s of reference in {save_voice(assets.voices, voice)}")


def _remove_voice(arguments: argparse.Namespace) -> None:
    from minimind_o.generation.voices import remove_voice

    remove_voice(Assets.find(arguments.assets).voices, arguments.name)
    print(f"voice '{arguments.name}' is gone")


def _voices(arguments: argparse.Namespace) -> None:
    from minimind_o.generation.voices import list_voices, load_voice

    folder = Assets.find(arguments.assets).voices
    for name in list_voices(folder):
        print(f"{name:<10} {load_voice(folder, name).seconds:.1f} s of reference")


def _serve(arguments: argparse.Namespace) -> None:
    from minimind_o.serve.server import run

    run(Assets.find(arguments.assets), arguments.port, arguments.model)


def _detect_mark(arguments: argparse.Namespace) -> None:
    from minimind_o.generation.marking import THRESHOLD, detect_in_file

    found = detect_in_file(arguments.file)
    is_there = "is there" if found.is_marked else "was not found"
    print(
        f"The inaudible mark {is_there} (score {found.score:.1f}, from {THRESHOLD:g})."
    )
    if found.comment:
        print(f"The file says of itself: {found.comment}")


def _figures(arguments: argparse.Namespace) -> None:
    from minimind_o import figures

    print(figures.report())
    if arguments.write_readme and figures.write_readme():
        print(f"\nThe table in {figures.README_FILE.name} was refreshed.")


def _record_figure(arguments: argparse.Namespace) -> None:
    from minimind_o import figures

    figures.record(
        arguments.name,
        arguments.figure,
        command=arguments.command,
        note=arguments.note,
    )


def _claims(arguments: argparse.Namespace) -> None:
    from minimind_o.evaluation.claims_report import run

    print(run(arguments.results, record=arguments.record))


def _draw_model(arguments: argparse.Namespace) -> None:
    from minimind_o.config import OmniConfig
    from minimind_o.model_picture import MODEL_PICTURE, write_model_picture

    write_model_picture(OmniConfig(), MODEL_PICTURE)


def _export(arguments: argparse.Namespace) -> None:
    from minimind_o.model.export import USUAL_DTYPE, export, unlike_the_released

    checkpoint = export(
        arguments.model,
        arguments.out,
        arguments.format,
        dtype=arguments.dtype,
        force=arguments.force,
    )
    dtype = arguments.dtype or USUAL_DTYPE[arguments.format]
    print(
        f"{checkpoint.source} is now in {arguments.out} ({arguments.format}, {dtype})"
    )
    departures = unlike_the_released(checkpoint)
    if arguments.format != "safetensors" and departures:
        print(
            "The released code fixes some sizes, so it cannot run this model: "
            + ", ".join(departures)
        )


def _convert_codec(arguments: argparse.Namespace) -> None:
    from minimind_o.frozen.mimi_files import convert_codec

    to = convert_codec(
        arguments.codec, arguments.out, arguments.to, force=arguments.force
    )
    print(f"{arguments.codec} is now in {arguments.out}, in the format of {to}")


def _evaluate(arguments: argparse.Namespace) -> None:
    from minimind_o.evaluation.run import main as evaluate

    evaluate(arguments.rest)


def _nano(arguments: argparse.Namespace) -> None:
    from minimind_o.nano.command import main as nano

    nano(arguments.rest)


def _data(arguments: argparse.Namespace) -> None:
    from minimind_o.data.command import main as data

    data(arguments.rest)


def _download(arguments: argparse.Namespace) -> None:
    from minimind_o.released.download import download
    from minimind_o.released.manifest import chosen, read_manifest

    root = (arguments.into or released_root()).expanduser()
    download(chosen(read_manifest(), arguments.what), root, arguments.hub)


def _assets(arguments: argparse.Namespace) -> None:
    from minimind_o.released.inventory import show

    print(show(arguments.assets, released_root(), verify=arguments.verify))
