"""The options of `render` and `explain`: which Application, by which rules, which registries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from cmp.cli.files import read_application
from cmp.cli.output import print_findings, print_warnings
from cmp.cli.process import standard_input
from cmp.errors import Severity, UsageError, error_of, raise_together
from cmp.options import Options
from cmp.registry import Registries
from cmp.registry.http.connections import Surroundings
from cmp.registry.secrets import NoSecrets, SecretFiles
from cmp.render import Permissions, read_manifests
from cmp.request import Request, parse_params, repository_of
from cmp.rules.application import Application

Command = TypeVar("Command", bound=Callable[..., Any])
Answer = TypeVar("Answer")

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FILE_OR_FOLDER = click.Path(exists=True, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
# As Argo CD and the Image Updater mount the ConfigMap argocd-tls-certs-cm, at /app/config/tls.
TLS_HELP = "Where authorities lie as files, each with the name of its host."
SECRETS_HELP = "Where Secrets lie as files: <namespace>/<name>/<key>."

_OPTIONS = (
    click.argument("path", type=click.Path(exists=True, allow_dash=True, path_type=Path)),
    click.option(
        "--app",
        metavar="[NAMESPACE/]NAME",
        help="The Application that is rendered.",
    ),
    click.option(
        "--application",
        "manifest",
        type=FILE,
        help="Its manifest, for name, project, labels, annotations, parameters and what runs.",
    ),
    click.option("--project", default="", help="Its AppProject."),
    click.option(
        "--label",
        "labels",
        metavar="KEY=VALUE",
        multiple=True,
        help="A label of the Application; without any, rules with label selectors do not match.",
    ),
    click.option(
        "--annotation",
        "annotations",
        metavar="KEY=VALUE",
        multiple=True,
        help="An annotation of the Application, for rules with useAnnotations.",
    ),
    click.option(
        "--rules",
        type=FILE_OR_FOLDER,
        multiple=True,
        help="ImageUpdater resources: a file, or a folder of them. Repeatable. Required without "
        "--socket.",
    ),
    click.option(
        "--registries",
        type=FILE,
        help="The registries that may be asked. Required without --socket.",
    ),
    click.option("--secrets", type=FOLDER, help=SECRETS_HELP),
    click.option("--tls-certs", type=FOLDER, help=TLS_HELP),
    click.option(
        "--tool",
        type=click.Choice(["auto", "kustomize", "helm", "directory"]),
        help="What renders PATH (default: found out as Argo CD does).",
    ),
    click.option(
        "-p",
        "--param",
        "params",
        metavar="NAME=VALUE",
        multiple=True,
        help="A parameter of the plugin (docs/application.md). Repeat it for lists and maps.",
    ),
    click.option(
        "--socket",
        type=click.Path(path_type=Path),
        help="Where a resolver (retag serve) listens, which then chooses, by its own rules and "
        "registries. It knows the Application too.",
    ),
    click.option("--namespace", default="", help="Destination namespace of the Application."),
    click.option("--kube-version", default="", help="Kubernetes version that charts see."),
    click.option("--api-versions", multiple=True, help="API version that charts see."),
    click.option(
        "--image-fields",
        type=FILE,
        help="More image fields, in the form of kustomize's images configuration.",
    ),
    click.option("--helm-host", multiple=True, help="Host that chart dependencies may come from."),
    click.option(
        "--allow-remote-bases", is_flag=True, help="Let kustomize fetch remote resources."
    ),
    click.option("--allow-exec", is_flag=True, help="Let kustomize run exec plugins."),
    click.option(
        "--allow-kustomize-helm", is_flag=True, help="Let kustomize inflate helm charts."
    ),
)


def application_options(command: Command) -> Command:
    """Add the options to *command*, in their order of help."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def load_registries(
    path: Path, secrets: Path | None = None, certificates: Path | None = None
) -> Registries:
    """The registries of the file *path*; warnings, such as `insecure`, are told at each run.

    *secrets* and *certificates* are the folders of the options. Raises the errors of the file,
    all at once.
    """
    surroundings = Surroundings(
        secrets=SecretFiles(secrets) if secrets else NoSecrets(), certificates=certificates
    )
    registries, findings = Registries.load(path, surroundings=surroundings)
    errors = [each for each in findings if each.severity is Severity.ERROR]
    raise_together([error_of(finding) for finding in errors])
    print_findings(findings, err=True)
    return registries


