"""The rendered course needs no kernel and no network, and lacks nothing."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from minimind_o.course import CHAPTERS_FILE, NOTEBOOKS, read_chapters

REPOSITORY = Path(__file__).resolve().parent.parent
MAKE = (
    "-m", "sphinx", "-q", "--fail-on-warning", "--keep-going", "-b", "html",
    "-c", "site",
)  # fmt: skip
FILES = [chapter.file for chapter in read_chapters()]
FETCHING = {
    "audio": "src", "embed": "src", "iframe": "src", "img": "src", "link": "href",
    "object": "data", "script": "src", "source": "src", "video": "src",
}  # fmt: skip
"""Element -> the attribute whose address a browser fetches by itself."""
IN_STYLES = re.compile(r"@import|url\(\s*['\"]?(?:https?:)?//", re.IGNORECASE)
IN_SCRIPTS = re.compile(
    r"""(?:import\s*\(|importScripts\(|fetch\(|\.src\s*=)\s*["'](?:https?:)?//"""
)
WITHOUT_NETWORK = ("data:", "blob:", "#")


class Page(HTMLParser):
    """What of a page is of interest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if FETCHING.get(tag) in known:
            self.fetched.append(known[FETCHING[tag]])
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        if "id" in known:
            self.names.add(known["id"])


def from_the_network(folder: Path) -> list[str]:
    """Everything that a browser would have to fetch from another machine."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".html", ".css", ".js"):
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".html":
            page = Page(text)
            found += [a[:80] for a in page.fetched if urlsplit(a[:80]).netloc]
            styles = re.findall(r"<style.*?</style>", text, re.S)
            found += IN_STYLES.findall("".join(styles))
            scripts = re.findall(r"<script(?![^>]*src=).*?</script>", text, re.S)
            found += IN_SCRIPTS.findall("".join(scripts))
        elif path.suffix == ".css":
            found += [f"{path.name}: {one}" for one in IN_STYLES.findall(text)]
        else:
            found += [f"{path.name}: {one}" for one in IN_SCRIPTS.findall(text)]
    return found


def broken_links(folder: Path) -> list[str]:
    """Addresses within the site that lead nowhere."""
    pages = {
        path: Page(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.html"))
    }
    found = []
    for path, page in pages.items():
        for address in [*page.links, *page.fetched]:
            if address.startswith(WITHOUT_NETWORK[:2]):
                continue
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
            name = unquote(parts.fragment)
            known = pages.get(target)
            if not target.is_file() or (
                name and known is not None and name not in known.names
            ):
                found.append(f"{path.name}: {address}")
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make site` makes it, in another folder."""
    folder = tmp_path_factory.mktemp("site")
    made = subprocess.run(
        [
            sys.executable, *MAKE, "-d", str(folder / "doctrees"), "notebooks",
            str(folder / "html"),
        ],
        cwd=REPOSITORY, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-3000:]
    return folder / "html"


def test_make_runs_the_same_command():
    rules = (REPOSITORY / "Makefile").read_text().replace("\\\n\t", "")
    command = " ".join(" ".join(MAKE).split())
    assert command in " ".join(rules.split())


def test_every_chapter_and_its_solutions_are_in_the_contents(site):
    links = Page((site / "index.html").read_text()).links
    for file in FILES:
        assert f"{file}.html" in links
        assert f"solutions/{file}_solutions.html" in links
    assert "glossary.html" in links


def test_the_map_leads_to_the_chapters(site):
    text = (site / "index.html").read_text()
    found = re.search(r"<svg [^>]*course-map.*?</svg>", text, re.S)
    assert found
    drawn = found[0]
    for file in FILES:
        assert f'href="{file}.html"' in drawn


def outputs(notebook: dict) -> Iterator[str]:
    """What a notebook's cells show as HTML."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            yield "".join(output.get("data", {}).get("text/html", ""))


@pytest.mark.parametrize("file", FILES)
def test_a_page_shows_and_plays_what_its_notebook_holds(site, file):
    notebook = (NOTEBOOKS / f"{file}.ipynb").read_text(encoding="utf-8")
    text = (site / f"{file}.html").read_text(encoding="utf-8")
    shown = list(outputs(json.loads(notebook)))
    twins = [one for one in shown if "minimind-twin" in one]
    # A widget that is followed by its twin shows the same again.
    for twin in set(twins):
        shown = [one for one in shown if one != twin] + [twin]
    players = "".join(shown).count("<audio ")
    assert text.count("<audio ") == players
    assert text.count('src="data:audio/') == players
    assert text.count('class="minimind-twin"') == len(set(twins))
    pictures = notebook.count('"image/png": "')
    assert len(re.findall(r'src="_images/[0-9a-f]+\.png"', text)) == pictures
    assert "NBVAL" not in text


def test_some_page_has_a_twin_and_some_a_formula(site):
    pages = [(site / f"{file}.html").read_text(encoding="utf-8") for file in FILES]
    assert any('class="minimind-twin"' in text for text in pages)
    assert any('class="formula"' in text and "<path" in text for text in pages)


def test_nothing_comes_from_the_network(site):
    assert from_the_network(site) == []


def test_every_link_within_the_site_leads_somewhere(site):
    assert broken_links(site) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://cdn.example.org/x.js"></script>'),
        ("a.html", '<link rel="stylesheet" href="//fonts.example.org/f.css">'),
        ("a.html", '<img src="http://example.org/x.png">'),
        ("a.html", "<style>@import 'x.css';</style>"),
        ("a.html", "<script>import('https://cdn.example.org/x.js')</script>"),
        ("a.css", "b { src: url(https://example.org/f.woff2) }"),
        ("a.js", 's.src = "https://cdn.example.org/mathjax.js"'),
    ],
)
def test_a_planted_address_is_found(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert from_the_network(tmp_path)


def test_what_is_beside_the_page_or_only_linked_is_not_the_network(tmp_path):
    (tmp_path / "a.html").write_text(
        '<script src="x.js"></script><img src="data:image/png;base64,A">'
        '<a href="https://example.org">there</a>'
    )
    assert from_the_network(tmp_path) == []


def test_a_planted_broken_link_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="x"></p><a href="#x"></a><a href="#y"></a><a href="b.html"></a>'
        '<a href="a.html#x"></a><img src="data:image/png;base64,A">'
    )
    assert broken_links(tmp_path) == ["a.html: #y", "a.html: b.html"]


def test_a_formula_that_cannot_be_drawn_is_an_error():
    sys.path.insert(0, str(REPOSITORY / "site"))
    try:
        from formulas import formula_svg
    finally:
        sys.path.pop(0)
    assert "<path" in formula_svg(r"\frac{a}{b}", is_display=True)
    with pytest.raises(ValueError, match="Unknown symbol"):
        formula_svg(r"\nonsense{a}")


def test_the_list_of_chapters_is_no_page(site):
    assert not (site / CHAPTERS_FILE.name).exists()
