"""Objects in an S3 bucket (or any server with S3's conditional writes); the only file that calls
S3.

Boundary: speaks builtins (bytes, OSError and its children), so that checkpoints can use it through
its `Store` protocol without either importing the other. Retries every failure that may pass, for
`patience_s`; a conditional write whose response was lost is then answered by "exists", which the
caller resolves.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential
from urllib3.exceptions import HTTPError

from infra.s3_errors import Meaning, meaning, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, ListObjectsV2OutputTypeDef

PATIENCE_S = 300.0
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
CONNECTIONS = 64
DELETE_BATCH = 1000
_RAISED = (ClientError, BotoCoreError, HTTPError, OSError)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One listed object; `key` is relative to the store's root."""

    key: str
    size_bytes: int


class S3Store:
    """Objects under s3://bucket/prefix. Picklable; the client is made once per process.

    Endpoint, region and credentials come from boto3's usual places (AWS_ENDPOINT_URL, ...).
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        patience_s: float = PATIENCE_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        endpoint_url: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._patience_s = patience_s
        self._read_timeout_s = read_timeout_s
        self._endpoint_url = endpoint_url
        self._sleep = sleep
        self._lock = threading.Lock()
        self._made: tuple[int, S3Client] | None = None

    def __repr__(self) -> str:
        return f"S3Store('s3://{self.bucket}/{self.prefix}')"

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_lock", "_made")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
        self._made = None

    def create(self, key: str, data: bytes) -> None:
        """Write `key` only if absent: FileExistsError when it exists, also by a retry of this call.

        ConnectionError, TimeoutError: the write may have landed.
        """
        name = self.prefix + key
        self._call(
            "create",
            key,
            lambda s3: s3.put_object(Bucket=self.bucket, Key=name, Body=data, IfNoneMatch="*"),
        )

    def replace(self, key: str, data: bytes) -> None:
        """Write `key`, whether or not it exists."""
        name = self.prefix + key
        self._call(
            "replace", key, lambda s3: s3.put_object(Bucket=self.bucket, Key=name, Body=data)
        )

    def replace_if(self, key: str, data: bytes, version: str) -> str:
        """Write `key` if its ETag is still `version` (If-Match); gives the new one.

        FileExistsError: it moved, or a retry of this call had landed.
        FileNotFoundError: it is gone.
        """
        name = self.prefix + key
        answer = self._call(
            "replace",
            key,
            lambda s3: s3.put_object(Bucket=self.bucket, Key=name, Body=data, IfMatch=version),
        )
        return str(answer["ETag"])

    def read(self, key: str) -> bytes:
        """The whole object; FileNotFoundError when absent."""
        return self.read_versioned(key)[0]

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        """The whole object and its ETag; FileNotFoundError when absent."""
        name = self.prefix + key
        return self._call(
            "read", key, lambda s3: _received(s3.get_object(Bucket=self.bucket, Key=name))
        )

    def read_tail(self, key: str, length_bytes: int) -> bytes:
        """The last `length_bytes` bytes, all of a shorter object; FileNotFoundError when absent."""
        return self._call("read", key, partial(self._tail, key=key, length_bytes=length_bytes))

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Every object whose key starts with `prefix`; one page of a thousand keys at a time."""
        token: str | None = None
        while True:
            page = self._call("list", prefix, partial(self._page, prefix=prefix, token=token))
            for found in page.get("Contents", ()):
                yield ListedObject(found["Key"][len(self.prefix) :], found["Size"])
            if not page["IsTruncated"]:
                return
            token = page["NextContinuationToken"]

    def delete(self, keys: Iterable[str]) -> None:
        """Remove the objects, a thousand per request; a missing one is no error."""
        rest = iter(keys)
        while batch := list(islice(rest, DELETE_BATCH)):
            self._call("delete", batch[0], partial(self._delete, batch=batch))

    def _tail(self, s3: "S3Client", *, key: str, length_bytes: int) -> bytes:
        name, wanted = self.prefix + key, f"bytes=-{length_bytes}"
        try:
            answer = s3.get_object(Bucket=self.bucket, Key=name, Range=wanted)
        except ClientError as error:
            if meaning(error) is Meaning.EMPTY_RANGE:
                return b""
            raise
        return _received(answer)[0][-length_bytes:]

    def _page(
        self, s3: "S3Client", *, prefix: str, token: str | None
    ) -> "ListObjectsV2OutputTypeDef":
        full = self.prefix + prefix
        if token is None:
            return s3.list_objects_v2(Bucket=self.bucket, Prefix=full)
        return s3.list_objects_v2(Bucket=self.bucket, Prefix=full, ContinuationToken=token)

    def _delete(self, s3: "S3Client", *, batch: Sequence[str]) -> None:
        """One request; what the server could not delete is raised as an error of the request."""
        answer = s3.delete_objects(
            Bucket=self.bucket,
            Delete={"Objects": [{"Key": self.prefix + key} for key in batch], "Quiet": True},
        )
        for failed in answer.get("Errors", ()):
            if failed.get("Code") != "NoSuchKey":
                code, message = failed.get("Code", ""), failed.get("Message", "")
                raise ClientError({"Error": {"Code": code, "Message": message}}, "DeleteObjects")

    def _call(self, action: str, key: str, request: "Callable[[S3Client], Answer]") -> Answer:
        """The answer, with retries; else the builtin exception that tells the caller what to do."""
        try:
            return self._retrying()(lambda: request(self._client()))
        except _RAISED as error:
            raise translated(error, action, self.bucket, self.prefix + key) from error

    def _retrying(self) -> Retrying:
        return Retrying(
            stop=stop_after_delay(self._patience_s),
            wait=wait_random_exponential(multiplier=0.1, max=15.0),
            retry=retry_if_exception(_may_pass),
            sleep=self._sleep,
            reraise=True,
        )

    def _client(self) -> "S3Client":
        """This process's client; one made before a fork shares sockets, so it is not used."""
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                self._made = (os.getpid(), self._new_client())
            return self._made[1]

    def _new_client(self) -> "S3Client":
        config = Config(
            # Our own retries see every answer; hidden ones would blur what landed.
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=self._read_timeout_s,
            max_pool_connections=CONNECTIONS,
            tcp_keepalive=True,
        )
        return boto3.session.Session().client("s3", endpoint_url=self._endpoint_url, config=config)


def _received(answer: "GetObjectOutputTypeDef") -> tuple[bytes, str]:
    """Body and ETag; a body cut off on the way is a ConnectionError, which is tried again."""
    data = answer["Body"].read()
    if len(data) != answer["ContentLength"]:
        raise ConnectionError(f"{len(data)} of {answer['ContentLength']} bytes arrived")
    return data, answer["ETag"]


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, _RAISED) and meaning(error) is Meaning.TRY_AGAIN
