"""The pin that goes back: which parameters an Application needs, and how it gets them. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmp.errors import ResolverError
from cmp.options import parse_environment, parse_items
from cmp.reference import InvalidReferenceError, Reference
from sidecar.cluster.record import Past
from sidecar.controller.model import is_ours

_PINS = "pins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """*alias* of the Application *namespace*/*name* goes to *tag*, from *present*.

    *pins* are all of its pins then, and *patch* is a JSON Patch that states them. *owner* is the
    ApplicationSet that made it, "" for none.
    """

    namespace: str
    name: str
    alias: str
    present: str
    tag: str
    pins: Mapping[str, str]
    patch: Sequence[Mapping[str, Any]]
    owner: str = ""

    @property
    def parameters(self) -> str:
        """The pins as they stand among the parameters of the plugin, as YAML."""
        pins = ", ".join(f"{_quoted(alias)}: {_quoted(tag)}" for alias, tag in self.pins.items())
        return (
            f"plugin:\n  name: retag\n  parameters:\n    - name: {_PINS}\n      map: {{{pins}}}\n"
        )

    @property
    def kubectl(self) -> str:
        """A command that changes the Application in the cluster."""
        place = f"-n {shlex.quote(self.namespace)} {shlex.quote(self.name)}"
        return f"kubectl patch applications.argoproj.io {place} --type json -p {self._patch}"

    @property
    def argocd(self) -> str:
        """The same by way of Argo CD."""
        place = f"{shlex.quote(self.name)} -N {shlex.quote(self.namespace)}"
        return f"argocd app patch {place} --type json --patch {self._patch}"

    @property
    def _patch(self) -> str:
        return shlex.quote(json.dumps(self.patch, separators=(",", ":")))


def earlier_tag(past: Sequence[Past]) -> tuple[str, str]:
    """The tag that runs, "" if nobody can tell, and the one before it.

    *past* is what ran of one image, the newest first. Raises `ResolverError` RT688.
    """
    present = tag_of(past[0].after)
    tags = (tag_of(each) for one in past for each in (one.after, one.before) if each)
    for tag in tags:
        if tag and tag != present:
            return present, tag
    raise ResolverError(
        "RT688",
        f"no tag of {past[0].alias} is recorded before {present or 'the present one'}",
        remedy="name one with --to TAG",
    )


def tag_of(reference: str) -> str:
    """The tag in *reference*; "" where a digest alone stands."""
    try:
        return Reference.parse(reference).tag or ""
    except InvalidReferenceError:
        return ""


def pin_of(manifest: Mapping[str, Any], alias: str, present: str, tag: str) -> Pin:
    """What pins *alias* to *tag* in the Application *manifest*, and keeps its other pins.

    Raises `UsageError` for parameters that the plugin would not take either, and `ResolverError`
    RT688 where there is no plugin.
    """
    pins: dict[str, str] = {}
    sources = list(_sources(manifest.get("spec") or {}))
    for _, plugin in sources:
        stated = parse_environment(_variables(plugin)) | parse_items(plugin.get("parameters"))
        pins |= stated.pins
    if not sources:
        what = "no source of the Application names the plugin, so nothing can be pinned"
        raise ResolverError("RT688", what)
    pins[alias] = tag
    metadata = manifest["metadata"]
    owners = metadata.get("ownerReferences") or ()
    return Pin(
        namespace=metadata["namespace"],
        name=metadata["name"],
        alias=alias,
        present=present,
        tag=tag,
        pins=pins,
        patch=[each for path, plugin in sources for each in _patch(path, plugin, pins)],
        owner=next((each["name"] for each in owners if each["kind"] == "ApplicationSet"), ""),
    )


def _sources(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The path and the fields of the plugin in each source that names it."""
    dry = (spec.get("sourceHydrator") or {}).get("drySource")
    if dry:
        places = {"/spec/sourceHydrator/drySource": dry}
    elif spec.get("sources"):
        places = {f"/spec/sources/{at}": each for at, each in enumerate(spec["sources"])}
    else:
        places = {"/spec/source": spec.get("source") or {}}
    for path, source in places.items():
        if is_ours(source):
            yield f"{path}/plugin", source["plugin"]


def _variables(plugin: Mapping[str, Any]) -> dict[str, str]:
    """The variables of *plugin*, as Argo CD hands them over."""
    env = plugin.get("env") or ()
    return {f"ARGOCD_ENV_{each['name']}": each.get("value") or "" for each in env}


def _patch(
    path: str, plugin: Mapping[str, Any], pins: Mapping[str, str]
) -> Iterator[Mapping[str, Any]]:
    """States *pins* in *plugin*; it fails if its parameters are others by then."""
    before = plugin.get("parameters")
    others = [each for each in before or () if each.get("name") != _PINS]
    if before is not None:
        yield {"op": "test", "path": f"{path}/parameters", "value": before}
    value = [*others, {"name": _PINS, "map": dict(pins)}]
    yield {"op": "add", "path": f"{path}/parameters", "value": value}


def _quoted(text: str) -> str:
    """*text* as a string of YAML, whatever it looks like: a tag may be a number."""
    return json.dumps(text)