async def closing(registries: Registries, asked: Awaitable[Answer]) -> Answer:
    """What *asked* brings, which asks *registries*; their connections are closed then.

    What was found out about them that people should know is told as warnings.
    """
    async with registries:
        try:
            return await asked
        finally:
            print_warnings(registries.remarks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the options say, by their names."""

    app: str | None
    manifest: Path | None
    project: str
    labels: tuple[str, ...]
    annotations: tuple[str, ...]
    rules: tuple[Path, ...]
    registries: Path | None
    secrets: Path | None
    tls_certs: Path | None
    tool: str | None
    params: tuple[str, ...]
    socket: Path | None
    namespace: str
    kube_version: str
    api_versions: tuple[str, ...]
    image_fields: Path | None
    helm_host: tuple[str, ...]
    allow_remote_bases: bool
    allow_exec: bool
    allow_kustomize_helm: bool


def given(path: Path, flags: Flags) -> tuple[Application, Request]:
    """What *flags* say of the Application, and the request to render *path* for it.

    Flags win over the Application's manifest. Raises `UsageError`.
    """
    application, options = _application(flags)
    return application, _request(path, flags, application, options)


def permissions_of(flags: Flags) -> Permissions:
    """What *flags* allow a renderer."""
    return Permissions(
        helm_hosts=frozenset(flags.helm_host),
        remote_bases=flags.allow_remote_bases,
        exec_plugins=flags.allow_exec,
        kustomize_helm=flags.allow_kustomize_helm,
    )


def _application(flags: Flags) -> tuple[Application, Options]:
    """The Application and its parameters; flags win over its manifest."""
    application, options = Application(name=""), Options()
    if flags.manifest is not None:
        application, options = read_application(flags.manifest)
    if flags.app:
        namespace, name = instance_of(flags.app)
        application = replace(application, name=name, namespace=namespace or application.namespace)
    if not application.name:
        raise UsageError(
            "RT244",
            "which Application is this?",
            remedy="name it with --app NAME, or give its manifest with --application FILE",
        )
    application = replace(
        application,
        project=flags.project or application.project,
        labels=_merged(application.labels, "--label", flags.labels),
        annotations=_merged(application.annotations, "--annotation", flags.annotations),
    )
    stated = [*flags.params, *([f"tool={flags.tool}"] if flags.tool else [])]
    return application, options | parse_params(stated)


def instance_of(text: str) -> tuple[str, str]:
    """Namespace ("" if not stated) and name: `name`, `namespace/name`, or as Argo CD calls it."""
    separator = "/" if "/" in text else "_"  # no name in Kubernetes holds either
    namespace, found, name = text.rpartition(separator)
    if (found and not namespace) or not name or separator in namespace:
        raise UsageError("RT244", f"{text!r} is no Application", remedy="write [NAMESPACE/]NAME")
    return namespace, name


def _merged(
    known: Mapping[str, str] | None, option: str, pairs: tuple[str, ...]
) -> Mapping[str, str] | None:
    """*known* with *pairs* put over it; None where neither says anything."""
    if not pairs:
        return known
    stated = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError("RT245", f"{option} {pair!r} is no pair", remedy="write KEY=VALUE")
        stated[key] = value
    return {**(known or {}), **stated}


def _request(path: Path, flags: Flags, application: Application, options: Options) -> Request:
    given = Request(
        name=application.name,
        project=application.project,
        namespace=flags.namespace,
        kube_version=flags.kube_version,
        api_versions=flags.api_versions,
        options=options,
    )
    if str(path) == "-":
        return replace(given, manifests=read_manifests(standard_input()))
    if not path.is_dir():  # a file, or a pipe as of `<(kustomize build .)`
        with path.open("rb") as file:
            return replace(given, manifests=read_manifests(file))
    root, inside = repository_of(path)
    return replace(given, root=root, path=inside)
