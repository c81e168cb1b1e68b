"""An Application's annotations, held against what a ref with `useAnnotations` reads of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from cmp.errors import Finding, Place, Severity
from cmp.lint.defaults import no_write_back
from cmp.lint.stated import Stated
from cmp.located import Located, locate, nearest_name, wrong_type
from cmp.rules import Application, Rule
from cmp.rules.annotations import IMAGE_LIST, PREFIX, InvalidAnnotationError, listed_images
from cmp.rules.read import GROUP, KIND, VERSION
from cmp.rules.remarks import operators_credential
from cmp.rules.resource import read_resource
from cmp.rules.select import Governing, govern

# What is said as `<alias>.…` for one image or, but for platforms and targets, for all of them.
_SETTINGS = {
    "updateStrategy": "update-strategy",
    "allowTags": "allow-tags",
    "ignoreTags": "ignore-tags",
    "platforms": "platforms",
    "pullSecret": "pull-secret",
    "forceUpdate": "force-update",
}
_HELM = ("helm.image-name", "helm.image-tag", "helm.image-spec")
OF_IMAGE = (*_SETTINGS.values(), *_HELM, "kustomize.image-name")
SHARED = tuple(name for name in _SETTINGS.values() if name != "platforms")
WRITE_BACK = ("write-back-method", "write-back-target", "git-branch", "git-repository")
_LIST = IMAGE_LIST.removeprefix(PREFIX)
# A slip in one of these lets more tags pass. The last is v0's, and no longer read.
_NARROWING = ("update-strategy", "allow-tags", "ignore-tags", "platforms", "tag-match")

# As an ImageUpdater that takes every Application's annotations would read them.
_READER = read_resource(
    locate(
        {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "metadata": {"name": "annotations"},
            "spec": {"applicationRefs": [{"namePattern": "*", "useAnnotations": True}]},
        },
        Place(""),
    )
)


@dataclass(frozen=True, slots=True)
class _Annotations:
    """The annotations of the Image Updater, by their names without prefix; *block* is all."""

    stated: dict[str, Located]
    block: Located

    @property
    def image_list(self) -> Located:
        """The list of images, or what should have it."""
        return self.stated.get(_LIST, self.block)

    def aliases(self) -> list[str]:
        """The aliases of the list; none where it cannot be read."""
        try:
            images = listed_images({IMAGE_LIST: self.image_list.text})
        except InvalidAnnotationError:
            return []
        return [image.alias for image in images if image.alias]

    def where(self, alias: str, field: str) -> Located:
        """The annotation that says *field* (`ignoreTags[1]`) of the image *alias*."""
        name = _SETTINGS.get(field.partition("[")[0], _LIST)
        values = map(self.stated.get, (f"{alias}.{name}", name))
        return next((v for v in values if v is not None and v.text.strip()), self.image_list)


def check_annotations(manifest: Located) -> tuple[tuple[Stated, ...], list[Finding]]:
    """The rules in the annotations of the Application *manifest*, and what is wrong with those."""
    block = manifest.nearest(("metadata", "annotations"))
    stated = {
        key.removeprefix(PREFIX): value
        for key, value in block.fields.items()
        if key.startswith(PREFIX)
    }
    if not stated:
        return (), []
    annotations = _Annotations(stated, block)
    application = replace(Application.from_manifest(manifest.data), namespace="")
    governing = govern(_READER, application)
    findings = [
        *_check_types(annotations),
        *_check_names(annotations),
        *_check_effects(annotations),
        *_faults(governing, annotations),
    ]
    return tuple(_rules(governing, annotations)), findings


def _rules(governing: Governing, annotations: _Annotations) -> Iterator[Stated]:
    for image, unit in zip(governing.images, governing.units, strict=False):
        if isinstance(unit, Rule):
            yield Stated(unit, partial(annotations.where, image.written_alias))


def _faults(governing: Governing, annotations: _Annotations) -> Iterator[Finding]:
    """Why the Image Updater would pass over the Application, or an image can be in no manifest."""
    for unit in governing.units:
        if not isinstance(unit, Rule):
            code = unit.findings[0].code if unit.findings else "RT324"
            yield annotations.image_list.finding(code, unit.what)


def _check_types(annotations: _Annotations) -> Iterator[Finding]:
    for value in annotations.stated.values():
        if not isinstance(value.value, str):
            yield wrong_type(value, "a string")


def _check_names(annotations: _Annotations) -> Iterator[Finding]:
    """Annotations that nobody reads."""
    aliases = annotations.aliases()
    if not annotations.image_list.text.strip():
        what = f"without {IMAGE_LIST} no image is ruled by annotations"
        yield _warning(annotations.block, "RT392", what, "add it, or remove the others")
        return
    for name, value in annotations.stated.items():
        alias, of_image = _split(name)
        if of_image and alias not in aliases:
            near = nearest_name(alias, aliases)
            what = f"no image of {_LIST} has the alias {alias}"
            yield _unread(value, "RT391", what, of_image, f"did you mean {near}?" if near else "")
        elif not of_image and name not in (_LIST, *SHARED, *WRITE_BACK):
            yield _unknown(value, name)


def _split(name: str) -> tuple[str, str]:
    """The alias and what is said of it; ("", "") where *name* says nothing of one image."""
    for of_image in OF_IMAGE:
        if name.endswith(f".{of_image}"):
            return name.removesuffix(f".{of_image}"), of_image
    return "", ""


def _unknown(value: Located, name: str) -> Finding:
    last = name.rpartition(".")[2]
    near = nearest_name(last, [_LIST, *_SETTINGS.values(), *WRITE_BACK])
    remedy = f"did you mean {near}?" if near else "it is ignored"
    if name in OF_IMAGE:
        remedy = f"it is for one image: <alias>.{name}"
    if last == "tag-match":
        remedy = "it is no longer read since v1: write allow-tags with regexp: instead"
    return _unread(value, "RT390", f"there is no annotation {name}", near or last, remedy)


def _unread(value: Located, code: str, what: str, means: str, remedy: str) -> Finding:
    """A finding about a name that may mean *means*."""
    severity = Severity.ERROR if means in _NARROWING else Severity.WARNING
    finding = value.finding(code, what, severity=severity, remedy=remedy)
    return replace(finding, place=value.key or value.place)


def _check_effects(annotations: _Annotations) -> Iterator[Finding]:
    """Annotations without effect, and credentials that annotations may not name."""
    write_back = [annotations.stated[name] for name in WRITE_BACK if name in annotations.stated]
    for value in write_back[:1]:
        yield no_write_back(value, "write-back")
    for name, value in annotations.stated.items():
        said = _split(name)[1] or name
        if said in _HELM or (said == "force-update" and value.text.lower() == "true"):
            what = f"{said} has no effect: images are rewritten where they stand in the manifests"
            yield _warning(value, "RT317", what, "remove it")
        if said == "pull-secret" and operators_credential(value.text.strip()):
            what = "env:, file: and ext: are for registries.conf alone; here they are not honoured"
            yield _warning(value, "RT328", what, "use secret: or pullsecret:")


def _warning(value: Located, code: str, what: str, remedy: str) -> Finding:
    return value.finding(code, what, severity=Severity.WARNING, remedy=remedy)
