"""What S3 and the way there refuse, in one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
    SSOError,
)

from embed.errors import StoreError

CUT: Final = (
    *(IncompleteReadError, ResponseStreamingError, ReadTimeoutError, ConnectionClosedError),
    *(EndpointConnectionError, ConnectTimeoutError),
)
"""How a connection ends before its answer does."""

_NOT_OURS: Final = {
    "InvalidAccessKeyId": "these credentials are not known there",
    "SignatureDoesNotMatch": "the secret key is not that of the access key",
    "ExpiredToken": "the credentials have expired; get new ones",
    "ExpiredTokenException": "the credentials have expired; get new ones",
    "RequestExpired": "the credentials have expired; get new ones",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "AccessDenied": "these credentials may not do that",
    "AllAccessDisabled": "these credentials may not do that",
    "403": "these credentials may not do that",
    "NoSuchBucket": "there is no such bucket",
    "SlowDown": "it keeps asking us to slow down; try again later",
    "503": "it keeps asking us to slow down; try again later",
    "RequestLimitExceeded": "it keeps asking us to slow down; try again later",
    "ServiceUnavailable": "it is unavailable; try again later",
    "InternalError": "it fails inside; try again later",
    "500": "it fails inside; try again later",
    "BadDigest": "what arrived there is not what was sent (checksum)",
    "XAmzContentSHA256Mismatch": "what arrived there is not what was sent (checksum)",
    "ConditionalRequestConflict": "other writers are at it; try again",
    "EntityTooLarge": "it takes no object so large",
    "InvalidObjectState": "it is archived (Glacier); restore it first",
}


@contextmanager
def told(place: str) -> Iterator[None]:
    """Every refusal, of S3 or on the way there, as a StoreError about ``place``."""
    try:
        yield
    except ClientError as error:
        raise StoreError(f"{place}: {_refused(error)}") from error
    except BotoCoreError as error:
        raise StoreError(f"{place}: {_unreachable(error)}") from error
    except RecursionError as error:
        # botocore asks where the bucket is, is led on, asks where the bucket is, …
        raise StoreError(
            f"{place}: what answers there leads on without end (redirects); is AWS_ENDPOINT_URL "
            "right, https:// included?"
        ) from error


def code(error: ClientError) -> str:
    """S3's name of what went wrong, or the HTTP status where an answer has no body."""
    found: str = error.response.get("Error", {}).get("Code", "")
    return found


def _refused(error: ClientError) -> str:
    name = code(error)
    said = str(error.response.get("Error", {}).get("Message", "")).strip()
    tries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    known = _NOT_OURS.get(name)
    text = f"{known} ({name})" if known else one_line(f"{name}: {said}" if said else name)
    return f"{text}, after {tries + 1} tries" if tries else text


def _unreachable(error: BotoCoreError) -> str:
    match error:
        case NoCredentialsError():
            return (
                "no AWS credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "AWS_PROFILE, or give this machine a role"
            )
        case PartialCredentialsError() | CredentialRetrievalError() | ProfileNotFound():
            return f"AWS credentials: {one_line(str(error))}"
        case SSOError():
            return f"AWS credentials: {one_line(str(error))}; sign in again"
        case NoRegionError():
            return "no AWS region; set AWS_REGION"
        case EndpointConnectionError() | ConnectTimeoutError() | ProxyConnectionError():
            return f"cannot be reached: {one_line(str(error))}"
        case SSLError():
            return f"no trusted connection: {one_line(str(error))}"
        case IncompleteReadError() | ResponseStreamingError() | ReadTimeoutError():
            return f"the connection is cut again and again: {one_line(str(error))}"
        case _:
            return one_line(str(error))


def one_line(text: str) -> str:
    """``text`` without line breaks, and not a page of it."""
    return " ".join(text.split())[:300]
