from robomtl.progress import progress, quiet


def work(units=2):
    with progress("Working", units) as advance:
        advance()
        advance(units - 1, note="done")


def test_where_there_is_no_terminal_a_line_is_printed_at_the_end(capsys):
    work()
    assert "Working: 2/2, 0 s, 0 s left. done" in capsys.readouterr().err


def test_what_is_part_of_something_larger_keeps_quiet(capsys):
    with quiet():
        work()
    assert capsys.readouterr().err == ""
    work()
    assert capsys.readouterr().err
