"""Wordings of LIBERO's sentences, by rule: LIBERO itself has one sentence a task."""

import re

_VERBS = {
    "pick up": ("grab", "take", "lift"),
    "place": ("put", "set", "lay"),
    "put": ("place", "set", "lay"),
    "open": ("pull open", "open up", "fully open"),
    "close": ("shut", "fully shut", "fully close"),
    "turn on": ("switch on", "start", "fire up"),
    "turn off": ("switch off", "stop", "shut down"),
    "push": ("slide", "shift", "shove"),
    "stack": ("pile", "place", "heap"),
}
"""LIBERO's verbs, each with two others to train on and one that is held out."""

_FRAMES = ("please {}", "can you {}?", "the robot should {}")
_HELD_OUT_FRAME = "your task is to {}"

_VERB = re.compile(rf"(^|\band )({'|'.join(_VERBS)})\b")


def wordings(sentence: str) -> tuple[str, ...]:
    """Wordings to train on; LIBERO's own is the first."""
    framed = [frame.format(sentence) for frame in _FRAMES]
    return sentence, _with_verbs(sentence, 0), _with_verbs(sentence, 1), *framed


def held_out_wordings(sentence: str) -> tuple[str, ...]:
    """Wordings kept for evaluation."""
    return _with_verbs(sentence, 2), _HELD_OUT_FRAME.format(sentence)


def _with_verbs(sentence: str, column: int) -> str:
    """The sentence with the verbs of a column of ``_VERBS`` in place of LIBERO's."""
    return _VERB.sub(lambda found: found[1] + _VERBS[found[2]][column], sentence)
