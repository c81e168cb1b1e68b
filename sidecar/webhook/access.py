"""Who may send events: whoever has the secret, which is read again when it changes.

Zot signs nothing; it sends a header that never changes. Three spellings are known: `Authorization:
Basic` (Zot's `username` and `password`), `Authorization: Bearer` (its `token`) and
`X-Webhook-Secret` (one of its `headers`, and the Image Updater's name). None of them is taken from
the URL, which proxies write to their logs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from collections.abc import Hashable
from pathlib import Path

from cmp.errors import UsageError
from sidecar.stamps import stamp_of
from sidecar.webhook.events import Headers

_log = logging.getLogger("retag.webhook")

SHORTEST = 16  # characters: 10,000 guesses a second would take a century for random ones
_LONGEST = 1024
_MOST = 10  # secrets in a file: the next one, and the one that is still in use, are two
_LARGEST_FILE = 64 * 1024
_REMEDY = "write a random text of 32 characters or more, such as that of `openssl rand -hex 32`"


class Access:
    """The secrets, a line each: those in *file*, else in *text*. Raises `UsageError`.

    A file that cannot be used any more leaves those that were read last.
    """

    def __init__(self, *, file: Path | None = None, text: str = "") -> None:
        self._file = file
        self._stamp = self._look()
        self._secrets = _digests(text if file is None else _read(file))

    def allows(self, headers: Headers) -> bool:
        """Whether a request with *headers* has one of them."""
        self._refresh()
        return _is_one(_presented(headers), self._secrets)

    def _refresh(self) -> None:
        stamp = self._look()
        if self._file is None or stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._secrets = _digests(_read(self._file))
        except UsageError as error:
            _log.warning("the secrets of the webhook stay as they were: %s", error)

    def _look(self) -> Hashable:
        return stamp_of([self._file]) if self._file else None


def _presented(headers: Headers) -> list[bytes]:
    """What a request gives for a secret, at most twice two of them; nothing if that is unclear."""
    named = [value for name, value in headers if name == b"x-webhook-secret"]
    stated = [value for name, value in headers if name == b"authorization"]
    if len(named) > 1 or len(stated) > 1:
        return []
    for value in stated:
        scheme, _, credentials = value.strip().partition(b" ")
        if scheme.lower() == b"bearer":
            named.append(credentials.strip())
        elif scheme.lower() == b"basic":
            named += _of_basic(credentials.strip())
    return named


def _of_basic(credentials: bytes) -> list[bytes]:
    """`user:password`, and the password: a secret may be either."""
    try:
        pair = base64.b64decode(credentials, validate=True)
    except ValueError:
        return []
    return [pair, pair.partition(b":")[2]]


def _is_one(presented: list[bytes], secrets: list[bytes]) -> bool:
    """Whether one is a secret; it takes as long wherever they differ."""
    same = [hmac.compare_digest(_digest(each), secret) for each in presented for secret in secrets]
    return any(same)


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _digests(text: str) -> list[bytes]:
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    if not 1 <= len(lines) <= _MOST:
        raise UsageError(
            "RT271", f"the webhook's secret is not one line, or up to {_MOST}", remedy=_REMEDY
        )
    for line in lines:
        if not (SHORTEST <= len(line) <= _LONGEST and line.isascii() and line.isprintable()):
            raise UsageError(
                "RT271",
                f"the webhook's secret is not of {SHORTEST} to {_LONGEST} ASCII characters",
                remedy=_REMEDY,
            )
    return [_digest(line.encode()) for line in lines]


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        what = f"the webhook's secret cannot be read: {error.strerror}"
        raise UsageError("RT271", what, where=str(file), remedy="mount it there") from None
    if len(data) > _LARGEST_FILE:
        raise UsageError("RT271", "the webhook's secret is too large", where=str(file))
    return data.decode("utf-8", "replace")
