from robomtl.warned import gathered, warn, warned_once


def test_a_warning_of_several_parts_is_printed_once_at_the_end(capsys):
    with warned_once():
        with gathered() as kept:
            warn("It is odd.")
        for sentence in (*kept, "It is odd.", "It is even."):
            warn(sentence)
        assert capsys.readouterr().err == ""
    assert capsys.readouterr().err == "It is odd.\nIt is even.\n"
    warn("It is odd.")
    assert capsys.readouterr().err == "It is odd.\n"
