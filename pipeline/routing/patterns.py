"""Regular expressions that no text can make hang: RE2's, whose time grows with the text alone.

Boundary: pyarrow brings RE2 along. It knows neither look-around nor back-references.
"""

import pyarrow as pa
import pyarrow.compute as pc


class InvalidPatternError(ValueError):
    """The pattern is none that RE2 takes; the message says why."""


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that cannot be searched for; InvalidPatternError."""
    try:
        is_found(pattern, "")
    except pa.ArrowInvalid as error:
        raise InvalidPatternError(
            str(error).removeprefix("Invalid regular expression: ")
        ) from error


def is_found(pattern: str, text: str) -> bool:
    """Whether `pattern` (checked before) matches anywhere in `text`."""
    # A text of a JSON file may hold half a surrogate pair, which no UTF-8 can carry.
    clean = text.encode("utf-8", "replace")
    searched = pa.array([clean], pa.binary()).cast(pa.string())
    return bool(pc.match_substring_regex(searched, pattern)[0].as_py())
