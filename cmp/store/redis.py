"""`RedisStore`: one view for many replicas, on Redis or Valkey. What it answers is a hint.

The one module that knows redis-py. Every value is bounded before it is fetched, checked by
`cmp.store.records`, and kept under a prefix with a time to live. An older value never takes the
place of a newer one: who writes reads first, under WATCH.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import redis.exceptions as failures
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.maint_notifications import MaintNotificationsConfig

from cmp.store import choices as law
from cmp.store import records, redis_seen, seen
from cmp.store.persistent import Contents, Observed, StoreError
from cmp.store.port import LastGood
from cmp.store.redis_url import Server
from cmp.tags import Listing, Tag

PREFIX = b"retag:1:"  # 1: the form of the records
_CHOICES, _LISTING, _TAGS = PREFIX + b"choices:", PREFIX + b"listing:", PREFIX + b"tags:"
_SEEN = PREFIX + b"seen:"
_A_DAY = 24 * 60 * 60
CHOICES_KEPT = 90 * _A_DAY  # seconds after the last use: an Application long gone
OBSERVATIONS_KEPT = 14 * _A_DAY  # seconds: twice what `--max-stale` is by default
_PATIENCE = 0.5  # seconds to connect, and for an answer: a request has 10 for all its look-ups
_MOST_CONNECTIONS = 16  # at once, for each replica; who comes then waits a moment
_LARGEST_CHOICES = 4 * 1024 * 1024  # bytes; 500 choices have 150 KB
_MOST_TAGS = 100_000  # described of one repository: above it the names of long ago are too many
_ASKED_AT_ONCE = 1000  # names in one script; Lua unpacks 8,000
_MOST_TRIES = 5  # where others write the same key at the same time
_MOST_KEYS = 100_000  # that are shown
# In one round trip, and nothing larger than a tag is: whoever can write there may lie.
_READ_TAGS = """\
local found = redis.pcall('HMGET', KEYS[1], unpack(ARGV, 2))
if found.err then return {} end
for place, record in ipairs(found) do
  if record and #record > tonumber(ARGV[1]) then found[place] = false end
