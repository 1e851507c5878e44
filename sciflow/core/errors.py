"""The exceptions that sciflow raises on purpose.

Every message is one sentence that names the thing at fault, says what was expected and how to put it right. The command
line prints an :class:`InputError` without a traceback and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LISTED = 24


class SciflowError(Exception):
    """Base of all exceptions raised on purpose by sciflow."""

    def __str__(self) -> str:
        # KeyError, a base of UnknownNameError, would show the message in quotation marks.
        return str(self.args[0]) if len(self.args) == 1 else super().__str__()


class InputError(SciflowError, ValueError):
    """What the caller gave cannot be used: a wrong value, shape, type, file or folder."""


class UnknownNameError(InputError, KeyError):
    """A name that nothing is registered under."""


def near(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: close matches, then what is known.

    Args:
        name: what was asked for.
        known: the names that would have been accepted.

    Returns:
        Text that starts with a space, such as ``" Did you mean 'burgers'? Known: burgers, heat."``; close matches are
        found without regard to case, and long lists are cut.
    """
    names = sorted(set(known))
    if not names:
        return " None are known."
    lowered: dict[str, str] = {}
    for item in names:
        lowered.setdefault(item.lower(), item)
    matches = [lowered[match] for match in difflib.get_close_matches(str(name).lower(), list(lowered), n=3, cutoff=0.6)]
    hint = f" Did you mean {' or '.join(repr(match) for match in matches)}?" if matches else ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{hint} Known: {', '.join(names[:_LISTED])}{more}."
