"""The keys that a rule names: out of which Secret, and what is said where they are not there."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import pytest

from cmp import keys
from cmp.cosign import PublicKey
from cmp.decide import Asked, answer_for, policy_of
from cmp.errors import RuleError, UnreachableError
from cmp.lookups import Direct
from cmp.options import parse_params
from cmp.policy import Keep, Kept
from cmp.registry.secrets import NoSecrets, SecretFiles, Secrets
from cmp.rules import Application, Rule, rules_for, rules_in
from cmp.steady import Past
from tests.cosign.cases import DATA, key
from tests.memory import MemoryTags

HEAD = """\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: rules, namespace: argocd}
spec:
  applicationRefs:
    - namePattern: web
"""


def rule(
    verification: str = "{cosignKey: {secretName: cosign, key: pub}}", head: str = HEAD
) -> Rule:
    images = f"      images: [{{alias: a, imageName: a, imagesVerification: {verification}}}]\n"
    (found,) = rules_for(rules_in(head + images, "rules.yaml"), Application(name="web")).rules
    return found


def secrets(folder: Path, content: bytes, *, key_name: str = "pub") -> Secrets:
    place = folder / "argocd" / "cosign"
    place.mkdir(parents=True)
    (place / key_name).write_bytes(content)
    return SecretFiles(folder)


def keys_of(rule: Rule, held: Secrets) -> Sequence[PublicKey]:
    return asyncio.run(keys.keys_of(rule, held))


def test_a_rule_without_verification_names_no_key() -> None:
    off = rule("{enabled: false, cosignKey: {secretName: cosign, key: pub}}")
    assert off.cosign_key is None
    assert keys_of(off, NoSecrets()) == ()


def test_each_key_of_the_file_counts(tmp_path: Path) -> None:
    pem = b"".join((DATA / f"{name}.pub").read_bytes() for name in ("first", "second"))
    found = keys_of(rule(), secrets(tmp_path, pem))
    assert [each.fingerprint for each in found] == [
        key(name).fingerprint for name in ("first", "second")
    ]
    assert found[0].label == "the key pub of the Secret argocd/cosign"


def test_only_the_key_that_is_named_counts(tmp_path: Path) -> None:
    held = secrets(tmp_path, (DATA / "first.pub").read_bytes())
    for other in ("a", "z"):
        foreign = (DATA / "foreign.pub").read_bytes()
        (tmp_path / "argocd" / "cosign" / other).write_bytes(foreign)

    assert [each.fingerprint for each in keys_of(rule(), held)] == [key("first").fingerprint]


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "RT354"), (b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "RT355")],
    ids=["nothing", "a private key"],
)
def test_a_broken_key_is_told_with_its_place(tmp_path: Path, content: bytes, code: str) -> None:
    with pytest.raises(RuleError) as caught:
        keys_of(rule(), secrets(tmp_path, content))
    assert (caught.value.code, caught.value.where) == (
        code,
        "the key pub of the Secret argocd/cosign",
    )


def test_a_key_that_is_not_in_its_secret_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="the Secret argocd/cosign has no key pub") as caught:
        keys_of(rule(), secrets(tmp_path, b"", key_name="other"))
    assert caught.value.code == "RT353"


def test_where_no_secrets_are_that_is_told() -> None:
    with pytest.raises(RuleError, match=r"cosignKey: .*argocd/cosign cannot be read") as caught:
        keys_of(rule(), NoSecrets())
    assert caught.value.code == "RT353"
    assert caught.value.remedy


class Away:
    """Secrets of a cluster that is away."""

    async def data(self, *_: str, afresh: bool = False) -> Mapping[str, str]:
        raise UnreachableError("RT566", f"away, {afresh}")

    def stamp(self, *_: str) -> Hashable:
        return None


def test_while_nobody_can_tell_no_rule_is_broken() -> None:
    with pytest.raises(UnreachableError, match="RT566"):
        keys_of(rule(), Away())


def test_while_nobody_can_tell_a_keys_rule_makes_no_choice() -> None:
    asked = Asked(Direct(MemoryTags({})), Away(), (), parse_params([]))
    application = Application(name="web")

    verdict, stays = asyncio.run(
        answer_for(rule(), policy_of(rule(), asked.options), asked, application, Past.of((), ()))
    )

    assert isinstance(verdict.choice, Kept)
    assert verdict.choice.keep is Keep.INCOMPLETE
    assert str(verdict.error) == "away, False [RT566]"
    assert stays is None


def test_a_secret_is_of_the_namespace_of_its_rule() -> None:
    nowhere = rule(head=HEAD.replace(", namespace: argocd", ""))
    with pytest.raises(RuleError, match=r"no namespace.*state metadata\.namespace") as caught:
        keys_of(nowhere, NoSecrets())
    assert caught.value.code == "RT353"


def test_the_key_is_part_of_what_selects() -> None:
    other = rule("{cosignKey: {secretName: cosign, key: other}}")
    assert rule().identity.fingerprint != other.identity.fingerprint
