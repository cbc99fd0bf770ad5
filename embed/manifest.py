"""What a bundle says of itself: ``manifest.json``, format 1."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from embed.errors import BundleError, ModelError
from embed.spec import FrontEnd, Spec

FORMAT: Final = 1
MODEL_FILE: Final = "model/audio.onnx"
TEXT_FILE: Final = "model/text.onnx"
TOKENIZER_FILE: Final = "model/tokenizer.json"
CATALOGUE_FILE: Final = "catalogue.sqlite"
VECTORS_FILE: Final = "vectors.npy"


def is_of_model(name: str) -> bool:
    """Whether a bundle's file belongs to the model; all others belong to the songs."""
    return name.startswith("model/")


# What reading any JSON at all as a manifest may end in.
_UNREADABLE: Final = (
    *(ValueError, TypeError, KeyError, AttributeError),
    *(OverflowError, RecursionError, ModelError),
)


@dataclass(frozen=True, slots=True)
class FileInfo:
    """Size and SHA-256 (hex) of one file of a bundle."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TextInfo:
    """The text tower beside a model's audio tower: both answer in one space.

    ``sha256`` is that of the ONNX file, ``tokenizer_sha256`` that of ``tokenizer.json``, which
    cuts a text after ``max_tokens``.
    """

    sha256: str
    tokenizer_sha256: str
    max_tokens: int
    precision: str = "fp32"
    verification: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model a bundle carries.

    ``id`` is a hub id or a directory's name, ``revision`` the hub's commit; ``kind`` is
    ``clap`` for a converted checkpoint and ``sample`` for the small model shipped here,
    which is never taken for CLAP. ``sha256`` is that of the ONNX file, ``verification``
    what export measured against PyTorch; ``text`` is None where there is no text tower.
    """

    id: str
    sha256: str
    kind: str = "clap"
    revision: str | None = None
    precision: str = "fp32"
    front_end: FrontEnd = FrontEnd()
    verification: Mapping[str, Any] = field(default_factory=dict)
    text: TextInfo | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values. A text tower that is not there is not spoken of, so that
        manifests from before there were any keep their bytes."""
        value = dataclasses.asdict(self)
        if self.text is None:
            del value["text"]
        return value


@dataclass(frozen=True, slots=True)
class Manifest:
    """A bundle's manifest. Raises BundleError when its parts contradict each other.

    ``spec`` is None while there are no songs; ``model`` is None for an imported catalogue.
    """

    files: Mapping[str, FileInfo]
    model: ModelInfo | None = None
    spec: Spec | None = None
    songs: int = 0

    def __post_init__(self) -> None:
        if self.model is not None:
            _same("model digest", self.model.sha256, self._file(MODEL_FILE).sha256, MODEL_FILE)
            self._check_text(self.model.text)
        if self.spec is None:
            return
        self._file(CATALOGUE_FILE)
        self._file(VECTORS_FILE)
        if self.model is not None:
            _same("model digest", self.spec.model_sha256, self.model.sha256, "the songs' spec")
            if self.spec.front_end != self.model.front_end:
                raise BundleError("manifest: the songs' front end is not the model's")

    def _check_text(self, text: TextInfo | None) -> None:
        if text is not None:
            found = self._file(TEXT_FILE).sha256, self._file(TOKENIZER_FILE).sha256
            _same("text tower's digest", text.sha256, found[0], TEXT_FILE)
            _same("tokenizer's digest", text.tokenizer_sha256, found[1], TOKENIZER_FILE)

    def _file(self, name: str) -> FileInfo:
        try:
            return self.files[name]
        except KeyError:
            raise BundleError(f"manifest: lists no {name}") from None

    @property
    def version(self) -> str:
        """SHA-256 (hex) of the manifest's bytes: names this state of the bundle."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal bundles have equal manifests."""
        value = {
            "format": FORMAT,
            "model": None if self.model is None else self.model.to_json(),
            "spec": None if self.spec is None else self.spec.to_json(),
            "spec_digest": None if self.spec is None else self.spec.digest,
            "counts": {"songs": self.songs},
            "files": {name: dataclasses.asdict(info) for name, info in self.files.items()},
        }
        return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, place: str) -> Manifest:
        """The inverse of ``to_bytes``. Raises BundleError that names ``place``."""
        try:
            value = json.loads(data)
            found = value["format"]
            if found != FORMAT:
                raise BundleError(f"{place}: bundle format {found!r}, this program reads {FORMAT}")
            spec = None if value["spec"] is None else Spec.from_json(value["spec"], place)
            if spec is not None:
                _same("spec digest", value["spec_digest"], spec.digest, "the spec beside it")
            return cls(
                files={
                    _inside(name, place): FileInfo(**info) for name, info in value["files"].items()
                },
                model=None if value["model"] is None else _model(value["model"]),
                spec=spec,
                songs=int(value["counts"]["songs"]),
            )
        except BundleError as error:
            text = str(error)
            raise (error if text.startswith(place) else BundleError(f"{place}: {text}")) from None
        except _UNREADABLE as error:
            reason = f"missing {error}" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"{place}: not a bundle's manifest: {reason}") from error


def _model(value: Mapping[str, Any]) -> ModelInfo:
    fields = {**value, "front_end": FrontEnd(**value["front_end"])}
    if fields.get("text") is not None:
        fields["text"] = TextInfo(**fields["text"])
    return ModelInfo(**fields)


def _same(what: str, left: object, right: object, place: str) -> None:
    if left != right:
        raise BundleError(f"{what} {left} is not that of {place}: {right}")


def _inside(name: str, place: str) -> str:
    """``name``, when it stays inside the bundle: manifests may come from strangers' stores."""
    path = PurePosixPath(name)
    is_inside = path.parts and not path.is_absolute() and ".." not in path.parts
    # Names that begin with a dot are the writer's own; a NUL is in no file's name.
    if not is_inside or name.startswith(".") or "\0" in name or str(path) != name:
        raise BundleError(f"{place}: lists {name!r}, which is no path inside a bundle")
    return name
