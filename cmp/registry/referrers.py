"""What the list of an image's referrers says: an OCI index, read from its bytes. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cmp.errors import BadReplyError
from cmp.registry.jsonsize import count_values

# A list of 10,000 referrers holds half as many; 4 MB could hold 3 million.
MOST_VALUES = 200_000


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that says what it is about: its media type, digest and kind, all unchecked."""

    media_type: str
    digest: str
    artifact_type: str = ""


class _Descriptor(BaseModel):
    model_config = ConfigDict(strict=True)

    media_type: str = Field("", alias="mediaType")
    digest: str
    artifact_type: str | None = Field(None, alias="artifactType")


class _Index(BaseModel):
    model_config = ConfigDict(strict=True)

    manifests: list[_Descriptor] | None


def read_referrers(body: bytes) -> list[Referrer]:
    """The referrers that *body* lists. Raises `BadReplyError`."""
    if count_values(body) > MOST_VALUES:
        what = f"the list of referrers holds more than {MOST_VALUES:,} values"
        raise BadReplyError("RT578", what)
    try:
        index = _Index.model_validate_json(body)
    except ValidationError as error:
        raise BadReplyError("RT578", "the list of referrers is malformed") from error
    return [
        Referrer(each.media_type, each.digest, each.artifact_type or "")
        for each in index.manifests or ()
    ]
