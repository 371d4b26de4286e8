"""Errors name the remedy of those who read them."""

from vestige.errors import VestigeError, on_command_line

MESSAGE = "DIR: holds a finished run; choose another -o, or add --overwrite to replace it"


def test_python_is_told_parameters_and_the_command_line_options():
    assert str(VestigeError(MESSAGE)) == (
        "DIR: holds a finished run; choose another folder, or pass overwrite=True to replace it"
    )
    with on_command_line():
        assert str(VestigeError(MESSAGE)) == MESSAGE
    assert "overwrite=True" in str(VestigeError(MESSAGE))
