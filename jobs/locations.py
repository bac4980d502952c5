"""Where things are: local paths and URLs compared with each other, without touching them."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path

_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def is_local(uri: str) -> bool:
    """Whether `uri` names a path of this machine."""
    return scheme_of(uri) == "file"


def scheme_of(uri: str) -> str:
    """The scheme of a URL in lower case; "file" for a plain path; "s3" also for s3a and s3n."""
    found = _SCHEME.match(uri)
    if found is None:
        return "file"
    scheme = found.group(1).lower()
    return "s3" if scheme in ("s3a", "s3n") else scheme


def absolute(uri: str, folder: Path) -> str:
    """`uri` with a relative local path resolved against `folder`, `~` expanded; URLs unchanged."""
    if not is_local(uri):
        return uri
    path = os.path.expanduser(uri.removeprefix("file://"))
    return os.path.normpath(os.path.join(folder, path))


def bucket_root(uri: str) -> bool:
    """Whether `uri` is a whole bucket or host, with nothing behind it."""
    return not is_local(uri) and len(_parts(uri)) <= 2


def overlap(left: str, right: str) -> bool:
    """Whether two locations can name the same object: equal, one inside the other, or by a glob."""
    for a, b in zip(_parts(left), _parts(right), strict=False):
        if "**" in (a, b):
            return True
        if a != b and not fnmatchcase(a, b) and not fnmatchcase(b, a):
            return False
    return True


def _parts(uri: str) -> list[str]:
    scheme = scheme_of(uri)
    if scheme == "file":
        path = os.path.abspath(os.path.expanduser(uri.removeprefix("file://")))
    else:
        path = _SCHEME.sub("", uri)
    return [scheme, *(part for part in path.split("/") if part not in ("", "."))]
