"""Renamed flags of earlier versions, which still work and print their present name."""

import re
from collections.abc import Sequence

from robomtl.earlier import present_name, present_value
from robomtl.terminal import say

# Matches settings of the verb itself or of its ``training``, not of an architecture.
_FLAG = re.compile(
    r"--((?:[\w.-]+\.)?training\.)?([\w-]+(?:\.[\w-]+)?)(?:(=)(.*))?", re.DOTALL
)


def present_flags(arguments: Sequence[str]) -> list[str]:
    """The words of a command line with the present names of flags and their values.

    For each earlier flag, a line on stderr has its present name.
    """
    words, setting = [], ""
    for word in arguments:
        match = _FLAG.fullmatch(word)
        if match is None:
            words.append(present_value(setting, word))
            continue
        within, name, equals, value = (each or "" for each in match.groups())
        earlier = name.replace("-", "_")
        setting = present_name(earlier)
        if setting != earlier:
            renamed = setting.replace("_", "-")
            say(f"--{within}{name} is now --{within}{renamed}.", stderr=True)
            name = renamed
        words.append(f"--{within}{name}{equals}{present_value(setting, value)}")
    return words
