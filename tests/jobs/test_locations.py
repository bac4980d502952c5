"""Locations are compared as what they name, not as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.locations import absolute, bucket_root, is_local, overlap


def test_relative_paths_start_at_the_folder_and_urls_stay() -> None:
    assert absolute("a/../b", Path("/jobs")) == "/jobs/b"
    assert absolute("file:///x/y", Path("/jobs")) == "/x/y"
    assert absolute("s3://bucket/a/../b", Path("/jobs")) == "s3://bucket/a/../b"


def test_a_bucket_without_a_prefix_is_a_root() -> None:
    assert bucket_root("s3://bucket")
    assert bucket_root("s3://bucket/")
    assert not bucket_root("s3://bucket/a")
    assert not bucket_root("/")


def test_windows_like_and_plain_names_are_local() -> None:
    assert is_local("a:b/c")
    assert is_local("file:///a")
    assert not is_local("gs://a")


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("/a/b", "/a/b/", True),
        ("/a/b", "/a/bc", False),
        ("/a/*/c", "/a/b", True),
        ("/a/*.txt", "/a/b", False),
        ("s3://a/b", "s3://a/b/c", True),
    ],
)
def test_overlap_works_on_whole_path_steps_both_ways(left: str, right: str, expected: bool) -> None:
    assert overlap(left, right) is expected
    assert overlap(right, left) is expected
