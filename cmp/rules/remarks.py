"""What is odd in a rule though it can be read: fields without effect, slips, the official CRD."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cmp.errors import Finding, Severity
from cmp.located import Located
from cmp.parameters import is_ours
from cmp.reference import is_alias
from cmp.rules.older import SETTINGS
from cmp.rules.units import Image, Ref

# Credentials that only the operator's registries.conf may name: they would hand a tenant what the
# resolver's environment, disk and scripts hold.
_OPERATORS = re.compile(r"(?:[^=]*=)?\s*(env|file|ext):", re.IGNORECASE)

_SECRETS = re.compile(r"(?:[^=]*=)?\s*(?:pull)?secret:([^/]*)/", re.IGNORECASE)


def operators_credential(pull_secret: str) -> bool:
    """Whether *pull_secret* names what only registries.conf may name; it is then not honoured."""
    return _OPERATORS.match(pull_secret) is not None


def foreign_namespace(pull_secret: str, namespace: str) -> str:
    """The namespace of the Secret that *pull_secret* names, if it is not *namespace*; else "".

    A resource rules the Applications of its own namespace, and the Image Updater reads a pull
    secret from the Application's alone (pkg/argocd/update.go). Who may write rules in one
    namespace would have the Secrets of all others sent to a registry otherwise.
    """
    found = _SECRETS.match(pull_secret)
    return found[1] if found and namespace and found[1] != namespace else ""


def foreign_secret(image: Image, namespace: str) -> Finding | None:
    """What disables *image* of a resource in *namespace*: a Secret of another one."""
    foreign = foreign_namespace(image.settings.pull_secret or "", namespace)
    return foreign_namespace_finding(image.located, foreign, namespace) if foreign else None


def foreign_namespace_finding(value: Located, foreign: str, namespace: str) -> Finding:
    """That *value*, of a resource in *namespace*, names a Secret of the namespace *foreign*."""
    what = (
        f"pullSecret names a Secret of the namespace {foreign}, and the resource is in {namespace}"
    )
    remedy = f"copy the Secret to {namespace}, or name it in registries.conf"
    return value.finding("RT358", what, remedy=remedy)


def settings_remarks(holder: Located) -> list[Finding]:
    """Remarks about the settings of a spec, ref or image."""
    findings = []
    force = holder.at(SETTINGS, "forceUpdate")
    if force and force.value is True:
        findings.append(_no_effect(force, "forceUpdate", "a render depends on no running image"))
    secret = holder.at(SETTINGS, "pullSecret")
    if secret and operators_credential(secret.text):
        what = "env:, file: and ext: are for registries.conf alone; here they are not honoured"
        findings.append(_warning(secret, "RT328", what, "use secret: or pullsecret:"))
    return findings


def spec_remarks(spec: Located) -> list[Finding]:
    """Remarks about a spec, besides its settings."""
    namespace = spec.get("namespace")
    if namespace is None:
        return []
    what = "the official CRD has no spec.namespace since v1.2"
    remedy = "put the resource into the namespace of its Applications"
    return [_warning(namespace, "RT315", what, remedy)]


def ref_remarks(ref: Located) -> list[Finding]:
    """Remarks about a ref, besides its settings."""
    images = ref.get("images")
    by_annotations = ref.get("useAnnotations")
    if images is None or by_annotations is None or by_annotations.value is not True:
        return []
    return [_no_effect(images, "images", "the ref uses annotations")]


def twin_remarks(refs: Sequence[Ref]) -> list[Finding]:
    """Remarks about refs with one pattern, of which a cluster holds only one."""
    patterns: set[str] = set()
    findings = []
    for ref in refs:
        if ref.pattern in patterns:
            what = "the official CRD refuses a second ref with this namePattern"
            place = ref.located.nearest(("namePattern",))
            findings.append(_warning(place, "RT329", what, "write it in a resource of its own"))
        patterns.add(ref.pattern)
    return findings


def image_remarks(image: Image, alias: str) -> Iterator[Finding]:
    """Remarks about an image, besides its settings; *alias* is what its ref calls it."""
    stated = image.located.get("imageName")
    if image.name is None and stated is not None and not stated.text:
        yield stated.finding("RT324", "an image has to be named: no image is ruled meanwhile")
    if image.name is not None and image.unusable:
        path = ("imageName",) if image.name.fault else ("manifestTargets", "kustomize", "name")
        what = f"no manifest can hold this: {image.unusable}"
        yield image.located.nearest(path).finding("RT324", what)
    if image.located.fields:
        yield from _alias_remarks(image, alias)
    yield from _target_remarks(image)


def _alias_remarks(image: Image, alias: str) -> Iterator[Finding]:
    written = image.located.nearest(("alias",))
    if not image.written_alias:
        what = f"the official CRD refuses an image without alias; it is called {alias} here"
        yield _warning(image.located, "RT312", what, f"add alias: {alias}")
    elif not is_alias(image.written_alias):
        what = "the official CRD refuses this alias"
        yield _warning(written, "RT327", what, "use letters, digits, '-', '.' and '_'")
    elif alias != image.written_alias:
        what = f"another image of this ref has this alias; this one is called {alias} here"
        yield _warning(written, "RT327", what, "give each image an alias of its own")


def _target_remarks(image: Image) -> Iterator[Finding]:
    targets = image.targets
    if targets is None:
        return
    for name in ("helm", "plugin"):
        if name in targets.stated:
            place = image.located.nearest(("manifestTargets", name))
            why = "images are rewritten where they stand in the manifests"
            yield _no_effect(place, f"manifestTargets.{name}", why)
    for name in filter(is_ours, targets.variables):
        place = image.located.nearest(("manifestTargets", "plugin"))
        what = f"{name} would be a parameter of Retag's, and is refused or obeyed as one"
        yield _warning(place, "RT257", what, f"remove {name} from the Applications' plugin.env")
    if not targets.stated or (targets.kustomize and not targets.kustomize.name):
        place = image.located.nearest(("manifestTargets", "kustomize"))
        yield _warning(place, "RT325", "manifestTargets states no name, and has no effect")


def _no_effect(value: Located, name: str, why: str) -> Finding:
    return _warning(value, "RT317", f"{name} has no effect: {why}", "remove it")


def _warning(value: Located, code: str, what: str, remedy: str = "") -> Finding:
    return value.finding(code, what, severity=Severity.WARNING, remedy=remedy)
