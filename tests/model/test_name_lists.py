"""A list of names is short and whole."""

from minimind_o.model.name_lists import compact


def test_names_of_one_pattern_are_one_entry() -> None:
    names = [f"layers.{i}.part.{j}.weight" for i in (0, 1, 3, 10) for j in range(8)]
    assert compact([*names, "norm.weight"]) == [
        "layers.{0-1,3,10}.part.{0-7}.weight",
        "norm.weight",
    ]


def test_what_is_no_full_combination_is_told_one_by_one() -> None:
    names = ["a.0.b.0", "a.0.b.1", "a.1.b.0"]
    assert compact(names) == names
    assert compact([]) == []
