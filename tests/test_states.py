"""The gate's document: it is what the gate is, and every row of the table is tried by some test."""

from tests.states import ALL_STATES, PLACE, draw, play, read_rows


def test_the_document_of_the_states_is_not_stale():
    assert PLACE.read_text() == draw(), "run 'make docs'"


def test_every_row_of_the_table_is_met_by_an_example():
    rows = read_rows()
    play(rows)
    assert [row for row in rows if not row.leads] == []


def test_every_state_says_which_packets_may_pass():
    for line in PLACE.read_text().splitlines():
        name = line.removeprefix("| ").partition(" ")[0]
        if line.count("|") == 4 and name in ALL_STATES:
            assert line.split("|")[3].strip()
