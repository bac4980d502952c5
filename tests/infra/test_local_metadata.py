"""The rehearsal's metadata service answers as AWS's does."""

import httpx
import pytest

from infra.spot.local_metadata import (
    INSTANCE_ACTION,
    META_DATA,
    REBALANCE,
    TOKEN_HEADER,
    TOKEN_PATH,
    TTL_HEADER,
    LocalMetadata,
)


def token(endpoint: str, ttl_s: str = "60") -> httpx.Response:
    return httpx.put(endpoint + TOKEN_PATH, headers={TTL_HEADER: ttl_s})


def read(endpoint: str, path: str, its_token: str | None = None) -> httpx.Response:
    headers = {TOKEN_HEADER: its_token or token(endpoint).text}
    return httpx.get(endpoint + META_DATA + path, headers=headers)


def test_nothing_is_told_without_a_token() -> None:
    with LocalMetadata() as metadata:
        metadata.interrupt("a", 1_700_000_000)
        assert httpx.get(metadata.endpoint("a") + META_DATA + INSTANCE_ACTION).status_code == 401
        assert read(metadata.endpoint("a"), INSTANCE_ACTION, "invented").status_code == 401


def test_a_token_of_another_node_is_refused() -> None:
    with LocalMetadata() as metadata:
        other = token(metadata.endpoint("b")).text
        assert read(metadata.endpoint("a"), INSTANCE_ACTION, other).status_code == 401


def test_a_token_lives_as_long_as_it_was_asked_for() -> None:
    now_s = 100.0
    with LocalMetadata(now=lambda: now_s) as metadata:
        its_token = token(metadata.endpoint("a"), "60").text
        now_s = 159.0
        assert read(metadata.endpoint("a"), REBALANCE, its_token).status_code == 404
        now_s = 160.0
        assert read(metadata.endpoint("a"), REBALANCE, its_token).status_code == 401


def test_tokens_can_be_refused_before_their_time() -> None:
    with LocalMetadata() as metadata:
        old = token(metadata.endpoint("a")).text
        assert read(metadata.endpoint("a"), REBALANCE, old).status_code == 404
        metadata.expire_tokens()
        assert read(metadata.endpoint("a"), REBALANCE, old).status_code == 401


@pytest.mark.parametrize("ttl_s", ["0", "21601", "soon", ""])
def test_a_token_lives_from_a_second_to_six_hours(ttl_s: str) -> None:
    with LocalMetadata() as metadata:
        assert token(metadata.endpoint("a"), ttl_s).status_code == 400


def test_a_notice_is_seen_by_its_node_alone_until_it_is_cleared() -> None:
    with LocalMetadata() as metadata:
        metadata.interrupt("a", 1_700_000_000.9)
        metadata.recommend_rebalance("a")
        shown = read(metadata.endpoint("a"), INSTANCE_ACTION)
        assert shown.json() == {"action": "terminate", "time": "2023-11-14T22:13:20Z"}
        assert "noticeTime" in read(metadata.endpoint("a"), REBALANCE).json()
        assert read(metadata.endpoint("b"), INSTANCE_ACTION).status_code == 404
        metadata.clear("a")
        assert read(metadata.endpoint("a"), INSTANCE_ACTION).status_code == 404
