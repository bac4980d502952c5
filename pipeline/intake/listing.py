"""From input URIs to the sorted table of the files they mean.

A URI is a file, a folder (every file beneath it) or a glob (`*`, `?`, `[...]`, `**`). Hidden files
and folders (a leading dot) and the marker files of Spark and Delta are skipped beneath folders and
globs; every other file counts, one of unknown format as one error row, so that nothing vanishes
without a word. The table is columns, not objects: 100,000 files cost some tens of megabytes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.documents import InputSource
from pipeline.loaders.input_errors import InputAccessError, MissingLocationError, NoDocumentsError
from pipeline.loaders.reading import filesystem, local_path, protocols, retried, uri_of, version_of
from pipeline.loaders.registry import FORMAT_NAMES, format_of

_GLOB_CHARACTERS = frozenset("*?[")
_MARKER_FILES = frozenset({"_SUCCESS", "_metadata", "_common_metadata"})


_Match: TypeAlias = tuple[Any, str, dict[str, Any]]  # file system, path in it, its details


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of the input."""

    uri: str
    size_bytes: int
    version: str
    format: str


@dataclass(frozen=True)
class FileTable:
    """Files sorted by URI, each once, as columns of equal length."""

    uris: Any  # pyarrow string array
    versions: Any  # pyarrow string array
    sizes: NDArray[np.int64]
    formats: NDArray[np.int8]  # index into FORMAT_NAMES

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> InputFile:
        return InputFile(
            self.uris[index].as_py(),
            int(self.sizes[index]),
            self.versions[index].as_py(),
            FORMAT_NAMES[self.formats[index]],
        )

    def __iter__(self) -> Iterator[InputFile]:
        return (self[index] for index in range(len(self)))

    @cached_property
    def total_bytes(self) -> int:
        """The size of all files together."""
        return int(self.sizes.sum())


def list_inputs(source: InputSource) -> FileTable:
    """The files that `source` means.

    Raises InputError (see input_errors.py) naming the URI at fault.
    """
    columns: tuple[list[str], list[int], list[str]] = ([], [], [])
    for given in source.uris:
        found = 0
        for fs, path, info in _matches(local_path(given)):
            columns[0].append(uri_of(fs, path))
            columns[1].append(int(info.get("size") or 0))
            columns[2].append(version_of(fs, path, info))
            found += 1
        if not found:
            raise NoDocumentsError(
                "input.uri", "matches no file", given, "check the path and its wildcards"
            )
    return file_table(*columns, wanted=source.format)


def file_table(
    uris: list[str], sizes: list[int], versions: list[str], *, wanted: str = "auto"
) -> FileTable:
    """The table of files given in any order, in which the same URI may stand twice."""
    codes = {name: code for code, name in enumerate(FORMAT_NAMES)}
    formats = np.fromiter((codes[format_of(uri, wanted)] for uri in uris), np.int8, len(uris))
    names = pa.array(uris, pa.large_string())
    order = pc.sort_indices(names)
    names = names.take(order)
    order = order.to_numpy()
    if len(names) > 1:
        is_first = np.ones(len(names), bool)
        is_first[1:] = pc.not_equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
        names, order = names.filter(pa.array(is_first)), order[is_first]
    return FileTable(
        names,
        pa.array(versions, pa.large_string()).take(pa.array(order)),
        np.array(sizes, np.int64)[order],
        formats[order],
    )


def input_digest(files: FileTable) -> str:
    """A digest of names, sizes, versions and formats: equal when the input is the same."""
    digest = hashlib.sha256()
    for file in files:
        line = f"{file.uri}\0{file.size_bytes}\0{file.version}\0{file.format}\n"
        digest.update(line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _matches(uri: str) -> Iterator[_Match]:
    fs, path = filesystem(uri)
    try:
        if _GLOB_CHARACTERS & set(path) and not retried(lambda: fs.exists(path), uri):
            yield from _globbed(fs, path, uri)
            return
        info = retried(lambda: fs.info(path), uri)
        if info["type"] == "directory":
            yield from _beneath(fs, path, path, uri)
        else:
            yield fs, path, info
    except FileNotFoundError as error:
        _explain_missing(fs, path, uri, error)
    except PermissionError as error:
        raise InputAccessError(
            "input.uri",
            "may not be read",
            uri,
            "grant this process list and read access, or correct the credentials",
        ) from error


def _globbed(fs: Any, path: str, uri: str) -> Iterator[_Match]:
    parts = path.split("/")
    fixed = next(i for i, part in enumerate(parts) if _GLOB_CHARACTERS & set(part))
    root = "/".join(parts[:fixed]) or fs.root_marker
    if root.strip("/"):
        retried(lambda: fs.info(root), uri)  # a missing bucket or folder says so
    found = retried(lambda: fs.glob(path, detail=True), uri)
    for name in sorted(found):
        info = found[name]
        if info["type"] == "directory":
            if parts[-1] != "**":  # `**` itself yields the files beneath
                yield from _beneath(fs, name, root, uri)
        elif not _is_hidden(name, root) and not _is_placeholder(info):
            yield fs, name, info


def _beneath(fs: Any, path: str, root: str, uri: str) -> Iterator[_Match]:
    if _is_hidden(path, root):
        return
    found = retried(lambda: fs.find(path, detail=True), uri)
    for name, info in found.items():
        if not _is_hidden(name, root) and not _is_placeholder(info):
            yield fs, name, info


def _is_hidden(path: str, root: str) -> bool:
    parts = path.removeprefix(root).strip("/").split("/")
    return any(part.startswith(".") for part in parts) or parts[-1] in _MARKER_FILES


def _is_placeholder(info: dict[str, Any]) -> bool:
    """Whether an object only stands for a folder, as some S3 tools create them."""
    return info.get("type") == "directory" or str(info.get("name", "")).endswith("/")


def _explain_missing(fs: Any, path: str, uri: str, error: FileNotFoundError) -> None:
    bucket = path.split("/", 1)[0]
    if "s3" in protocols(fs) and not retried(lambda: fs.exists(bucket), uri):
        raise MissingLocationError(
            "input.uri",
            f"there is no bucket {bucket} (or these credentials do not see it)",
            uri,
            "correct the name, the region or AWS_ENDPOINT_URL",
        ) from error
    raise MissingLocationError(
        "input.uri", "there is no such file or folder", uri, "correct the path"
    ) from error
