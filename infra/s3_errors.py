"""What an S3 error means for the caller: pure decisions, no calls.

Boundary: takes botocore's exceptions, gives a `Meaning` and, for the final ones, the builtin
exception with a message that names action, place and way out.
"""

from enum import Enum

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from urllib3.exceptions import HTTPError


class Meaning(Enum):
    """What the caller can conclude."""

    TRY_AGAIN = "try again"
    EXISTS = "a condition was not met"
    MISSING = "no such object"
    NO_BUCKET = "no such bucket"
    EMPTY_RANGE = "the object is empty"
    DENIED = "no access"
    UNSUPPORTED = "the server does not support this request"
    REFUSED = "anything else"


_BY_CODE = {
    "PreconditionFailed": Meaning.EXISTS,
    "ConditionalRequestConflict": Meaning.TRY_AGAIN,
    "OperationAborted": Meaning.TRY_AGAIN,
    "NoSuchKey": Meaning.MISSING,
    "NoSuchBucket": Meaning.NO_BUCKET,
    "InvalidRange": Meaning.EMPTY_RANGE,
    "NotImplemented": Meaning.UNSUPPORTED,
    # Damaged or cut off on the way to the server:
    "BadDigest": Meaning.TRY_AGAIN,
    "IncompleteBody": Meaning.TRY_AGAIN,
    "XAmzContentChecksumMismatch": Meaning.TRY_AGAIN,
    "RequestTimeout": Meaning.TRY_AGAIN,
    "SlowDown": Meaning.TRY_AGAIN,
    "Throttling": Meaning.TRY_AGAIN,
    "ThrottlingException": Meaning.TRY_AGAIN,
    "RequestLimitExceeded": Meaning.TRY_AGAIN,
    "InternalError": Meaning.TRY_AGAIN,
    "ServiceUnavailable": Meaning.TRY_AGAIN,
    "ExpiredToken": Meaning.DENIED,
    "ExpiredTokenException": Meaning.DENIED,
    "TokenRefreshRequired": Meaning.DENIED,
    "InvalidToken": Meaning.DENIED,
    "InvalidAccessKeyId": Meaning.DENIED,
    "SignatureDoesNotMatch": Meaning.DENIED,
    "RequestTimeTooSkewed": Meaning.DENIED,
    "AccessDenied": Meaning.DENIED,
}
_BY_STATUS = {
    401: Meaning.DENIED,
    403: Meaning.DENIED,
    404: Meaning.MISSING,
    408: Meaning.TRY_AGAIN,
    409: Meaning.TRY_AGAIN,
    412: Meaning.EXISTS,
    416: Meaning.EMPTY_RANGE,
    429: Meaning.TRY_AGAIN,
    501: Meaning.UNSUPPORTED,
}
_CREDENTIAL_ERRORS = (
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
_NETWORK_ERRORS = (
    HTTPClientError,
    BotocoreConnectionError,
    HTTPError,
    CredentialRetrievalError,
    MetadataRetrievalError,
    IncompleteReadError,
    ResponseStreamingError,
    FlexibleChecksumError,
    ConnectionError,
    TimeoutError,
)
_TIMEOUTS = (ReadTimeoutError, ConnectTimeoutError, TimeoutError)

_DENIED_WAYS_OUT = {
    "ExpiredToken": "the credentials have expired: renew them and resume",
    "ExpiredTokenException": "the credentials have expired: renew them and resume",
    "InvalidAccessKeyId": "this server does not know the key: check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret is wrong: check AWS_SECRET_ACCESS_KEY",
    "RequestTimeTooSkewed": "this machine's clock is wrong: synchronise it",
}
_PERMISSIONS = {
    "create": "s3:PutObject",
    "replace": "s3:PutObject",
    "read": "s3:GetObject (and s3:ListBucket, without which a missing object looks forbidden)",
    "list": "s3:ListBucket",
    "delete": "s3:DeleteObject",
}


def meaning(error: Exception) -> Meaning:
    """What `error`, raised by a boto3 call or by reading its body, means."""
    if isinstance(error, ClientError):
        by_code = _BY_CODE.get(code_of(error))
        if by_code is not None:
            return by_code
        status = status_of(error)
        fallback = Meaning.TRY_AGAIN if status >= 500 else Meaning.REFUSED
        return _BY_STATUS.get(status, fallback)
    if isinstance(error, _CREDENTIAL_ERRORS):
        return Meaning.DENIED
    if isinstance(error, _NETWORK_ERRORS):
        return Meaning.TRY_AGAIN
    return Meaning.REFUSED


def translated(error: Exception, action: str, bucket: str, key: str) -> OSError:
    """The builtin exception for an error that is not, or no longer, worth trying again."""
    place = f"{action} s3://{bucket}/{key}"
    match meaning(error):
        case Meaning.EXISTS:
            return FileExistsError(f"{place}: it exists or has changed")
        case Meaning.MISSING:
            return FileNotFoundError(f"{place}: no such object")
        case Meaning.NO_BUCKET:
            return FileNotFoundError(
                f"{place}: bucket {bucket} does not exist: create it, or correct the URI "
                "(and AWS_ENDPOINT_URL, if set)"
            )
        case Meaning.DENIED:
            return PermissionError(f"{place}: {describe(error)}. {_denied_way_out(error, action)}")
        case Meaning.UNSUPPORTED:
            return OSError(f"{place}: {describe(error)}. The server does not support this request")
        case Meaning.TRY_AGAIN if isinstance(error, _TIMEOUTS):
            return TimeoutError(f"{place}: no answer in time, retries included ({error})")
        case Meaning.TRY_AGAIN:
            return ConnectionError(f"{place}: failed, retries included ({describe(error)})")
        case _:
            return OSError(f"{place}: {describe(error)}")


def code_of(error: ClientError) -> str:
    """S3's error code, e.g. "NoSuchKey"; a bare status where the server sent no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The HTTP status; 0 where unknown."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def describe(error: Exception) -> str:
    """The error in one line."""
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message", "")
        return f"{code_of(error)} ({status_of(error)}) {message}".strip()
    return str(error) or type(error).__name__


def _denied_way_out(error: Exception, action: str) -> str:
    if not isinstance(error, ClientError):
        return "Give this process AWS credentials (a profile, a role or environment variables)"
    allow = f"allow {_PERMISSIONS.get(action, 'the action')} to this identity"
    way_out = _DENIED_WAYS_OUT.get(code_of(error), allow)
    return way_out[0].upper() + way_out[1:]
