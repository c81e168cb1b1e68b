"""The plugin's parameters: one table, from which parsing, the command line and the docs come.

Each option of Argo CD's native sources (ApplicationSourceHelm, ApplicationSourceKustomize and
ApplicationSourceDirectory of its API) stands here, supported or refused with what to do instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_PREFIX = "RETAG_"


def is_ours(variable: str) -> bool:
    """Whether a name in `plugin.env` is one of Retag's: a parameter's, or else an error."""
    return variable.startswith(_PREFIX)


class Kind(StrEnum):
    """What a parameter's value is; Argo CD itself knows string, array and map."""

    STRING = "string"
    BOOL = "bool"  # a string, `true` or `false`
    ARRAY = "array"
    MAP = "map"


class Tool(StrEnum):
    """What renders a source."""

    KUSTOMIZE = "kustomize"
    HELM = "helm"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; *native* is the option of Argo CD's own source that it stands for.

    *choices* are the values of a string that has a few, *default* the one that serves when nothing
    is stated. *refused* says why the option is not supported, and what to do instead; "" for
    those that are.
    """

    name: str
    kind: Kind
    help: str
    native: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""
    refused: str = ""

    @property
    def is_collection(self) -> bool:
        """Whether it holds several values."""
        return self.kind in {Kind.ARRAY, Kind.MAP}

    @property
    def allowed(self) -> tuple[str, ...]:
        """The texts it may be; empty for any."""
        return ("true", "false") if self.kind is Kind.BOOL else self.choices

    @property
    def tool(self) -> Tool | None:
        """The tool it belongs to; None for the parameters of the plugin itself."""
        prefix = self.name.partition("-")[0]
        return Tool(prefix) if prefix in tuple(Tool) else None

    @property
    def variable(self) -> str:
        """Its name in `plugin.env`."""
        return _PREFIX + self.name.upper().replace("-", "_")

    @property
    def announcement(self) -> dict[str, Any]:
        """What Argo CD shows of it, with its default: a ParameterAnnouncement, as JSON.

        Of `collectionType` Argo CD knows string, array and map; a bool is a string of the
        `itemType` boolean (reposerver/repository/repository.proto).
        """
        is_bool = self.kind is Kind.BOOL
        return {
            "name": self.name,
            "tooltip": self.help,
            "collectionType": "string" if is_bool else str(self.kind),
            **({"itemType": "boolean"} if is_bool else {}),
            **({"string": self.default} if self.default else {}),
        }


_IN_KUSTOMIZATION = "write it into your kustomization.yaml"
_ONE_VERSION = "the plugin's image holds one version, which renders all Applications"
_JSONNET = "jsonnet is not rendered; let a source of its own, without this plugin, do it"


def _helm(name: str, kind: Kind, native: str, text: str = "", refused: str = "") -> Parameter:
    return Parameter(f"helm-{name}", kind, text, f"helm.{native}", refused=refused)


def _kustomize(name: str, kind: Kind, native: str, text: str = "", refused: str = "") -> Parameter:
    return Parameter(f"kustomize-{name}", kind, text, f"kustomize.{native}", refused=refused)


def _directory(name: str, kind: Kind, native: str, text: str = "", refused: str = "") -> Parameter:
    return Parameter(f"directory-{name}", kind, text, f"directory.{native}", refused=refused)


# Argo CD's form writes the whole map of a parameter into the Application when one entry is edited.
# So choices are shown as a parameter of their own: as `pins` they would freeze each image.
IMAGES = "images"

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "tool",
        Kind.STRING,
        "What renders the source; `auto` finds out as Argo CD does.",
        choices=("auto", *Tool),
        default="auto",
    ),
    Parameter("pins", Kind.MAP, "Alias → tag: this tag, whatever the policy says."),
    Parameter(
        "freeze", Kind.BOOL, "No image moves; each keeps its last good choice.", default="false"
    ),
    Parameter(
        "output",
        Kind.STRING,
        "What is written into the manifests.",
        choices=("tag", "tag@digest", "digest"),
    ),
    Parameter(
        "allow-empty",
        Kind.BOOL,
        "A render without any object is not an error.",
        default="false",
    ),
    Parameter(
        IMAGES,
        Kind.MAP,
        "Shows what was chosen, in Argo CD's Parameters tab; stated, it has no effect.",
    ),
    _helm("release-name", Kind.STRING, "releaseName", "Default: the Application's name."),
    _helm("namespace", Kind.STRING, "namespace", "Default: the destination namespace."),
    _helm(
        "values-files",
        Kind.ARRAY,
        "valueFiles",
        "Relative to the source, or with a leading `/` to the repository; the last wins.",
    ),
    _helm("values", Kind.STRING, "values", "Values as YAML, over those of the files."),
    _helm("parameters", Kind.MAP, "parameters", "As `--set`, over all values."),
    _helm(
        "string-parameters",
        Kind.MAP,
        "parameters[].forceString",
        "As `--set-string`: numbers and booleans stay strings.",
    ),
    _helm("file-parameters", Kind.MAP, "fileParameters", "As `--set-file`: name → path."),
    _helm("ignore-missing-values-files", Kind.BOOL, "ignoreMissingValueFiles", "Leave them out."),
    _helm("skip-crds", Kind.BOOL, "skipCrds", "Leave out the chart's `crds/`."),
    _helm("skip-tests", Kind.BOOL, "skipTests", "Leave out test hooks."),
    _helm("skip-schema-validation", Kind.BOOL, "skipSchemaValidation", "As helm's own option."),
    _helm("kube-version", Kind.STRING, "kubeVersion", "Default: that of the destination."),
    _helm("api-versions", Kind.ARRAY, "apiVersions", "Default: those of the destination."),
    _helm(
        "values-object",
        Kind.STRING,
        "valuesObject",
        refused="parameters hold no objects; write the same YAML as the string helm-values",
    ),
    _helm("version", Kind.STRING, "version", refused=_ONE_VERSION),
    _helm(
        "pass-credentials",
        Kind.BOOL,
        "passCredentials",
        refused="charts are fetched without credentials; keep private ones in the repository",
    ),
    _kustomize("name-prefix", Kind.STRING, "namePrefix", "Replaces the kustomization's."),
    _kustomize("name-suffix", Kind.STRING, "nameSuffix", "Replaces the kustomization's."),
    _kustomize("namespace", Kind.STRING, "namespace", "Replaces the kustomization's."),
    _kustomize(
        "images",
        Kind.ARRAY,
        "images",
        "`name=new:tag`, as for `kustomize edit set image`; rules still have the last word.",
    ),
    _kustomize("replicas", Kind.MAP, "replicas", "Name → count."),
    _kustomize("common-labels", Kind.MAP, "commonLabels", "Labels for all objects."),
    _kustomize("label-without-selector", Kind.BOOL, "labelWithoutSelector", "Not in selectors."),
    _kustomize(
        "label-include-templates",
        Kind.BOOL,
        "labelIncludeTemplates",
        "Also in templates; with `kustomize-label-without-selector`.",
    ),
    _kustomize("force-common-labels", Kind.BOOL, "forceCommonLabels", "Over existing ones."),
    _kustomize("common-annotations", Kind.MAP, "commonAnnotations", "For all objects."),
    _kustomize(
        "force-common-annotations", Kind.BOOL, "forceCommonAnnotations", "Over existing ones."
    ),
    _kustomize(
        "common-annotations-envsubst",
        Kind.BOOL,
        "commonAnnotationsEnvsubst",
        "Put the build environment into their values.",
    ),
    _kustomize("components", Kind.ARRAY, "components", "Folders, relative to the source."),
    _kustomize(
        "ignore-missing-components", Kind.BOOL, "ignoreMissingComponents", "Leave them out."
    ),
    _kustomize(
        "kube-version", Kind.STRING, "kubeVersion", "For `helmCharts`; default: the destination's."
    ),
    _kustomize(
        "api-versions", Kind.ARRAY, "apiVersions", "For `helmCharts`; default: the destination's."
    ),
    _kustomize("patches", Kind.STRING, "patches", refused=_IN_KUSTOMIZATION),
    _kustomize("version", Kind.STRING, "version", refused=_ONE_VERSION),
    _directory("recurse", Kind.BOOL, "recurse", "Folders below the source too."),
    _directory("include", Kind.STRING, "include", "A glob; only paths that match are read."),
    _directory("exclude", Kind.STRING, "exclude", "A glob; paths that match are left out."),
    _directory(
        "disable-extension-filter",
        Kind.BOOL,
        "disableExtensionFilter",
        "Read files of every name, not only `.yaml`, `.yml` and `.json`.",
    ),
    _directory("jsonnet-ext-vars", Kind.ARRAY, "jsonnet.extVars", refused=_JSONNET),
    _directory("jsonnet-tlas", Kind.ARRAY, "jsonnet.tlas", refused=_JSONNET),
    _directory("jsonnet-libs", Kind.ARRAY, "jsonnet.libs", refused=_JSONNET),
)

BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}
BY_VARIABLE = {parameter.variable: parameter for parameter in PARAMETERS}
# What plugin.yaml announces: the plugin's own parameters. Argo CD's form has a row for each one,
# and cannot add others; a renderer's options are most of the table, and belong in Git.
ANNOUNCED = tuple(each for each in PARAMETERS if each.tool is None and each.name != IMAGES)
