"""The way to S3, as the environment and ``~/.aws`` describe it."""

from __future__ import annotations

from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from embed.errors import StoreError
from embed.store.problems import one_line, told

_ATTEMPTS: Final = 6
"""With botocore's backoff (doubling, random, at most 20 s) about half a minute of throttling;
AWS_MAX_ATTEMPTS and AWS_RETRY_MODE say otherwise."""

_VARIABLES: Final = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}
"""AWS_REGION is what every other program of AWS reads; boto3 reads the other one alone
(botocore/configprovider.py, whose form this is: name in files, variables, default, conversion)."""


def aws_session() -> Any:  # noqa: ANN401 - botocore's session; it has no types
    """Credentials, region, profile and endpoints as the environment and ``~/.aws`` say."""
    return botocore.session.get_session(_VARIABLES)


def connect() -> Any:  # noqa: ANN401 - boto3's clients are made at run time
    """An S3 client by what the environment and ``~/.aws`` say. Raises StoreError."""
    with told("S3"):
        core = aws_session()
        given = core.get_config_variable
        try:
            retries = {
                "mode": given("retry_mode") or "standard",
                "total_max_attempts": given("max_attempts") or _ATTEMPTS,
            }
            config = Config(
                retries=retries,
                connect_timeout=10,
                read_timeout=60,
                # Our own SHA-256 goes with what we write; other stores know no CRC trailers.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            return boto3.session.Session(botocore_session=core).client("s3", config=config)
        except ValueError as error:  # an endpoint that is no URL, a number that is none
            if isinstance(error, BotoCoreError):
                raise
            raise StoreError(f"S3: {one_line(str(error))}") from error
