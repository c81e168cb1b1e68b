"""An ImageUpdater of any form as one of the official schema, or as several."""

from __future__ import annotations

from collections.abc import Iterator

from cmp.errors import Finding, Severity
from cmp.located import Located, validate
from cmp.migrate import fields as official
from cmp.migrate.fields import Fields
from cmp.migrate.remarks import left_behind, left_out, lost
from cmp.rules.model import ImagesVerification, judge_unknown
from cmp.rules.older import SETTINGS, official_holder, official_image
from cmp.rules.read import GROUP, KIND, VERSION
from cmp.rules.remarks import operators_credential
from cmp.rules.units import Image, Ref, Resource

_VERIFICATION = "imagesVerification"
_KEPT_METADATA = ("name", "namespace", "labels", "annotations")
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def migrate_resource(resource: Resource) -> tuple[list[Fields], list[Finding]]:
    """*resource* as ImageUpdaters of the official schema, and what is to be told of it.

    There is more than one where two refs have one pattern; none where something is faulty.
    """
    errors = [each for each in resource.all_findings() if each.severity is Severity.ERROR]
    if errors:
        return [], [*errors, left_out(resource.located, f"ImageUpdater {resource}")]
    migration = _Migration(resource)
    try:
        return migration.manifests(), migration.told
    except _NoTextError as error:
        return [], [error.finding, left_out(resource.located, f"ImageUpdater {resource}")]


class _NoTextError(Exception):
    """Filters that no one text spells."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


class _Migration:
    """One resource on its way; *told* is what is to be told of it."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self.told: list[Finding] = []

    def manifests(self) -> list[Fields]:
        holder = official_holder(self._resource.located.nearest(("spec",)))[0]
        shared = self._block(holder, _verification(holder), secret_above=False)
        self._tell_write_back(holder)
        groups: list[list[Fields]] = []
        secret = _states_secret(holder)
        for ref in self._resource.refs or ():
            made = self._ref(ref, secret_above=secret)
            _group_without(groups, ref.pattern).append(made)
        return [
            self._manifest(number, shared | {"applicationRefs": refs})
            for number, refs in enumerate(groups, 1)
        ]

    def _manifest(self, number: int, spec: Fields) -> Fields:
        stated = self._resource.located.nearest(("metadata",)).data
        metadata = {name: stated[name] for name in _KEPT_METADATA if stated.get(name)}
        if self._resource.namespace:
            metadata["namespace"] = self._resource.namespace
        if number > 1:
            metadata["name"] += f"-{number}"
        notes = {k: v for k, v in metadata.pop("annotations", {}).items() if k != _APPLIED}
        metadata |= {"annotations": notes} if notes else {}
        head = {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND}
        return head | {"metadata": metadata, "spec": spec}

    def _ref(self, ref: Ref, *, secret_above: bool) -> Fields:
        holder = official_holder(ref.located)[0]
        self._tell_write_back(holder)
        labels = holder.get("labelSelectors")
        made: Fields = {"namePattern": ref.pattern}
        made |= {"labelSelectors": labels.data} if labels else {}
        made |= {"useAnnotations": True} if ref.use_annotations else {}
        made |= self._block(holder, ref.verification, secret_above=secret_above)
        if not ref.use_annotations:
            secret = secret_above or _states_secret(holder)
            made["images"] = list(self._images(ref, secret_above=secret))
        return made

    def _images(self, ref: Ref, *, secret_above: bool) -> Iterator[Fields]:
        taken: dict[str, int] = {}
        for image in ref.images or ():
            alias = official.official_alias(image.alias)
            while alias in taken:
                alias += "-2"
            taken[alias] = 1
            if image.written_alias not in ("", alias):
                what = f"the alias is {alias} now; pins that Applications state go by it"
                self.told.append(left_behind(image.located.nearest(("alias",)), what))
            yield {"alias": alias, **self._image(image, secret_above=secret_above)}

    def _image(self, image: Image, *, secret_above: bool) -> Fields:
        holder = official_image(image.located)[0]
        made: Fields = {"imageName": holder.nearest(("imageName",)).data}
        made |= self._block(holder, image.verification, secret_above=secret_above)
        if pin := holder.get("pin"):
            self.told.append(_lost_field(pin, "pin"))
        block = holder.get("manifestTargets")
        found = official.targets(block.data) if block else None
        if block and not found:
            self.told.append(left_behind(block, "manifestTargets says nothing"))
        return made | ({"manifestTargets": found} if found else {})

    def _block(
        self,
        holder: Located,
        merged: ImagesVerification | None,
        *,
        secret_above: bool,
    ) -> Fields:
        """The settings of *holder* and its verification, with those above it *merged*."""
        made: Fields = {}
        block = holder.get(SETTINGS)
        if block and (settings := self._settings(block, secret_above=secret_above)):
            made[SETTINGS] = settings
        own = _verification(holder)
        if (signed := official.verification(own, merged)) is not None:
            made[_VERIFICATION] = signed
        return made

    def _settings(self, block: Located, *, secret_above: bool) -> Fields:
        """The settings that the official schema has."""
        made: Fields = {}
        for name in official.SETTINGS:
            value = block.get(name)
            if value is not None:
                made[name] = _allow_tags(value) if name == "allowTags" else value.data
        if strategy := made.get("updateStrategy"):
            made["updateStrategy"] = official.strategy(strategy)
        for name, value in block.fields.items():
            if name not in official.SETTINGS and value.value is not None:
                self.told.append(_lost_field(value, name))
        if operators_credential(made.get("pullSecret", "")):
            what = "env:, file: and ext: are not honoured in rules"
            self.told.append(left_behind(block.fields["pullSecret"], what))
            del made["pullSecret"]
            made |= {"pullSecret": ""} if secret_above else {}
        return made

    def _tell_write_back(self, holder: Located) -> None:
        if block := holder.get("writeBackConfig"):
            what = "writeBackConfig is left behind: Retag writes nothing back"
            self.told.append(left_behind(block, what))


def _group_without(groups: list[list[Fields]], pattern: str) -> list[Fields]:
    """The first of *groups* that has no ref of *pattern*; a new one if there is none."""
    for group in groups:
        if all(ref["namePattern"] != pattern for ref in group):
            return group
    groups.append([])
    return groups[-1]


def _verification(holder: Located) -> ImagesVerification | None:
    block = holder.get(_VERIFICATION)
    return validate(ImagesVerification, block, judge=judge_unknown)[0] if block else None


def _states_secret(holder: Located) -> bool:
    secret = holder.at(SETTINGS, "pullSecret")
    return secret is not None and bool(secret.text)


def _allow_tags(value: Located) -> str:
    filters = [str(item.value) for item in value.items]
    text = official.allow_tags(filters)
    if text is None:
        what = "no one expression allows what these allow"
        raise _NoTextError(value.finding("RT398", what, remedy="mend those that are faulty"))
    return text


def _lost_field(value: Located, name: str) -> Finding:
    what = f"{name} is left behind: the official schema has no such field"
    remedy = "with Retag's own CRD this ImageUpdater may stay as it is, and keep it"
    return lost(value, what, remedy)
