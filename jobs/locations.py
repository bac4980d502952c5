"""Where things are: local paths and URLs compared with each other, without touching them."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.loaders.reading import scheme_of

_SAME = {"s3a": "s3", "s3n": "s3"}  # other names of a scheme


def is_local(uri: str) -> bool:
    """Whether `uri` names a path of this machine."""
    return scheme_of(uri) == "file"


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
        path = uri.partition("://")[2]
    return [_SAME.get(scheme, scheme), *(part for part in path.split("/") if part not in ("", "."))]
