"""The ImageUpdater schema (`argocd-image-updater.argoproj.io/v1alpha1`), official and extended.

Each level is a model of its own, and holds the level below as plain data: so one faulty image
leaves its ref usable, and one faulty ref its resource. The official schema is v1.4's
`api/v1alpha1/imageupdater_types.go`; what it refuses by CEL is checked where the models are used.

Ours are, in `commonUpdateSettings` at every level, merged like their neighbours: `suspend`,
`denyTags`, `minAge`, `output`, `orderBy`, `filterTags`, `maxSeverity`, `requireTrusted`; and `pin`
on an image, because a tag belongs to one image.

An unknown field is pruned by the API server and ignored by the Image Updater, hence a warning.
But a gate misspelt is a gate that is not there: where the name is near to a field that narrows
what may be chosen, or for whom, it is an error and disables what holds it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel

from cmp.errors import Severity
from cmp.located import StrictModel, nearest_name
from cmp.policy.gates import parse_age


def _age(text: str) -> str:
    parse_age(text)
    return text


Strings = Annotated[tuple[str, ...], Strict(strict=False)]
# A mapping or list that is read by another model, on its own.
Unread = Any


class _Model(StrictModel):
    model_config = ConfigDict(alias_generator=to_camel)


class FilterTags(_Model):
    """Flux's filterTags: the tags that count, and what of them is compared."""

    pattern: str
    extract: str = ""


class CommonUpdateSettings(_Model):
    """How a tag is chosen. None is "not stated", which the level above may answer.

    *allow_tags* is official as one string; a list allows what any of them allows.
    """

    update_strategy: str | None = None
    force_update: bool | None = None
    allow_tags: Strings | None = None
    ignore_tags: Strings | None = None
    pull_secret: str | None = None
    platforms: Strings | None = None
    suspend: bool | None = None
    deny_tags: Strings | None = None
    min_age: Annotated[str, AfterValidator(_age)] | None = None
    output: Literal["tag", "tag@digest", "digest"] | None = None
    order_by: Literal["built", "pushed"] | None = None
    filter_tags: FilterTags | None = None
    max_severity: Literal["none", "low", "medium", "high", "critical"] | None = None
    require_trusted: bool | None = None


class CosignKey(_Model):
    """Where the public key is: a Secret's name and key."""

    secret_name: str
    key: str


class ImagesVerification(_Model):
    """Signatures: *enabled* is true where the block stands and does not say otherwise."""

    enabled: bool | None = None
    cosign_key: CosignKey | None = None


class HelmTarget(_Model):
    """Helm parameters that the Image Updater writes."""

    name: str | None = None
    tag: str | None = None
    spec: str | None = None


class KustomizeTarget(_Model):
    """The image's name as it stands in the manifest."""

    name: str | None = None


class PluginTarget(_Model):
    """Environment variables of a plugin that the Image Updater writes."""

    name: str | None = None
    tag: str | None = None
    spec: str | None = None


class ManifestTargets(_Model):
    """Where the Image Updater writes: one of the three."""

    helm: HelmTarget | None = None
    kustomize: KustomizeTarget | None = None
    plugin: PluginTarget | None = None

    @property
    def stated(self) -> list[str]:
        """The targets that are there."""
        return [name for name, value in self if value is not None]

    @property
    def variables(self) -> tuple[str, ...]:
        """The names in `plugin.env` that the Image Updater writes: *spec*, or else the others."""
        target = self.plugin
        if target is None:
            return ()
        names = (target.name, target.tag) if target.spec is None else (target.spec,)
        return tuple(name for name in names if name)


class Provider(_Model):
    """GitHub or GitLab: nothing to say of it yet."""


class PullRequest(_Model):
    """Write-back by pull request: one of the two."""

    github: Provider | None = None
    gitlab: Provider | None = None
    labels: Strings = ()


class GitConfig(_Model):
    """Write-back to Git."""

    repository: str | None = None
    branch: str | None = None
    write_back_target: str | None = None
    pull_request: PullRequest | None = None


class WriteBackConfig(_Model):
    """How the Image Updater writes; no effect on a render."""

    method: str | None = None
    git_config: GitConfig | None = None


class MatchExpression(_Model):
    """One requirement of a label selector; *operator* as written."""

    key: str
    operator: str
    values: Strings = ()


class LabelSelector(_Model):
    """metav1.LabelSelector: all of its requirements must hold."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: Annotated[tuple[MatchExpression, ...], Strict(strict=False)] = ()


class ImageFields(_Model):
    """An item of `images`. The official schema requires an alias."""

    alias: str = ""
    image_name: str
    common_update_settings: CommonUpdateSettings | None = None
    manifest_targets: ManifestTargets | None = None
    images_verification: ImagesVerification | None = None
    pin: str | None = None


class RefFields(_Model):
    """An item of `applicationRefs`; *images* are read one by one."""

    name_pattern: str
    label_selectors: LabelSelector | None = None
    use_annotations: bool = False
    common_update_settings: CommonUpdateSettings | None = None
    write_back_config: WriteBackConfig | None = None
    images_verification: ImagesVerification | None = None
    images: Unread = None


class SpecFields(_Model):
    """`spec`; *application_refs* are read one by one. *namespace* was official before v1.2."""

    namespace: str = ""
    common_update_settings: CommonUpdateSettings | None = None
    write_back_config: WriteBackConfig | None = None
    images_verification: ImagesVerification | None = None
    application_refs: Unread = None


class ObjectMeta(StrictModel):
    """`metadata`, as far as a rule needs it."""

    model_config = ConfigDict(extra="ignore")

    name: str
    namespace: str = ""


class ResourceFields(_Model):
    """The resource as a whole; *spec* is read on its own. *status* is what a cluster adds."""

    api_version: Unread = None
    kind: Unread = None
    metadata: ObjectMeta
    spec: Unread
    status: Unread = None


# A slip in one of these would choose other tags, or choose for other Applications; and where it
# belongs, for a name that stands at a wrong level.
_SETTINGS = "it belongs in commonUpdateSettings"
_NARROWING = {
    **dict.fromkeys(("updateStrategy", "allowTags", "ignoreTags", "denyTags"), _SETTINGS),
    **dict.fromkeys(("filterTags", "platforms", "orderBy", "output", "suspend"), _SETTINGS),
    **dict.fromkeys(("minAge", "maxSeverity", "requireTrusted"), _SETTINGS),
    **dict.fromkeys(("pin", "imageName"), "it belongs on an image"),
    **dict.fromkeys(("namePattern", "labelSelectors"), "it belongs on an item of applicationRefs"),
    **dict.fromkeys(("matchLabels", "matchExpressions"), "it belongs in labelSelectors"),
    "images": "it belongs on an item of applicationRefs",
    "applicationRefs": "it belongs in spec",
    "enabled": "it belongs in imagesVerification",
    "imagesVerification": "it belongs in spec, on a ref or on an image",
    "commonUpdateSettings": "it belongs in spec, on a ref or on an image",
}


def judge_unknown(name: str, nearest: str) -> tuple[Severity, str]:
    """How bad an unknown field is (see above); *nearest* is the known name next to *name*."""
    if nearest:
        severity = Severity.ERROR if nearest in _NARROWING else Severity.WARNING
        return severity, f"did you mean {nearest}?"
    elsewhere = nearest_name(name, list(_NARROWING), likeness=0.8)
    if elsewhere:
        question = "" if elsewhere == name else f"did you mean {elsewhere}? "
        return Severity.ERROR, question + _NARROWING[elsewhere]
    return Severity.WARNING, "it is ignored"
