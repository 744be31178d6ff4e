"""Making assets: in order, resumable, each with a card that says how."""

import pytest

from minimind_o.assets import FILES, Assets
from minimind_o.errors import UserError
from minimind_o.nano import command
from minimind_o.nano.card import write_card


@pytest.fixture
def made(monkeypatch):
    """The names of the assets in the order in which they were made."""
    names = []

    def maker(name):
        def make(run):
            names.append((name, run.seed))
            run.out(name).mkdir(exist_ok=True)
            return {"loss": 0.123456, "minutes": 2.0}

        return make

    monkeypatch.setattr(command, "MAKERS", {name: maker(name) for name in FILES})
    monkeypatch.setattr(Assets, "checked", lambda self, name: self.path(name))
    return names


@pytest.fixture
def places(tmp_path):
    return ["--assets", str(tmp_path / "nano"), "--work", str(tmp_path / "work")]


def test_every_asset_has_a_maker_and_a_title():
    assert list(command.MAKERS) == list(FILES)
    assert set(command.TITLES) == set(FILES)


def test_all_are_made_in_order_and_not_twice(made, places):
    command.main(places)
    assert [name for name, _ in made] == list(FILES)
    command.main(places)
    assert len(made) == len(FILES)
    command.main([*places, "--fresh"])
    assert len(made) == 2 * len(FILES)


def test_an_interrupted_run_goes_on_where_it_stopped(made, places, monkeypatch):
    def interrupted(run):
        raise KeyboardInterrupt

    whole = command.MAKERS["sft_t2a"]
    monkeypatch.setitem(command.MAKERS, "sft_t2a", interrupted)
    with pytest.raises(KeyboardInterrupt):
        command.main(places)
    monkeypatch.setitem(command.MAKERS, "sft_t2a", whole)
    command.main(places)
    assert [name for name, _ in made] == list(FILES)


def test_a_named_asset_is_made_with_its_card(made, places, tmp_path):
    command.main(["mimi", "--seed", "5", *places])
    command.main(["mimi", "--seed", "6", *places])
    assert made == [("mimi", 5), ("mimi", 6)]
    card = (tmp_path / "nano" / "mimi" / "card.md").read_text()
    assert "| command | `minimind-o nano mimi --seed 6` |" in card
    assert "| minutes | 2 |" in card or "| minutes | 2.0 |" in card
    assert "| loss | 0.1235 |" in card
    for fact in ("commit", "date", "machine", "seed"):
        assert f"| {fact} | " in card


def test_what_must_be_made_first_is_named(tmp_path):
    with pytest.raises(UserError, match="minimind-o nano mimi"):
        command.main(["voices", "--assets", str(tmp_path), "--work", str(tmp_path)])


def test_a_card_ends_with_its_note(tmp_path):
    card = write_card(
        tmp_path,
        title="T",
        command="c",
        seed=0,
        minutes=1,
        metrics={},
        note="GPU.",
    )
    assert card.read_text().startswith("# T\n")
    assert card.read_text().endswith("\n\nGPU.\n")
