"""An Application's annotations, those of v0 and of v1, as an item of `applicationRefs`.

v1 reads what v0 wrote, but for two things that are carried over here: `<alias>.tag-match`, which
counted where nothing said allow-tags, and an alias with "/", whose keys have "_" instead
(branch release-0.18, registry-scanner/pkg/image/options.go and matchfunc.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cmp.errors import Finding
from cmp.lint.annotations import OF_IMAGE, SHARED, WRITE_BACK
from cmp.located import Located
from cmp.migrate import fields as official
from cmp.migrate.fields import Fields
from cmp.migrate.remarks import left_behind, left_out, lost
from cmp.reference import InvalidReferenceError, Reference
from cmp.rules import Application, Resource
from cmp.rules.annotations import (
    IMAGE_LIST,
    PREFIX,
    Annotated,
    AnnotatedImage,
    InvalidAnnotationError,
    listed_images,
    read_annotations,
)
from cmp.rules.merge import extensions
from cmp.rules.model import CommonUpdateSettings
from cmp.rules.remarks import (
    foreign_namespace,
    foreign_namespace_finding,
    operators_credential,
)
from cmp.rules.select import govern
from cmp.rules.units import Image, image_name, unique_alias
from cmp.rules.writeback import write_back_fault

_LIST = IMAGE_LIST.removeprefix(PREFIX)
_TAG_MATCH = ".tag-match"
_CREDENTIAL = "pull-secret"


def is_annotated(manifest: Located) -> bool:
    """Whether the Application *manifest* lists images in its annotations."""
    return bool(_annotations(manifest).get(IMAGE_LIST, "").strip())


def migrate_annotations(
    manifest: Located, resources: Iterable[Resource]
) -> tuple[Fields | None, list[Finding]]:
    """The ref that says what the annotations of *manifest* say, and what is to be told of it.

    None where something is faulty, or says nothing. *resources* are the ImageUpdaters by whose
    leave annotations count: what those say of signatures holds on.
    """
    application = Application.from_manifest(manifest.data)
    annotations = _of_v1(_annotations(manifest))
    block = manifest.nearest(("metadata", "annotations"))
    if ruler := _ruler(application, resources):
        what = f"ImageUpdater {ruler} rules {application}, and reads no annotations: they stay out"
        return None, [left_behind(block.nearest((IMAGE_LIST,)), what, "remove them")]
    try:
        annotated, images = _read(annotations)
    except InvalidAnnotationError as error:
        told = block.nearest((IMAGE_LIST,)).finding("RT319", str(error))
        return None, [told, left_out(manifest, f"Application {application}")]
    if foreign := list(_foreign_secrets(block, annotated, application.namespace)):
        return None, [*foreign, left_out(manifest, f"Application {application}")]
    told_of = [*_told(block, annotated.images)]
    made: Fields = {"namePattern": application.name}
    if settings := _settings(annotated.settings, inherits=False):
        made["commonUpdateSettings"] = settings
    made |= _leave(manifest, application, resources, told_of)
    shared_secret = bool(annotated.settings.pull_secret)
    made["images"] = [
        _image(alias, image, inherits=shared_secret) for alias, image in images.items()
    ]
    return made, told_of


def _read(annotations: Mapping[str, str]) -> tuple[Annotated, dict[str, AnnotatedImage]]:
    """What *annotations* say, and their images by alias. Raises `InvalidAnnotationError`."""
    annotated = read_annotations(annotations)
    if fault := write_back_fault(annotated.write_back):
        raise InvalidAnnotationError(fault)
    return annotated, _images(annotated.images)


def _ruler(application: Application, resources: Iterable[Resource]) -> Resource | None:
    """Who rules *application* where nobody reads its annotations: a ref of those would win."""
    governing = [(each, govern(each, application).ref) for each in resources]
    rulers = [(each, ref) for each, ref in governing if ref is not None]
    if any(ref.use_annotations for _, ref in rulers):
        return None
    return rulers[0][0] if rulers else None


def _foreign_secrets(block: Located, annotated: Annotated, namespace: str) -> Iterator[Finding]:
    """The annotations of *block* that give an image a Secret of another namespace, once each."""
    names: dict[str, str] = {}
    for image in annotated.images:
        own = image.settings.pull_secret if image.settings else None
        alias = image.alias.replace("/", "_")
        name = f"{alias}.{_CREDENTIAL}" if own else _CREDENTIAL
        names[name] = own or annotated.settings.pull_secret or ""
    for name, secret in names.items():
        if foreign := foreign_namespace(secret, namespace):
            value = block.nearest((PREFIX + name,))
            yield foreign_namespace_finding(value, foreign, namespace)


def _annotations(manifest: Located) -> Mapping[str, str]:
    return Application.from_manifest(manifest.data).annotations or {}


def _of_v1(annotations: Mapping[str, str]) -> dict[str, str]:
    """*annotations* as v1 would state what v0 meant by them."""
    found = dict(annotations)
    try:
        aliases = [image.alias for image in listed_images(annotations) if image.alias]
    except InvalidAnnotationError:
        return found
    for alias in aliases:
        _rename(found, f"{PREFIX}{alias.replace('/', '_')}.", f"{PREFIX}{alias}.")
        match = found.get(f"{PREFIX}{alias}{_TAG_MATCH}", "").strip()
        filters = (f"{PREFIX}{alias}.allow-tags", f"{PREFIX}allow-tags")
        if match and not any(found.get(name, "").strip() for name in filters):
            found[filters[0]] = match
    return found


def _rename(annotations: dict[str, str], old: str, new: str) -> None:
    for name in [name for name in annotations if name.startswith(old)]:
        annotations.setdefault(new + name.removeprefix(old), annotations[name])


def _images(listed: Iterable[AnnotatedImage]) -> dict[str, AnnotatedImage]:
    """*listed* by official aliases. Raises `InvalidAnnotationError`."""
    found: dict[str, AnnotatedImage] = {}
    taken: dict[str, int] = {}
    for each in listed:
        name = image_name(each.name)
        if fault := name.fault or _target_fault(each):
            raise InvalidAnnotationError(f"{IMAGE_LIST}: {fault}")
        alias = official.official_alias(each.alias or name.repository.last_element or "image")
        found[unique_alias(alias, taken)] = each
    return found


def _target_fault(image: AnnotatedImage) -> str:
    """Why no manifest can hold the name that kustomize.image-name states."""
    target = image.targets.kustomize if image.targets else None
    try:
        Reference.parse(target.name if target and target.name else "any")
    except InvalidReferenceError as error:
        return str(error)
    return ""


def _image(alias: str, image: AnnotatedImage, *, inherits: bool) -> Fields:
    made: Fields = {"alias": alias, "imageName": image.name}
    if image.settings and (settings := _settings(image.settings, inherits=inherits)):
        made["commonUpdateSettings"] = settings
    if image.targets:
        stated = image.targets.model_dump(by_alias=True, exclude_none=True)
        made["manifestTargets"] = official.targets(stated)
    return made


def _settings(settings: CommonUpdateSettings, *, inherits: bool) -> Fields:
    """*settings* as official fields; *inherits*: a pullSecret above would count without one."""
    made = official.stated(settings.model_dump(by_alias=True))
    if filters := made.get("allowTags"):
        made["allowTags"] = filters[0]
    if strategy := made.get("updateStrategy"):
        made["updateStrategy"] = official.strategy(strategy)
    made |= {name: list(made[name]) for name in ("ignoreTags", "platforms") if name in made}
    if operators_credential(made.get("pullSecret", "")):
        del made["pullSecret"]
        made |= {"pullSecret": ""} if inherits else {}
    return {name: made[name] for name in official.SETTINGS if name in made}


def _told(block: Located, images: Sequence[AnnotatedImage]) -> Iterator[Finding]:
    read = _read_names(images)
    for name, value in block.fields.items():
        short = name.removeprefix(PREFIX)
        if short == name:
            continue
        if short in WRITE_BACK:
            yield left_behind(value, f"{short} is left behind: Retag writes nothing back")
        elif short not in read:
            yield left_behind(value, f"{short} is left behind: nothing reads it")
        if short.endswith(_CREDENTIAL) and operators_credential(value.text.strip()):
            yield left_behind(value, "env:, file: and ext: are not honoured in rules")
    for image in images:
        alias = official.official_alias(image.alias) if image.alias else image.alias
        if alias != image.alias:
            what = f"the alias {image.alias} is {alias} now; pins go by it"
            yield left_behind(block.nearest((IMAGE_LIST,)), what)


def _read_names(images: Iterable[AnnotatedImage]) -> set[str]:
    """What annotations with the aliases of *images* may be called, without their prefix."""
    aliases = {image.alias for image in images if image.alias}
    aliases |= {alias.replace("/", "_") for alias in aliases}
    of_image = (*OF_IMAGE, _TAG_MATCH.removeprefix("."))
    return {_LIST, *SHARED, *(f"{alias}.{name}" for alias in aliases for name in of_image)}


def _leave(
    manifest: Located,
    application: Application,
    resources: Iterable[Resource],
    told: list[Finding],
) -> Fields:
    """What the ref says of signatures by whose leave the annotations count; adds to *told*."""
    for resource in resources:
        governing = govern(resource, application)
        if governing.ref is None or not governing.ref.use_annotations or not governing.images:
            continue
        image = governing.images[0]
        ours = _ours(image)
        if ours:
            what = f"{', '.join(ours)} of ImageUpdater {resource} are left behind"
            remedy = "state them in a resource of your own, with Retag's CRD"
            told.append(lost(manifest, what, remedy))
        if image.verified and image.cosign_key:
            key = image.cosign_key.model_dump(by_alias=True)
            return {"imagesVerification": {"cosignKey": key}}
    return {}


def _ours(image: Image) -> list[str]:
    """Retag's own settings that count for *image*."""
    stated = extensions(image.settings).model_dump(by_alias=True, exclude_none=True)
    return sorted(stated)
