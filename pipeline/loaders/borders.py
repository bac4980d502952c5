"""Where the records of jsonl and CSV lie in a buffer of bytes; pure.

Census and loaders share these functions, so that a slice cut by the one is read by the other as
the same records. A buffer always begins at the start of a record.

* jsonl: a record is a line that holds more than blanks.
* CSV (RFC 4180): a quote opens only at the start of a field; a quoted field may hold line ends.
  Empty lines are no records. A quote that is not closed within LONGEST_RECORD_BYTES, or at all,
  costs its own line only, not the rest of the file.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LONGEST_RECORD_BYTES = 64 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
_JSON_BLANKS = b" \t\r\n"
_LINE_BLANKS = b"\r\n"


@dataclass(frozen=True, slots=True)
class Records:
    """The complete records of a buffer."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]  # behind the line end, if there is one
    consumed_bytes: int  # the next buffer begins here


def line_records(buffer: bytes, *, at_end: bool) -> Records:
    """The jsonl records of a buffer; a last line without a line end counts when `at_end`."""
    data = np.frombuffer(buffer, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE) + 1
    return _without_blanks(buffer, data, _with_rest(ends, len(buffer), at_end), _JSON_BLANKS)


def csv_records(buffer: bytes, *, delimiter: bytes, at_end: bool) -> Records:
    """The CSV records of a buffer, the header among them if the buffer begins with it."""
    data = np.frombuffer(buffer, np.uint8)
    ends = _csv_ends_at_once(data, delimiter, at_end)
    if ends is None:
        ends = _csv_ends_one_by_one(buffer, delimiter, at_end)
    return _without_blanks(buffer, data, ends, _LINE_BLANKS)


def _with_rest(ends: NDArray[np.int64], length: int, at_end: bool) -> NDArray[np.int64]:
    if at_end and length and (len(ends) == 0 or ends[-1] < length):
        return np.append(ends, length)
    return ends


def _without_blanks(
    buffer: bytes, data: NDArray[np.uint8], ends: NDArray[np.int64], blanks: bytes
) -> Records:
    if len(ends) == 0:
        none = np.zeros(0, np.int64)
        return Records(none, none, 0)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    keep = np.ones(len(ends), bool)
    may_be_blank = np.zeros(256, bool)
    may_be_blank[list(blanks)] = True
    for index in np.flatnonzero(may_be_blank[data[starts]]).tolist():
        keep[index] = bool(buffer[starts[index] : ends[index]].strip(blanks))
    return Records(starts[keep], ends[keep], int(ends[-1]))


def _csv_ends_at_once(
    data: NDArray[np.uint8], delimiter: bytes, at_end: bool
) -> NDArray[np.int64] | None:
    """Record ends by counting quotes; None where that count does not tell (stray quotes)."""
    ends = np.flatnonzero(data == _NEWLINE) + 1
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes):
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    ends = _with_rest(ends, len(data), at_end)
    decided = quotes[: np.searchsorted(quotes, ends[-1])] if len(ends) else quotes[:0]
    if len(decided) % 2:
        return None
    opening, closing = decided[0::2], decided[1::2]
    before = data[np.maximum(opening - 1, 0)]
    at_field_start = (before == delimiter[0]) | (before == _NEWLINE) | (opening == 0)
    at_field_start[1:] |= opening[1:] == closing[:-1] + 1  # the second of a doubled quote
    lengths = np.diff(ends, prepend=0, append=len(data))  # with the undecided rest
    is_short = lengths.max(initial=0) < LONGEST_RECORD_BYTES
    return ends if is_short and bool(at_field_start.all()) else None


def _csv_ends_one_by_one(buffer: bytes, delimiter: bytes, at_end: bool) -> NDArray[np.int64]:
    ends: list[int] = []
    start = 0
    while start < len(buffer):
        end = _csv_end(buffer, start, delimiter, at_end)
        if end is None:
            break
        ends.append(end)
        start = end
    return np.array(ends, np.int64)


def _csv_end(buffer: bytes, start: int, delimiter: bytes, at_end: bool) -> int | None:
    """The end of the record at `start`; None when that needs more bytes."""
    limit = start + LONGEST_RECORD_BYTES
    all_there = at_end or len(buffer) >= limit
    field = start
    while True:
        if buffer[field : field + 1] == b'"':
            closing = _closing_quote(buffer, field + 1, limit)
            if closing is None:
                return _line_end(buffer, start, at_end) if all_there else None
            field = closing + 1  # at the end of the buffer: None below, more bytes may double it
        end = _line_end(buffer, field, at_end)
        found = buffer.find(delimiter, field, len(buffer) if end is None else end)
        if found < 0:
            return end
        field = found + 1


def _closing_quote(buffer: bytes, start: int, limit: int) -> int | None:
    while (found := buffer.find(b'"', start, limit)) >= 0:
        if buffer[found + 1 : found + 2] != b'"':
            return found
        start = found + 2
    return None


def _line_end(buffer: bytes, start: int, at_end: bool) -> int | None:
    found = buffer.find(b"\n", start)
    if found >= 0:
        return found + 1
    return len(buffer) if at_end else None
