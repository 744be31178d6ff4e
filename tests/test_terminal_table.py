"""Columns stay aligned where characters are two columns wide."""

from minimind_o.terminal_table import display_width, shorten, terminal_table


def test_mandarin_counts_double():
    assert display_width("ab") == 2
    assert display_width("五加三？") == 8
    assert display_width("e\u0301") == 1


def test_long_texts_are_cut_to_the_width_and_say_so():
    assert shorten("a short one", 11) == "a short one"
    assert shorten("a rather long one", 9) == "a rather…"
    assert display_width(shorten("五加三等于八", 6)) <= 6
    assert shorten("two\nlines", 20) == "two lines"


def test_columns_line_up_and_figures_stand_to_the_right():
    lines = terminal_table(
        ("question", "ms"), [("五加三？", "7"), ("what?", "120"), ("none", "-")], 30
    ).splitlines()
    assert lines == [
        "question   ms",
        "--------  ---",
        "五加三？    7",
        "what?     120",
        "none        -",
    ]
