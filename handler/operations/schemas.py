"""What /version gives."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class VersionResponse(BaseModel):
    """What runs, and over what."""

    model_config = ConfigDict(
        extra="forbid",
        defer_build=True,
        json_schema_extra={
            "examples": [
                {
                    "version": "0.1.0",
                    "revision": "3d0d5fd1c62b9ad2bd6bd6e3c7e1c4e6d7cbb1f0",
                    "bundle": "8f14e45fceea",
                    "format": 1,
                    "python": "3.11.9",
                }
            ]
        },
    )

    version: str = Field(description="the project's version")
    revision: str = Field(description="the commit that it was built from, or unknown")
    bundle: str = Field(description="how the digest of the bundle's manifest begins")
    format: int = Field(description="the format of bundles that it reads")
    python: str = Field(description="the version of Python that runs it")
