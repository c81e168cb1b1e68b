"""Is a registry there, whom does it let in, and what can it tell? A line for each question.

What `retag registry check` shows. The questions stand in the order in which a failure explains
those after it, and the first failure ends them. Nothing is changed in the registry.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from pydantic_core import from_json

from cmp.errors import RegistryError, printable
from cmp.reference import Repository
from cmp.registry.endpoint import Endpoint, Kind
from cmp.registry.http.api import RegistryApi
from cmp.registry.http.call import Call
from cmp.registry.http.challenge import parse_challenges
from cmp.registry.http.exchange import Exchange, HttpRequest, HttpResponse
from cmp.registry.http.listing import Lister
from cmp.registry.http.retry import parse_date
from cmp.registry.zot.detect import SEARCH, Detector, Zot

_PING = "/v2/"
_SECONDS = 10.0  # for one exchange
_LONGEST_MESSAGE = 200  # characters of the registry's own words
_SKEW = 5.0  # seconds: about what the margins of tokens and a minAge in minutes do not notice
_SLOW_LOGIN = 0.02  # seconds: what a login may take before bcrypt is worth a word
_BCRYPT_ROUND = 70e-6  # seconds of one of the 2^cost rounds: Zot took 71 ms at 10, 280 ms at 12


class State(StrEnum):
    """How a question was answered."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of *subject*, and what to do about it; *code* is that of an error."""

    subject: str
    state: State
    what: str
    remedy: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """A registry to check: how it is asked without a login, and with one.

    *clock* gives seconds since the epoch.
    """

    endpoint: Endpoint
    exchange: Exchange
    api: RegistryApi
    clock: Callable[[], float]


async def check(checked: Checked, repository: Repository | None = None) -> AsyncIterator[Answer]:
    """The answers, one after another; with *repository* (as it is called there) those about it."""
    endpoint = checked.endpoint
    request = HttpRequest("GET", endpoint.base_url + _PING)
    try:
        await checked.exchange(request, seconds=_SECONDS)
        # Again, on the connection that is there by now: that is what a request takes.
        ping = await checked.exchange(request, seconds=_SECONDS)
    except RegistryError as error:
        yield _failed("reach", error)
        return
    for answer in (_reached(ping), _protected(endpoint, ping), _clock(checked, ping)):
        yield answer
    if ping.status not in (200, 401):
        return
    yield _auth(ping)
    subject = "login"
    try:
        login = await _login(checked, ping)
        yield login
        if login.state is State.FAILED:
            return
        subject = "kind"
        zot = await _kind(checked)
        yield _told(zot, endpoint)
        subject = "listing"
        if repository:
            async for answer in _about(checked, repository, zot):
                yield answer
    except RegistryError as error:
        yield _failed(subject, error)


def _failed(subject: str, error: RegistryError) -> Answer:
    where = f"{error.where}: " if error.where else ""
    return Answer(subject, State.FAILED, where + error.what, error.remedy, error.code)


def _reached(ping: HttpResponse) -> Answer:
    took = f"it answers in {_milliseconds(ping.seconds)}"
    if ping.status in (200, 401):
        return Answer("reach", State.OK, took)
    what = f"{took}, and not as a registry: GET {_PING} has status {ping.status}"
    return Answer("reach", State.FAILED, what, "check that api_url is the registry's")


def _protected(endpoint: Endpoint, ping: HttpResponse) -> Answer:
    if not ping.tls:
        what = "plain http: logins and tags can be read and changed on the way"
        return Answer("tls", State.WARNING, what, "serve the registry by https")
    if endpoint.insecure:
        what = f"{ping.tls}, and insecure: whoever is on the way may be the registry"
        return Answer("tls", State.WARNING, what, "give the registry's CA with ca_file")
    return Answer("tls", State.OK, f"{ping.tls}, its certificate is trusted")


def _clock(checked: Checked, ping: HttpResponse) -> Answer:
    date = parse_date(ping.header("date"))
    if date is None:
        return Answer("clock", State.WARNING, "it does not tell the time")
    skew = date.timestamp() - checked.clock()
    if abs(skew) <= _SKEW:
        return Answer("clock", State.OK, "it is right to some seconds")
    what = f"it is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    remedy = "synchronise the clocks: minAge and tokens go wrong by as much"
    return Answer("clock", State.WARNING, what, remedy)