end
return found"""

_Change = Callable[[bytes], bytes | None]


class RedisStore:
    """A `Persistent` store on *server*, which is asked when it is first used.

    *wall* is seconds since the epoch. All methods raise `StoreError`.
    """

    kind = "redis"

    def __init__(self, server: Server, *, wall: Callable[[], float]) -> None:
        self.place = server.place
        self._client = _client(server)
        self._asking = _Asking(_MOST_CONNECTIONS)
        self._wall = wall

    async def choices(self, application: str) -> Sequence[LastGood]:
        """All that is remembered of *application*, the last kept first."""
        async with self._asking:
            key = _CHOICES + _bytes(application)
            record, _ = await self._batch(  # a replica refuses to expire
                ("GETRANGE", key, 0, _LARGEST_CHOICES), ("EXPIRE", key, CHOICES_KEPT)
            )
            return records.decode_choices(application, _record(record), self._wall())

    async def keep_choices(self, application: str, choices: Sequence[LastGood]) -> None:
        """Remember *choices*, each in the place of one that is not newer."""

        def change(record: bytes) -> bytes | None:
            earlier = records.decode_choices(application, record, self._wall())
            kept = law.keep(earlier, choices)
            return records.encode_choices(application, kept) if kept != earlier else None

        await self._change(_CHOICES + _bytes(application), change, CHOICES_KEPT)

    async def listing(self, key: str) -> Listing | None:
        """The last listing under *key*."""
        async with self._asking:
            (record,) = await self._batch(
                ("GETRANGE", _LISTING + _bytes(key), 0, records.LARGEST_RECORD)
            )
            return records.decode_listing(key, _record(record), self._wall())

    async def keep_listing(self, key: str, listing: Listing) -> None:
        """Remember *listing* in the place of one that is not newer."""

        def change(record: bytes) -> bytes | None:
            known = records.decode_listing(key, record, self._wall())
            newer = known is not None and known.observed_at > listing.observed_at
            return None if newer else records.encode_listing(key, listing)

        await self._change(_LISTING + _bytes(key), change, OBSERVATIONS_KEPT)

    async def tags(self, key: str, names: Sequence[str]) -> Mapping[str, Tag]:
        """Those of *names* that were described under *key*."""
        found: dict[str, Tag] = {}
        async with self._asking:
            for start in range(0, len(names), _ASKED_AT_ONCE):
                found |= await self._tags(key, names[start : start + _ASKED_AT_ONCE])
        return found

    async def keep_tags(self, key: str, tags: Mapping[str, Tag]) -> None:
        """Remember *tags* under *key*; where there are too many, only these."""
        if not tags:
            return
        async with self._asking:
            place, values = _TAGS + _bytes(key), []
            for tag in tags.values():
                values += [_bytes(tag.name), records.encode_tag(key, tag)]
            keep = ("HSET", place, *values), ("EXPIRE", place, OBSERVATIONS_KEPT)
            kept, _, count = await self._batch(*keep, ("HLEN", place))
            if _is_wrong_type(kept) or (type(count) is int and count > _MOST_TAGS):
                kept, *_ = await self._batch(("DEL", place), *keep)
            if isinstance(kept, Exception):
                raise kept

    async def seen(self, kind: str) -> Mapping[str, bytes] | None:
        """The objects of *kind* as they were last kept; None if never whole."""
        async with self._asking:
            answer = await self._client.execute_command(  # type: ignore[no-untyped-call]
                "EVAL", redis_seen.READ, 1, _SEEN + _bytes(kind), seen.MOST, seen.LARGEST
            )
            if type(answer) is not list:
                return None
            found = iter(map(_record, answer))
            return seen.decode(kind, zip(found, found, strict=False))

    async def keep_seen(
        self, kind: str, changed: Mapping[str, bytes | None], *, whole: bool
    ) -> bool:
        """Remember *changed*, all objects of *kind* or what changed; False for want of others."""
        place = _SEEN + _bytes(kind)
        async with self._asking:
            if not whole and not await self._is_whole(place):
                return False
            async with self._client.pipeline() as pipe:
                for command, *arguments in redis_seen.changes(kind, changed, whole=whole):
                    await pipe.execute_command(command, place, *arguments)
                await pipe.execute_command("EXPIRE", place, OBSERVATIONS_KEPT)
                await pipe.execute()
            return True

    async def contents(self) -> Contents:
        """All that is remembered, of the first 100,000 keys."""
        async with self._asking:
            keys = sorted([key async for key in self._keys()])
            names = [_text(key, _CHOICES) for key in keys if key.startswith(_CHOICES)]
            seen = {
                _text(key, kind)
                for kind in (_LISTING, _TAGS)
                for key in keys
                if key.startswith(kind)
            }
            choices = {name: await self.choices(name) for name in names}
            observed = [await self._observed(key) for key in sorted(seen)]
        kept = {name: each for name, each in choices.items() if each}
        return Contents(kept, observed, sum(each.size for each in observed))

    async def clear(self, application: str | None = None) -> int:
        """Forget the choices of *application*, or everything; of how many Applications."""
        async with self._asking:
            if application is not None:
                return int(await self._client.delete(_CHOICES + _bytes(application)))
            keys = [key async for key in self._keys()]
            for start in range(0, len(keys), _ASKED_AT_ONCE):
                await self._client.delete(*keys[start : start + _ASKED_AT_ONCE])
            return sum(key.startswith(_CHOICES) for key in keys)

    async def aclose(self) -> None:
        """Let go of the connections."""
        async with self._asking:
            await self._client.aclose()

    async def _change(self, key: bytes, change: _Change, lifetime: int) -> None:
        """Replace the record of *key* by what *change* makes of it, as if nobody else were there.

        None leaves it as it is.
        """
        async with self._asking, self._client.pipeline() as pipe:
            for _ in range(_MOST_TRIES):
                if await _changed(pipe, key, change, lifetime):
                    return
        raise _error("others write the same all the time")

    async def _tags(self, key: str, names: Sequence[str]) -> dict[str, Tag]:
        place, asked = _TAGS + _bytes(key), [_bytes(name) for name in names]
        answer = await self._client.execute_command(  # type: ignore[no-untyped-call]
            "EVAL", _READ_TAGS, 1, place, records.LARGEST_TAG, *asked
        )
        if type(answer) is not list or len(answer) not in (0, len(names)):
            return {}
        tags = (
            records.decode_tag(key, name, _record(record))
            for name, record in zip(names, answer, strict=False)
        )
        return {tag.name: tag for tag in tags if tag is not None}

    async def _batch(self, *commands: tuple[Any, ...]) -> list[Any]:
        """What is answered to each of *commands*, which are sent at once; its error too."""
        async with self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                await pipe.execute_command(*command)
            return list(await pipe.execute(raise_on_error=False))

    async def _keys(self) -> AsyncIterator[bytes]:
        """All keys under the prefix, as many as are shown."""
        count = 0
        async for key in self._client.scan_iter(match=PREFIX + b"*", count=_ASKED_AT_ONCE):
            if isinstance(key, bytes) and count < _MOST_KEYS:
                count += 1
                yield key

    async def _is_whole(self, place: bytes) -> bool:
        """Whether there is a whole set of objects at *place*."""
        (answer,) = await self._batch(("HEXISTS", place, seen.WHOLE))
        if isinstance(answer, Exception) and not _is_wrong_type(answer):
            raise answer
        return isinstance(answer, int) and bool(answer)

    async def _observed(self, key: str) -> Observed:
        places = [kind + _bytes(key) for kind in (_LISTING, _TAGS)]
        numbers = await self._batch(
            ("MEMORY", "USAGE", places[0]), ("MEMORY", "USAGE", places[1]), ("HLEN", places[1])
        )
        first, second, described = (each if type(each) is int else 0 for each in numbers)
        listing = await self.listing(key)
        return Observed(
            key,
            listing.observed_at if listing else None,
            len(listing.names) if listing else 0,
            described,
            first + second,
        )


class _NoPasswordError(Exception):
    """The file with the password cannot be read."""


class _Login(CredentialProvider):
    """User and password of *server*; a file is read for each connection, since it may change."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """The password, after the user if there is one."""
        user, password = self._server.username, self._server.password
        if self._server.password_file is not None:
            try:
                password = self._server.password_file.read_text().strip()
            except (OSError, ValueError):
                raise _NoPasswordError from None
        return (user, password) if user else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """The same; a small file of a mounted Secret does not wait."""
        return self.get_credentials()


def _client(server: Server) -> Redis:
    """Neither tries again by itself nor waits long: who asks has memory to go on with."""
    login = server.password_file is not None or server.password
    options: dict[str, Any] = {
        "db": server.database,
        "credential_provider": _Login(server) if login else None,
        "socket_timeout": _PATIENCE,
        "socket_connect_timeout": _PATIENCE,
        "retry": Retry(NoBackoff(), 0),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    if server.path:
        return Redis(unix_socket_path=server.path, **options)
    if server.tls:
        options |= {"ssl": True, "ssl_ca_certs": server.authorities or None}
    return Redis(host=server.host, port=server.port, **options)


class _Asking(asyncio.Semaphore):
    """Around what is asked: not too much at once, and no error but `StoreError`."""

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.release()
        # A server that speaks nonsense makes the client fail in ways that it does not name.
        if isinstance(error, Exception) and not isinstance(error, StoreError):
            raise _error(_reason(error)) from None


async def _changed(pipe: Pipeline, key: bytes, change: _Change, lifetime: int) -> bool:
    """Whether *key* holds what *change* makes of it; False where another was faster."""
    await pipe.watch(key)
    try:
        earlier = await pipe.getrange(key, 0, records.LARGEST_RECORD)
    except failures.ResponseError as error:
        if not _is_wrong_type(error):
            raise
        earlier = b""
    record = change(_record(earlier))
    if record is None:
        return True
    pipe.multi()  # type: ignore[no-untyped-call]
    await pipe.execute_command("SET", key, record, "EX", lifetime)
    try:
        await pipe.execute()
    except failures.WatchError:
        return False
    return True


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(key: bytes, prefix: bytes) -> str:
    return key.removeprefix(prefix).decode("utf-8", "replace")


def _record(answer: Any) -> bytes:
    """*answer* if it is a value, b"" if there is none, or of another kind than ours."""
    if isinstance(answer, Exception) and not _is_wrong_type(answer):
        raise answer
    return answer if isinstance(answer, bytes) else b""


def _is_wrong_type(answer: Any) -> bool:
    return isinstance(answer, failures.ResponseError) and str(answer).startswith("WRONGTYPE")


def _error(reason: str) -> StoreError:
    return StoreError(
        "RT641",
        f"the Redis store cannot be used: {reason}",
        remedy="look after its address, password and certificate, and the server itself",
    )


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (_NoPasswordError, "the file with its password cannot be read"),
    (failures.AuthenticationError, "it refuses the password"),
    (failures.NoPermissionError, "the user may not do this there"),
    (failures.BusyLoadingError, "it is loading its data"),
    (failures.ReadOnlyError, "it is a replica, where nothing can be written"),
    (failures.OutOfMemoryError, "its memory is full"),
    (failures.TimeoutError, "no answer in time"),
    (TimeoutError, "no answer in time"),
    (failures.ConnectionError, "no connection"),
    (OSError, "no connection"),
)


def _reason(error: Exception) -> str:
    """Why, in words of our own: what a server says may be anything, and change each time."""
    causes = list(_chain(error))
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        return "its certificate is not trusted"
    # What the cause is decides: redis-py makes a failed connection of whatever fails meanwhile.
    for kind, reason in _REASONS:
        if any(isinstance(each, kind) for each in causes):
            return reason
    return "it does not answer as Redis does"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
