"""AWS: the instance metadata service, version 2.

Boundary: three paths, each a source of its own. A token is asked for at first and again whenever
the service says that it is not valid any more; 404 means that nothing is announced.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from infra.spot.notices import (
    Notice,
    SilentSourceError,
    aws_instance_action,
    aws_lifecycle_state,
    aws_rebalance,
)
from infra.spot.sources.metadata import Answer, Metadata
from infra.spot.sources.source import Source

ENDPOINT = "http://169.254.169.254"
TOKEN_PATH = "/latest/api/token"
META_DATA = "/latest/meta-data/"
TOKEN_TTL_S = 21600
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
REMEDY = (
    f"let nodes and pods reach {ENDPOINT}; a pod needs a hop limit of 2 (aws ec2 "
    "modify-instance-metadata-options --http-put-response-hop-limit 2)"
)
TOKEN_HEADER = "X-aws-ec2-metadata-token"


class Imds:
    """The service with its token."""

    def __init__(self, endpoint: str) -> None:
        self._metadata = Metadata(endpoint.rstrip("/"))
        self._token: str | None = None

    def ask(self, path: str) -> Answer:
        """GET a path under latest/meta-data/; raises SilentSourceError."""
        answer = self._ask_with_token(path)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._token = None
            answer = self._ask_with_token(path)
        return answer

    def _ask_with_token(self, path: str) -> Answer:
        if self._token is None:
            self._token = self._new_token()
        return self._metadata.ask(META_DATA + path, {TOKEN_HEADER: self._token})

    def _new_token(self) -> str:
        answer = self._metadata.ask(TOKEN_PATH, {TTL_HEADER: str(TOKEN_TTL_S)}, method="PUT")
        token = answer.body()
        if not token:
            raise SilentSourceError("gives no token")
        return token


def aws_sources(endpoint: str = ENDPOINT) -> tuple[Source, ...]:
    """What AWS may announce to the machine whose metadata service is at `endpoint`."""
    imds = Imds(endpoint)
    return (
        _source(imds, "spot/instance-action", lambda body, _: aws_instance_action(body)),
        _source(imds, "events/recommendations/rebalance", lambda body, _: aws_rebalance(body)),
        _source(imds, "autoscaling/target-lifecycle-state", aws_lifecycle_state),
    )


def _source(imds: Imds, path: str, parse: Callable[[str, float], Notice | None]) -> Source:
    def read(now_unix_s: float) -> list[Notice]:
        answer = imds.ask(path)
        body = answer.body()
        if body is None:
            return []
        ahead_s = answer.clock_ahead_s(now_unix_s)
        notice = parse(body, now_unix_s + ahead_s)
        return [] if notice is None else [notice.seen_from(ahead_s)]

    return Source(f"aws {path}", read, remedy=REMEDY)