def _auth(ping: HttpResponse) -> Answer:
    if ping.status == 200:
        # Zot with an anonymous policy, too: it tells nothing about a repository.
        return Answer("auth", State.OK, "it lets anybody in; single repositories may want a login")
    challenges = parse_challenges(ping.all("www-authenticate"))
    kinds = [each.scheme for each in challenges]
    if "bearer" in kinds:
        realm = challenges[kinds.index("bearer")].parameters.get("realm", "")
        return Answer("auth", State.OK, f"bearer: it wants a token from {realm or 'nowhere'}")
    if "basic" in kinds:
        return Answer("auth", State.OK, "basic: it wants a user name and a password")
    what = f"it wants a login of a kind that Retag has not: {', '.join(kinds) or 'unnamed'}"
    return Answer("auth", State.FAILED, what, "let it ask for basic or bearer")


async def _login(checked: Checked, ping: HttpResponse) -> Answer:
    """Whether the login of registries.conf is accepted, and what that costs."""
    if not checked.endpoint.credentials:
        state = State.OK if ping.status == 200 else State.FAILED
        remedy = "" if state is State.OK else "name one with credentials in registries.conf"
        return Answer("login", state, "none is configured", remedy)
    response = await checked.api.call(Call("GET", _PING))
    kind = checked.api.seen.auth
    if response.status != 200:
        return Answer("login", State.FAILED, f"GET {_PING} has status {response.status} with it")
    took = response.seconds - ping.seconds
    if took >= _SLOW_LOGIN:  # once may be a busy machine
        took = (await checked.api.call(Call("GET", _PING))).seconds - ping.seconds
    if ping.status == 200:
        return Answer("login", State.OK, f"not refused ({kind}), where anybody is let in")
    accepted = f"accepted ({kind})"
    if kind != "basic" or took < _SLOW_LOGIN:
        return Answer("login", State.OK, accepted)
    cost = round(math.log2(took / _BCRYPT_ROUND))
    what = f"{accepted}; it takes {_milliseconds(took)} of each request, as bcrypt of cost {cost}"
    return Answer("login", State.WARNING, what, "use a lower cost in htpasswd, or tokens")


async def _kind(checked: Checked) -> Zot:
    """What the registry itself says that it is, whatever `kind` says."""
    unsaid = checked.endpoint.model_copy(update={"kind": Kind.UNKNOWN})
    return await Detector(unsaid, checked.api, clock=checked.clock).find()


def _told(zot: Zot, endpoint: Endpoint) -> Answer:
    if zot is Zot.SEARCHING:
        remedy = "" if endpoint.kind is Kind.ZOT else "kind: zot saves the question"
        return Answer("kind", State.OK, f"{zot.value}: one request for all tags", remedy)
    if zot is Zot.DENIED:
        what = "it does not tell this login what it is"
        return Answer("kind", State.WARNING, what, "say kind: zot, or kind: oci")
    if zot is Zot.SEARCHLESS:
        remedy = "set extensions.search.enable: without it each tag is asked for by itself"
        return Answer("kind", State.WARNING, zot.value, remedy)
    if endpoint.kind is Kind.ZOT:
        what = "registries.conf says kind: zot, and it does not answer as one"
        return Answer("kind", State.WARNING, what, "say kind: oci")
    return Answer("kind", State.OK, "no Zot: minAge, maxSeverity, requireTrusted hold all back")


async def _about(checked: Checked, repository: Repository, zot: Zot) -> AsyncIterator[Answer]:
    """What can be told of *repository*."""
    lister = Lister(checked.api, checked.endpoint.base_url, checked.clock)
    listing = await lister.list_tags(repository)
    took = _milliseconds(checked.clock() - listing.observed_at)
    count = len(listing.names)
    yield Answer(
        "listing", State.OK, f"{repository} has {count} tag{'s' * (count != 1)}, listed in {took}"
    )
    if count and zot is Zot.SEARCHING:
        yield await _scans(checked, f"{repository.path}:{listing.names[0]}")


async def _scans(checked: Checked, image: str) -> Answer:
    """Whether Zot scans images, which only asking about one tells."""
    query = quote(f"{{CVEListForImage(image:{json.dumps(image)}){{Tag}}}}", safe="")
    response = await checked.api.call(Call("GET", SEARCH, query=f"query={query}"))
    message = _message(response.body)
    if not message:
        return Answer("scans", State.OK, "images are scanned")
    what = f"images are not scanned: {message}"
    remedy = "set extensions.search.cve, and let Zot download its database"
    return Answer("scans", State.WARNING, what, f"for maxSeverity {remedy}")


def _message(body: bytes) -> str:
    try:
        errors = from_json(body).get("errors")
        return printable(str(errors[0]["message"])[:_LONGEST_MESSAGE]) if errors else ""
    except (ValueError, AttributeError, LookupError, TypeError):
        return "its search answers no GraphQL"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
