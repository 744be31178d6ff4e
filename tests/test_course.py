"""The list of chapters is true, and whatever comes from it is up to date."""

import json
import re
from pathlib import Path

import pytest

from minimind_o import course
from minimind_o.course import Chapter, read_chapters
from minimind_o.course_map import columns, course_map, direct_needs
from minimind_o.errors import UserError

CHAPTERS = read_chapters()
LINK = re.compile(r"\[[^]]*\]\(([^)]+)\)")
GLOSSARY = course.NOTEBOOKS / "glossary.md"
TERM = re.compile(r"^### (?P<term>.+)\n(?P<text>(?:.+\n)+)", re.MULTILINE)


def texts(file: str) -> list[str]:
    """The sources of a notebook's cells."""
    path = course.NOTEBOOKS / f"{file}.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells]


def prerequisites(opening: str) -> tuple[list[int], list[int]]:
    """What an opening says is needed, and what helps: numbers of linked chapters."""
    needs: list[int] = []
    helps: list[int] = []
    said = " ".join(re.findall(r"^You need .*?(?:\n\n|\Z)", opening, re.M | re.S))
    for clause in re.split(r";|\.\s", said + " "):
        numbers = [int(link[:2]) for link in LINK.findall(clause)]
        (helps if "help" in clause else needs).extend(numbers)
    return needs, helps


def test_every_notebook_is_a_chapter_and_every_chapter_a_notebook():
    files = sorted(path.stem for path in course.NOTEBOOKS.glob("*.ipynb"))
    assert [chapter.file for chapter in CHAPTERS] == files


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda one: one.file)
def test_a_chapter_is_what_its_opening_says(chapter):
    opening = texts(chapter.file)[0]
    assert opening.startswith(f"# {chapter.number} · {chapter.title}\n")
    minutes = re.search(r"\*\*Minutes\*\*: (\d+).*?(?:, (\d+) more|\n)", opening)
    assert minutes
    assert int(minutes[1]) == chapter.minutes
    assert int(minutes[2] or 0) == chapter.exercise_minutes
    hardware = re.search(r"\*\*Hardware\*\*: ([\w ]+)", opening)
    assert hardware
    assert hardware[1] == chapter.hardware
    assert prerequisites(opening) == (list(chapter.needs), list(chapter.helps))


@pytest.mark.parametrize(
    ("opening", "expected"),
    [
        ("You need some Python.", ([], [])),
        ("You need chapters [1](01_a.ipynb) and\n[7](07_b.ipynb).\n", ([1, 7], [])),
        ("You need [0](00_a.ipynb); chapter [2](02_b.ipynb) helps.", ([0], [2])),
        ("You need [0](00_a.ipynb).\n\nSee [2](02_b.ipynb).", ([0], [])),
    ],
)
def test_prerequisites_are_read_from_words(opening, expected):
    assert prerequisites(opening) == expected


def test_readme_first_page_and_map_are_up_to_date():
    for path, text in course.pages().items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name} is old: run `python -m minimind_o.course`"
        )


def write(folder: Path, *entries: str) -> Path:
    path = folder / "chapters.toml"
    fields = 'title = "A"\nlearn = "a"\nminutes = 1\nexercise_minutes = 0\n'
    fields += 'hardware = "any CPU"\n'
    path.write_text("".join(f"[[chapter]]\n{fields}{entry}\n" for entry in entries))
    return path


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (['file = "00_a"\nneeds = [1]\nhelps = []'], "needs chapter 1, which does not"),
        (['file = "00_a"\nneeds = []\nhelps = [0]'], "needs chapter 0, which does not"),
        (['file = "00_a"\nneeds = []'], "no list of chapters"),
        (['file = "first"\nneeds = []\nhelps = []'], "no list of chapters"),
        (
            [f'file = "{n}"\nneeds = []\nhelps = []' for n in ("01_b", "00_a")],
            "not in the order",
        ),
    ],
)
def test_a_wrong_list_is_one_sentence(tmp_path, entries, said):
    with pytest.raises(UserError, match=said):
        read_chapters(write(tmp_path, *entries))


def chapter(number: int, needs=(), helps=()) -> Chapter:
    return Chapter(
        file=f"{number:02}_x", title=f"<{number}>", learn="", minutes=5,
        exercise_minutes=0, hardware="any CPU", needs=tuple(needs), helps=tuple(helps),
    )  # fmt: skip


def test_a_chapter_stands_right_of_all_that_comes_before_it():
    chapters = [chapter(0), chapter(1, [0]), chapter(2, helps=[1]), chapter(3, [0])]
    found = [[one.number for one in column] for column in columns(chapters)]
    assert found == [[0], [1, 3], [2]]


def test_no_line_is_drawn_to_what_is_needed_anyway():
    chapters = [chapter(0), chapter(1, [0]), chapter(2, [0, 1])]
    assert direct_needs(chapters[2], chapters) == [1]
    assert course_map(chapters).count('class="needs"') == 2 + 1  # and the legend


def test_the_map_has_a_box_for_each_chapter_that_leads_there():
    drawn = course_map([chapter(0), chapter(1, [0])])
    assert re.findall(r'href="([^"]+)"', drawn) == ["00_x.html", "01_x.html"]
    assert "0 · &lt;0&gt;" in drawn


# The glossary


def forms(term: str) -> list[str]:
    """`Voice activity detection (VAD)` -> both names, in lower case."""
    parts = re.split(r"[,(]", term.replace(")", ""))
    return [part.strip().lower() for part in parts]


def has_term(text: str, term: str) -> bool:
    """Whether a text has a name of the term, alone or with an ending."""
    plain = " ".join(text.lower().replace("-", " ").replace("_", " ").split())
    return any(
        re.search(rf"(?<!\w){re.escape(form.replace('-', ' '))}s?(?!\w)", plain)
        for form in forms(term)
    )


ENTRIES = [
    (found["term"], found["text"])
    for found in TERM.finditer(GLOSSARY.read_text(encoding="utf-8"))
]


def test_the_glossary_has_its_terms_once():
    terms = [term for term, _ in ENTRIES]
    assert len(terms) == GLOSSARY.read_text(encoding="utf-8").count("\n### ")
    names = [name for term in terms for name in forms(term)]
    assert len(names) == len(set(names))
    for term in "codec codebook frame CER WER prefill TTFA VAD MoE RoPE".split():
        assert term.lower() in names


@pytest.mark.parametrize(("term", "text"), ENTRIES, ids=[term for term, _ in ENTRIES])
def test_what_a_term_refers_to_has_the_term(term, text):
    assert text.count("→") == 1, "one reference, after the arrow"
    (target,) = LINK.findall(text.split("→")[1])
    path = GLOSSARY.parent / target
    assert path.is_file()
    if path.suffix == ".ipynb":
        assert path.stem in [chapter.file for chapter in CHAPTERS]
        number = re.search(r"chapter (\d+)", text)
        assert number
        assert int(number[1]) == int(path.stem[:2])
        content = "\n".join(texts(path.stem))
    else:
        content = path.read_text(encoding="utf-8")
    assert has_term(content, term)


def test_a_term_is_found_as_a_word_only():
    assert has_term("All codecs err.", "Codec")
    assert has_term("a voice-activity detector (VAD)", "Voice activity detection (VAD)")
    assert not has_term("decoder", "Code")
    assert not has_term("winter", "WER, word error rate")
