"""The widgets in a real JupyterLab: spoken to, heard, judged, looked at."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from minimind_o.evaluation.error_rates import character_errors
from tests.browser.conftest import Ears, say, silence

TOKEN = "a-token-of-the-tests"
KERNEL = {
    "name": "python3",
    "display_name": "Python 3 (ipykernel)",
    "language": "python",
}
CELLS = [
    """\
from minimind_o.assets import Assets
from minimind_o.generation.engine import Request
from minimind_o.generation.loading import load_engine
from minimind_o.realtime.host import Host
from minimind_o.widgets.ab_listener import ABListener
from minimind_o.widgets.codebook_microscope import CodebookMicroscope
from minimind_o.widgets.conversation import Conversation

assets = Assets.find()
engine = load_engine(assets)
host = Host(engine)
answer = engine.answer(Request(question="What is three plus four?", seed=1))
conversation = Conversation(host, assets.voices)
conversation""",
    """\
import time

conversation.ask("Say: the white bird sings in the green tree near the river.")
until = time.monotonic() + 4
while time.monotonic() < until:
    sum(range(10_000))
print("busy no more")""",
    """\
lost = conversation.player.gaps, conversation.microphone.num_missing
print("lost:", *lost, "state:", conversation.session.state.value)
player = conversation.player
print("played:", player.played == sum(map(len, player.pushed)))""",
    """\
halves = {"one": (answer.wave_N, answer.wave_N / 2)}
listener = ABListener(("loud", "soft"), halves, question="Which is louder?")
listener""",
    """\
print(listener.chosen)""",
    """\
microscope = CodebookMicroscope(engine.mimi, answer.end.codes_QF)
microscope""",
    """\
print(microscope.muted)""",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on a notebook with the widgets; its address."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in CELLS],
        metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}},
    )
    nbformat.write(notebook, folder / "widgets.ipynb")
    # Two busy cores start a kernel slowly. A lab that has not heard of its subshells
    # within its 3 s lets what widgets say wait for the cell that runs.
    settings = folder / ".settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "kernels-settings.jupyterlab-settings").write_text(
        '{"kernelInfoTimeout": 100000}'
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).resolve().parents[2]
    server = subprocess.Popen(
        [
            sys.executable,
            *("-m", "jupyter", "lab", "--no-browser", "--allow-root"),
            f"--ServerApp.port={port}",
            f"--ServerApp.root_dir={folder}",
            f"--IdentityProvider.token={TOKEN}",
            f"--LabApp.user_settings_dir={folder / '.settings'}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(root), "JUPYTER_PREFER_ENV_PATH": "1"},
    )
    address = f"http://127.0.0.1:{port}"
    _wait_for(f"{address}/api/status?token={TOKEN}")
    yield f"{address}/lab/tree/widgets.ipynb?token={TOKEN}&reset"
    server.terminate()
    server.wait(30)


def _wait_for(address: str) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(address) as response:
                json.load(response)
                return
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.5)


class Notebook:
    """Cells of the page, run one by one."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cells = page.locator(".jp-NotebookPanel .jp-CodeCell")
        expect(self.cells.first).to_be_visible()
        expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")

    def run(self, number: int) -> None:
        """Start a cell."""
        cell = self.cells.nth(number)
        cell.scroll_into_view_if_needed()
        prompt = cell.locator(".jp-InputPrompt")
        for _ in range(20):  # a page that is still at work forgets a key
            cell.locator(".jp-InputArea-editor").click()
            self.page.keyboard.press("Control+Enter")
            self.page.wait_for_timeout(1000)
            if prompt.inner_text().strip() != "[ ]:":
                return
        raise AssertionError(f"cell {number} does not run")

    def output(self, number: int, text: str | re.Pattern[str]) -> None:
        """Wait for what a cell prints."""
        area = self.cells.nth(number).locator(".jp-OutputArea")
        expect(area).to_contain_text(text)


def test_widgets_are_used_as_a_learner_would(lab: str, browse: Callable) -> None:
    spoken = [silence(1.5), say("What colour is the sky?"), silence(120)]
    with browse(lab, np.concatenate(spoken)) as ears:
        notebook = Notebook(ears.page)
        notebook.run(0)
        _speak(notebook, ears)
        _keep_the_kernel_busy(notebook, ears)
        _judge(notebook)
        _look_closely(notebook, ears)


def _speak(notebook: Notebook, ears: Ears) -> None:
    widget = notebook.cells.nth(0)
    # The learner has clicked into the page already, so the browser lets it sound.
    expect(widget.locator(".minimind-player")).to_have_text("sound is on")
    widget.locator(".minimind-microphone button").click()
    log = widget.locator(".widget-html").last
    expect(log).to_contain_text("first sound")
    expect(widget.get_by_text("listening", exact=True)).to_be_visible()
    text = re.sub(r"^1 | first word.*$", "", log.inner_text().strip())
    assert _error_rate(ears.words(ears.wave()), text) < 0.6, text


def _keep_the_kernel_busy(notebook: Notebook, ears: Ears) -> None:
    ears.forget()
    notebook.run(1)
    notebook.output(1, "busy no more")
    listens = notebook.cells.nth(0).get_by_text("listening", exact=True)
    expect(listens).to_be_visible()
    notebook.run(2)
    notebook.output(2, "lost: 0 0 state: listening")
    notebook.output(2, "played: True")
    said = "the white bird sings in the green tree near the river"
    assert _error_rate(ears.words(ears.wave()), said) < 0.6


def _judge(notebook: Notebook) -> None:
    notebook.run(3)
    widget = notebook.cells.nth(3).locator(".minimind-ab")
    expect(widget.locator("audio").first).to_have_attribute("src", re.compile("blob:"))
    assert "loud" not in widget.inner_text().replace("louder", "")
    widget.locator("button[data-choice=first]").click()
    expect(widget.locator("pre")).to_contain_text("is preferred in")
    notebook.run(4)
    notebook.output(4, re.compile(r"\['(loud|soft)'\]"))


def _look_closely(notebook: Notebook, ears: Ears) -> None:
    notebook.run(5)
    widget = notebook.cells.nth(5).locator(".minimind-microscope")
    audio = widget.locator("audio")
    expect(audio).to_have_attribute("src", re.compile("blob:"))
    whole = audio.get_attribute("src")
    widget.locator("td[data-frame='3'][data-codebook='2']").click()
    expect(widget).to_contain_text("codebook 2, frame 3, written in step 6")
    expect(audio).not_to_have_attribute("src", str(whole))
    widget.get_by_text("codebook 0", exact=True).click()
    notebook.run(6)
    notebook.output(6, "[0]")
    assert ears.page.locator(".jp-mod-error").count() == 0


def _error_rate(heard: str, text: str) -> float:
    return character_errors(text, heard, "en").rate
