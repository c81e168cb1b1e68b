"""What the API server answers, taken as hostile: a broken proxy may stand in its place."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from sidecar.kubernetes.errors import (
    AbsentError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    OversizedError,
    RefusedError,
    UnknownAccountError,
    UnservedError,
)
from sidecar.kubernetes.port import Change, Happened, Object, Page

_ACCESS = "give the account that right; deploy/ has the Roles"
_LOGIN = "mend the account's token or certificate; no Role helps here"
_INSTALL = "install the CustomResourceDefinition first"
_REACH = "see that the API server runs and can be reached"
_PROXY = "see whether something stands in the API server's place: a proxy, or another server"
_REFUSED = (400, 413, 415, 422)
# A cluster that was restored from a backup counts anew, from less.
_AHEAD = "ResourceVersionTooLarge"


_Read = TypeVar("_Read")


class _Cause(msgspec.Struct):
    reason: str = ""


class _Details(msgspec.Struct):
    name: str = ""
    causes: list[_Cause] | None = None


class _Status(msgspec.Struct):
    message: str = ""
    code: int = 0
    details: _Details | None = None


class _ListMeta(msgspec.Struct):
    version: str = msgspec.field(name="resourceVersion", default="")
    following: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[dict[str, Any]] | None = None


class _Event(msgspec.Struct):
    type: str
    object: dict[str, Any]


def read_object(body: bytes | bytearray, what: str) -> Object:
    """The object that *body* is. Raises `ClusterError` RT658 for anything else."""
    return _checked(_decoded(body, dict[str, Any], what), what)


def read_answer(body: bytes | bytearray, what: str) -> Object:
    """The object that *body* is, which is not kept, and so has no name. Raises the same."""
    return _decoded(body, dict[str, Any], what)


def read_page(body: bytes | bytearray, what: str) -> tuple[Page, str]:
    """The page of a listing that *body* is, and how to ask for the next; "" for the last."""
    found = _decoded(body, _List, what)
    objects = [_checked(each, what) for each in found.items or ()]
    return Page(objects, found.metadata.version), found.metadata.following


def read_change(line: bytes | bytearray, what: str) -> Change:
    """What *line* of a watch tells. Raises what an ERROR event says, as `refusal` does."""
    event = _decoded(line, _Event, what)
    if event.type == "ERROR":
        status = _status(msgspec.json.encode(event.object))
        raise _error(status.code, status, what)
    try:
        happened = Happened(event.type)
    except ValueError:
        raise nonsense(what, f"events of type {event.type[:40]!r}") from None
    if happened is Happened.BOOKMARK:
        metadata = event.object.get("metadata")
        return Change(happened, {"metadata": metadata if isinstance(metadata, dict) else {}})
    return Change(happened, _checked(event.object, what))


def size_of(value: Any) -> int:
    """Bytes of *value*, a part of an object, as JSON."""
    return len(msgspec.json.encode(value))


def refusal(code: int, body: bytes | bytearray, what: str, secret: str = "") -> ClusterError:
    """The error for an answer with the status *code*; *secret* is never shown."""
    status = _status(body)
    if secret:
        status.message = status.message.replace(secret, "…")
    return _error(code, status, what)


def unreachable(what: str, why: str) -> ClusterError:
    """That there was no answer."""
    return ClusterError("RT650", f"cannot {what}: {why}", remedy=_REACH)


def nonsense(what: str, why: str) -> ClusterError:
    """That the answer is not one of an API server."""
    said = f"cannot {what}: the answer is none of an API server's: {why}"
    return ClusterError("RT658", said, remedy=_PROXY)


def oversized(what: str, most: int) -> OversizedError:
    """That the answer has more than *most* bytes."""
    said = f"cannot {what}: the answer has more than {most} bytes"
    return OversizedError("RT658", said, remedy=_PROXY)


def _decoded(body: bytes | bytearray, kind: type[_Read], what: str) -> _Read:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise nonsense(what, str(error)) from None
    except RecursionError:
        raise nonsense(what, "it is nested too deeply") from None


def _checked(found: Object, what: str) -> Object:
    """*found*, whose metadata have what everybody relies on."""
    metadata = found.get("metadata")
    if not isinstance(metadata, dict):
        raise nonsense(what, "an object without metadata")
    texts = (metadata.get(field, "") for field in ("namespace", "resourceVersion", "uid"))
    if not metadata.get("name") or not all(
        isinstance(each, str) for each in (metadata["name"], *texts)
    ):
        raise nonsense(what, "an object without a name")
    return found


def _status(body: bytes | bytearray) -> _Status:
    try:
        return msgspec.json.decode(body, type=_Status)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _Status()


def _error(code: int, status: _Status, what: str) -> ClusterError:
    said = status.message or f"HTTP {code}"
    cannot = f"cannot {what}: {said}"
    details = status.details or _Details()
    if code == 401:
        return UnknownAccountError("RT651", f"may not {what}: {said}", remedy=_LOGIN)
    if code == 403:
        return ForbiddenError("RT651", f"may not {what}: {said}", remedy=_ACCESS)
    if code == 404:
        absent = AbsentError("RT652", cannot)
        return absent if details.name else UnservedError("RT653", cannot, remedy=_INSTALL)
    if any(cause.reason == _AHEAD for cause in details.causes or ()):
        return GoneError("RT655", cannot)
    kinds = {409: ConflictError("RT654", cannot), 410: GoneError("RT655", cannot)}
    kinds |= dict.fromkeys(_REFUSED, RefusedError("RT656", cannot))
    unknown = f"cannot {what}: the API server answers {said}"
    return kinds.get(code) or ClusterError("RT650", unknown, remedy=_REACH)
