"""Located data of an ImageUpdater to units: resource, refs, images. All faults become findings.

Settings are merged on the way down (spec, ref, image), so that each image knows what it means.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, TypeVar

from pydantic import BaseModel

from cmp.errors import Finding, Severity
from cmp.located import Located, validate, wrong_type
from cmp.policy.glob import Glob, InvalidGlobError, compile_glob
from cmp.rules.labels import selector_fault
from cmp.rules.merge import merge_settings, merge_verification, merge_write_back
from cmp.rules.model import (
    CommonUpdateSettings,
    ImageFields,
    ImagesVerification,
    LabelSelector,
    ManifestTargets,
    RefFields,
    ResourceFields,
    SpecFields,
    WriteBackConfig,
    judge_unknown,
)
from cmp.rules.older import official_holder, official_image
from cmp.rules.remarks import (
    foreign_secret,
    image_remarks,
    ref_remarks,
    settings_remarks,
    spec_remarks,
    twin_remarks,
)
from cmp.rules.units import Image, Ref, Resource, image_name, unique_alias
from cmp.rules.writeback import write_back_fault

# The name of an Application has at most 253; and specificity is found in quadratic time.
_LONGEST_PATTERN = 1024

Model = TypeVar("Model", bound=BaseModel)


class _Above(NamedTuple):
    """What the levels above a unit say for it."""

    settings: CommonUpdateSettings
    verification: ImagesVerification | None
    write_back: WriteBackConfig

    def with_spec(self, spec: SpecFields) -> _Above:
        return _Above(
            merge_settings(self.settings, spec.common_update_settings),
            merge_verification(self.verification, spec.images_verification),
            merge_write_back(self.write_back, spec.write_back_config),
        )

    def with_ref(self, ref: RefFields) -> _Above:
        verification = None if ref.use_annotations else self.verification
        return _Above(
            merge_settings(self.settings, ref.common_update_settings),
            merge_verification(verification, ref.images_verification),
            merge_write_back(self.write_back, ref.write_back_config),
        )


_NOTHING_ABOVE = _Above(CommonUpdateSettings(), None, WriteBackConfig())


def read_resource(document: Located) -> Resource:
    """The ImageUpdater in *document*."""
    _, findings = _checked(ResourceFields, document, below="spec")
    metadata, spec = document.get("metadata"), document.get("spec")
    above = _NOTHING_ABOVE
    refs: tuple[Ref, ...] | None = None
    wrong: list[Finding] = []
    if spec:
        official, older = official_holder(spec)
        fields, more = _checked(SpecFields, official, below="applicationRefs")
        findings += older + more + settings_remarks(official) + spec_remarks(official)
        above = above.with_spec(fields) if fields else above
        items, wrong = _list(official, "applicationRefs", needed=True)
        refs = None if items is None else tuple(_ref(item, above) for item in items)
    broken = refs is None or _has_error(findings)
    namespace = _namespace(metadata, spec)
    images = (image for ref in refs or () for image in ref.images or ())
    foreign = filter(None, (foreign_secret(each, namespace) for each in images))
    return Resource(
        located=document,
        namespace=namespace,
        name=_text(metadata, "name"),
        refs=None if broken and not refs else refs,  # none may be a slip for another field
        findings=(*findings, *wrong, *foreign, *twin_remarks(refs or ())),
        broken=broken,
    )


def _namespace(metadata: Located | None, spec: Located | None) -> str:
    """Where the Applications are; "" for anywhere, if it cannot be told."""
    if spec and spec.doubles("namespace"):
        return ""
    return _text(spec, "namespace") or _text(metadata, "namespace")


def _ref(item: Located, above: _Above) -> Ref:
    official, findings = official_holder(item)
    fields, more = _checked(RefFields, official, below="images")
    findings += more + settings_remarks(official)
    flag = official.fields.get("useAnnotations")
    by_annotations = flag is not None and flag.value is True
    verification_above = above.verification if by_annotations else None
    above = above.with_ref(fields) if fields else above
    items, wrong = _list(official, "images", needed=not by_annotations)
    if flag and (flag.doubled or not isinstance(flag.value, bool | None)):
        items = None  # or are the images those of annotations?
    pattern, glob, malformed = _pattern(official)
    selector = fields.label_selectors if fields else _selector(official)
    ref = Ref(
        located=item,
        pattern=pattern,
        glob=glob,
        selector=selector,
        use_annotations=by_annotations,
        settings=above.settings,
        verification=above.verification,
        write_back=above.write_back,
        verification_above=verification_above,
        images=None if items is None else tuple(_images(items, above)),
        broken=items is None or _has_error(findings),
        unclear=not (pattern or glob) or (selector is None and _has(official, "labelSelectors")),
    )
    failures = malformed + _failures(official, ref)
    return replace(
        ref,
        findings=tuple(findings + wrong + failures + ref_remarks(official)),
        failure=failures[0] if failures else None,
    )


def _images(items: list[Located], above: _Above) -> list[Image]:
    images: list[Image] = []
    taken: dict[str, int] = {}
    for item in items:
        image = _image(item, above)
        alias = unique_alias(image.alias, taken)
        remarks = image_remarks(image, alias)
        images.append(replace(image, alias=alias, findings=(*image.findings, *remarks)))
    return images


def _image(item: Located, above: _Above) -> Image:
    official, findings = official_image(item)
    fields, more = _checked(ImageFields, official)
    findings += more + settings_remarks(official)
    text = _text(official, "imageName")
    name = image_name(text) if text else None
    written = _text(official, "alias")
    alias = written or (name.repository.last_element if name else "") or "image"
    targets, clear = _targets(official)
    image = Image(
        item,
        alias=alias,
        written_alias=written,
        name=name if clear else None,
        settings=above.settings,
        targets=targets,
    )
    if fields:
        image = replace(
            image,
            settings=merge_settings(above.settings, fields.common_update_settings),
            verification=merge_verification(above.verification, fields.images_verification),
            pin=fields.pin,
        )
        findings += _dropped(official, image)
    return replace(image, findings=tuple(findings), broken=_has_error(findings))


def _targets(official: Located) -> tuple[ManifestTargets | None, bool]:
    """The targets of an image, also of one that is broken elsewhere; and whether they are clear.

    Where they are not, the image may stand under any name in the manifest.
    """
    targets = official.get("manifestTargets")
    if targets is None:
        return None, not official.doubles("manifestTargets")
    fields, _ = validate(ManifestTargets, targets, judge=judge_unknown)
    return fields, fields is not None and not any(targets.all_faults())


def _dropped(official: Located, image: Image) -> list[Finding]:
    """Why the Image Updater would drop the image from its list."""
    findings = []
    if image.targets and len(image.targets.stated) > 1:
        what = f"{' and '.join(image.targets.stated)} are two targets: one is due"
        findings.append(official.nearest(("manifestTargets",)).finding("RT325", what))
    if image.lacks_key:
        what = "imagesVerification is on and has no cosignKey, here or above"
        findings.append(official.nearest(("imagesVerification",)).finding("RT326", what))
    return findings


def _failures(official: Located, ref: Ref) -> list[Finding]:
    """Why the Image Updater passes over the ref, and so the next one that matches governs."""
    findings = []
    if ref.selector and (fault := selector_fault(ref.selector)):
        what = f"{fault}: the ref matches nothing"
        findings.append(official.nearest(("labelSelectors",)).finding("RT322", what))
    if not ref.use_annotations and (fault := write_back_fault(ref.write_back)):
        what = f"{fault}: the ref is passed over"
        findings.append(official.nearest(("writeBackConfig",)).finding("RT323", what))
    return findings


def _selector(official: Located) -> LabelSelector | None:
    """The selector of a ref that is broken elsewhere: it tells whose images are disabled."""
    selector = official.get("labelSelectors")
    return validate(LabelSelector, selector)[0] if selector else None


def _pattern(official: Located) -> tuple[str, Glob | None, list[Finding]]:
    """The pattern, blank where it cannot be read; compiled, or None where it is malformed."""
    pattern = official.get("namePattern")
    if pattern is None or isinstance(pattern.value, dict | list):
        return "", None, []
    if len(pattern.text) > _LONGEST_PATTERN:
        what = f"the pattern has more than {_LONGEST_PATTERN} characters"
        return "", None, [pattern.finding("RT321", what)]
    try:
        return pattern.text, compile_glob(pattern.text), []
    except InvalidGlobError as error:
        what = f"the pattern matches nothing: {error}"
        return pattern.text, None, [pattern.finding("RT321", what)]


def _has(official: Located, name: str) -> bool:
    return official.get(name) is not None or official.doubles(name)


def _text(parent: Located | None, name: str) -> str:
    """A field as it is written, also where it is a number."""
    value = parent.get(name) if parent else None
    return value.text if value else ""


def _checked(
    model: type[Model], unit: Located, below: str = ""
) -> tuple[Model | None, list[Finding]]:
    """*unit* as *model*, with the faults of this level: what is *below* is for other units."""
    fields, findings = validate(model, unit, judge=judge_unknown)
    return fields, _faults(unit, below) + findings


def _faults(unit: Located, below: str) -> list[Finding]:
    faults = list(unit.faults)
    for key, child in unit.fields.items():
        faults += child.all_faults() if key != below else []
    return faults


def _list(
    parent: Located, name: str, *, needed: bool
) -> tuple[list[Located] | None, list[Finding]]:
    """The items of a list; None where it is none."""
    value = parent.get(name)
    if parent.doubles(name):
        return None, []
    if value is not None and not isinstance(value.value, list):
        return None, [wrong_type(value, "a list")]
    items = value.items if value else []
    if needed and not items:
        here = value or parent
        return [], [here.finding("RT320", f"{name} is missing or empty, so nothing is ruled here")]
    return items, []


def _has_error(findings: list[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)
