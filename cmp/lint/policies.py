"""Does a rule compile? All that its settings alone tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cmp.errors import Finding, Severity
from cmp.lint.stated import Stated
from cmp.located import Located, nearest_name
from cmp.policy import PolicyFault, compile_policy
from cmp.registry.credentials import InvalidCredentialsError, parse_credentials

_STRATEGIES = ["semver", "newest-build", "latest", "alphabetical", "name", "digest", "numerical"]
_PREFIX = "regexp:"

_CODES = {
    "filterTags.pattern": "RT372",
    "filterTags.extract": "RT378",
    "ignoreTags": "RT373",
    "denyTags": "RT373",
    "updateStrategy": "RT375",
    "platforms": "RT377",
    "pin": "RT379",
    "orderBy": "RT394",
}
_REMEDIES = {
    "RT372": "RE2 has neither look-around nor back-references",
    "RT373": "as in Go's filepath.Match, [^a] negates and a backslash escapes",
    "RT374": "write for example ~1.2, 1.x or >=1.2, <2",
    "RT376": "add the tag to follow, as in imageName: registry.example.com/app:latest",
    "RT377": "write os/arch, for example linux/amd64",
    "RT394": "write updateStrategy: newest-build, or orderBy: built",
}


def check_policy(stated: Stated) -> Iterator[Finding]:
    """What is wrong with the settings of *stated*."""
    policy = compile_policy(stated.rule.settings)
    for fault in policy.faults:
        place = stated.where(fault.field)
        if fault.field == "imageName":
            code = "RT374" if fault.drawn else "RT376"
            yield _finding(code, fault, place)
        elif fault.field.startswith("allowTags"):
            yield _allow_tags(fault, place)
        else:
            yield _finding(_CODES[fault.field.partition("[")[0]], fault, place)
    yield from _check_pull_secret(stated.rule.pull_secret, stated.where("pullSecret"))


def _finding(code: str, fault: PolicyFault, place: Located) -> Finding:
    severity = Severity.WARNING if code == "RT377" else Severity.ERROR
    remedy = _REMEDIES.get(code, "")
    if code == "RT375":
        near = nearest_name(place.text, _STRATEGIES)
        remedy = f"did you mean {near}?" if near else ""
    finding = place.finding(code, fault.what, severity=severity, remedy=remedy)
    return replace(finding, drawing=_drawing(fault))


def _allow_tags(fault: PolicyFault, place: Located) -> Finding:
    # The older form has the expression under the key regex, without a prefix.
    text = str(place.value)
    if text.lower().startswith(_PREFIX):
        return _finding("RT372", fault, place)
    return place.finding(
        "RT371",
        f"allows nothing, since {text!r} is neither any nor {_PREFIX} with an expression",
        remedy=f"write {_PREFIX}{text}" if ":" not in text else "",
    )


def _drawing(fault: PolicyFault) -> str:
    """The text with its caret, without the reason above them."""
    return "\n".join(fault.drawn.splitlines()[1:])


def _check_pull_secret(text: str, place: Located) -> Iterator[Finding]:
    """Whether *text* names a Secret. It may be a password, so it is not shown."""
    if not text:
        return
    try:
        parse_credentials(text)
    except InvalidCredentialsError:
        remedy = "write secret:namespace/name#field or pullsecret:namespace/name"
        yield place.finding("RT387", "pullSecret names no Secret", remedy=remedy)
