"""Version constraints in the language of Masterminds/semver v3.4.0.

    constraint = group *( "||" group )
    group      = term *( separator term )            all terms must hold
    separator  = 1*space / [spaces] "," [spaces]
    term       = [operator] [spaces] version
    operator   = "=" "!=" ">" "<" ">=" "=>" "<=" "=<" "~" "~>" "^"
    version    = ["v"] segment *2( "." segment ) ["-" identifiers] ["+" identifiers]
    segment    = digits / "x" / "X" / "*"            missing ones are wildcards

`a - b` between spaces is first rewritten to `>= a, <= b `, wherever it stands. A pre-release is
allowed only by a group in which some term carries a pre-release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cmp.policy.invalid import InvalidTextError
from cmp.policy.term import Term
from cmp.policy.version import Version, parse_version

# A constraint is tried on every tag, and finding ranges takes quadratic time in the worst case.
# The longest in use are a dozen terms.
_LONGEST = 1024

_SPACE = r"[\t\n\f\r ]"  # RE2's \s, which the peer uses: no vertical tab, no Unicode
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
# The peer's classes hold "|" by mistake. It never helps, but it joins `1||2 - 3` differently.
_SEGMENT = r"[0-9|xX*]+"
_VERSION = (
    rf"v?{_SEGMENT}(?:\.{_SEGMENT})?(?:\.{_SEGMENT})?"
    rf"(?:-{_IDENTIFIERS})?(?:\+{_IDENTIFIERS})?"
)
_RANGE = re.compile(rf"{_SPACE}*({_VERSION}){_SPACE}+-{_SPACE}+({_VERSION}){_SPACE}*")
_OPERATOR = re.compile(rf"(!=|>=|=>|<=|=<|~>|=|>|<|~|\^|){_SPACE}*")
_BOUND = re.compile(
    rf"v?({_SEGMENT}(?:\.{_SEGMENT})?(?:\.{_SEGMENT})?)"
    rf"((?:-{_IDENTIFIERS})?(?:\+{_IDENTIFIERS})?)"
)
_SPACES = re.compile(rf"{_SPACE}*")
_SEPARATOR = re.compile(rf"{_SPACE}*,{_SPACE}*|{_SPACE}+")
_WILDCARDS = frozenset("xX*")


class InvalidConstraintError(InvalidTextError):
    """The text is not in the language of constraints."""

    noun = "version constraint"


@dataclass(frozen=True, slots=True)
class Group:
    """Terms that must all hold; *admits_prereleases* if one of them carries a pre-release."""

    terms: tuple[Term, ...]
    admits_prereleases: bool


@dataclass(frozen=True, slots=True)
class Constraint:
    """What versions are allowed: those that one of *groups* allows.

    >>> Constraint.parse("~1.2 || >=3").allows(Version.parse("v1.2.9"))
    True
    """

    text: str
    groups: tuple[Group, ...]

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """The constraint that *text* spells. Raises `InvalidConstraintError`."""
        if len(text) > _LONGEST:
            raise InvalidConstraintError(text, _LONGEST, f"longer than {_LONGEST} characters")
        return cls(text, _Parser(text).groups())

    def allows(self, version: Version) -> bool:
        """Whether *version* fulfils the constraint."""
        return self.refusal(version) is None

    def refusal(self, version: Version) -> str | None:
        """Why *version* is outside, in a few words; None if it is allowed."""
        reason = None
        for group in self.groups:
            reason = self._refusal(group, version)
            if reason is None:
                return None
        return reason if len(self.groups) == 1 else f"outside every range of {self.text}"

    def _refusal(self, group: Group, version: Version) -> str | None:
        if version.prerelease and not group.admits_prereleases:
            return f"a pre-release, and {self.text} admits releases only"
        for term in group.terms:
            if not term.holds(version):
                return f"outside {term.text}"
        return None


class _Parser:
    """Reads one constraint; *origins* leads from the rewritten text to what the user wrote."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.text, self.origins = _rewrite_ranges(source)
        self.at = 0
        self.end = 0  # of the group that is read

    def groups(self) -> tuple[Group, ...]:
        groups = []
        for part in self.text.split("||"):
            self.end = self.at + len(part)
            groups.append(self.group())
            self.at = self.end + len("||")
        return tuple(groups)

    def group(self) -> Group:
        self.take(_SPACES)
        terms = [self.term()]
        while not self.done():
            if self.take(_SEPARATOR) is None:
                raise self.fault(self.at, "a space, a comma or || is due here")
            terms.append(self.term())
        return Group(tuple(terms), any(term.bound.prerelease for term in terms))

    def term(self) -> Term:
        start = self.at
        operator = self.take(_OPERATOR)
        found = self.take(_BOUND)
        if operator is None or found is None:
            raise self.fault(self.at, "a version such as 1.2 or 1.2.3 is due here")
        numbers = self.numbers(found)
        release = ".".join([*numbers, "0", "0", "0"][:3])
        bound = parse_version(release + found[2])
        if bound is None:
            raise self.fault(found.start(), "a number is over 64 bits, or starts with a zero")
        return Term(operator[1], bound, len(numbers), self.text[start : self.at])

    def numbers(self, bound: re.Match[str]) -> list[str]:
        """The segments before the first wildcard."""
        numbers: list[str] = []
        for segment in bound[1].split("."):
            if segment in _WILDCARDS:
                break
            if not segment.isdecimal():
                raise self.fault(bound.start(), f"{segment!r} is neither a number nor a wildcard")
            numbers.append(segment)
        return numbers

    def done(self) -> bool:
        """Whether only spaces are left of the group."""
        spaces = _SPACES.match(self.text, self.at, self.end)
        return spaces is not None and spaces.end() == self.end

    def take(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        """Steps over *expression*, if it stands here."""
        found = expression.match(self.text, self.at, self.end)
        if found is not None:
            self.at = found.end()
        return found

    def fault(self, at: int, reason: str) -> InvalidConstraintError:
        return InvalidConstraintError(self.source, self.origins[at], reason)


def _rewrite_ranges(source: str) -> tuple[str, list[int]]:
    """*source* with each `a - b` as `>= a, <= b `, and where each of its characters came from.

    One origin more than characters: the end of *source*.
    """
    text = ""
    origins: list[int] = []
    done = 0
    for found in _RANGE.finditer(source):
        (low, low_end), (high, high_end) = found.span(1), found.span(2)
        text += f"{source[done : found.start()]}>= {found[1]}, <= {found[2]} "
        origins += range(done, found.start())
        origins += [low] * len(">= ") + [*range(low, low_end)]
        origins += [high] * len(", <= ") + [*range(high, high_end), high_end]
        done = found.end()
    return text + source[done:], [*origins, *range(done, len(source) + 1)]
