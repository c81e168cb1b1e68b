"""effective: the images that a resource rules for each Application, with their merged settings.

An Application is seen as the peer sees it: by its source type, which says whether it is managed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cmp.errors import Place
from cmp.located import locate
from cmp.policy import Settings, compile_policy
from cmp.policy.glob import InvalidGlobError, compile_glob
from cmp.policy.strategy import HighestVersion, LastByName, NewestBuild, OneTag
from cmp.reference import ImageName, is_alias, normalise
from cmp.rules.application import Application
from cmp.rules.model import ManifestTargets, WriteBackConfig
from cmp.rules.resource import read_resource
from cmp.rules.select import Governing, govern
from cmp.rules.units import Image
from cmp.rules.writeback import WriteBack, write_back
from tests.vectors import Case, imageref

_CONTROLLER_NAMESPACE = "argocd"
_PEERS_TYPES = ("helm", "kustomize", "plugin")
_STRATEGIES = {
    HighestVersion: "semver",
    NewestBuild: "newest-build",
    LastByName: "alphabetical",
    OneTag: "digest",
}


def answer(case: Case) -> Any:
    """Per managed Application its images, its type and what would be written back."""
    return _says(case)


def _says(case: Case) -> Any:
    governed = _governed(case)
    if governed is None:
        return {"error": "filter"}
    managed = {str(application): _managed(application, says) for application, says in governed}
    return {"applications": {name: each for name, each in managed.items() if each}}


def expected(case: Case) -> Any:
    """All of it, with registry and name as one normalised repository."""
    if "error" in case["expect"]:
        return case["expect"]
    return {
        "applications": {
            name: each | {"images": [_normalised(image) for image in each["images"]]}
            for name, each in case["expect"]["applications"].items()
        }
    }


def difference(case: Case) -> str | None:
    """Malformed patterns, Directory Applications, and what odd image names mean."""
    if "error" in case["expect"]:
        if answer(case) == _without_malformed(case):
            return "a malformed namePattern disables its ref, not the resource"
        return None
    got, want = answer(case)["applications"], expected(case)["applications"]
    kept = {name: each for name, each in got.items() if each["type"] in _PEERS_TYPES}
    if kept == want:
        return "Directory Applications count"
    odd = dict(_odd_names(case))
    if _without_names(kept, odd) == _without_names(want, odd):
        return "; ".join(sorted(set(odd.values())))
    return None


def _governed(case: Case) -> list[tuple[Application, Governing]] | None:
    """What the resource says of each Application; None where it says nothing of any."""
    resource = read_resource(locate(case["imageUpdater"], Place("case")))
    if not resource.refs:
        return None
    applications = map(Application.from_manifest, case["applications"])
    return [(application, govern(resource, application)) for application in applications]


def _managed(application: Application, governing: Governing) -> Any:
    config = governing.write_back or WriteBackConfig()
    target = write_back(config, application, _CONTROLLER_NAMESPACE)
    images = [_image(image, image.name) for image in governing.images if _listed(image)]
    if not images or target is None:
        return None
    kind = target.source_type.lower()
    return {"images": images, "type": kind, "writeBack": _write_back(target)}


def _listed(image: Image) -> bool:
    return not image.broken


def _image(image: Image, name: ImageName | None) -> Any:
    assert name is not None
    stated = image.settings
    policy = compile_policy(
        Settings(strategy=stated.update_strategy or "", constraint=name.constraint)
    )
    shown = {
        "alias": image.written_alias,
        "repository": str(name.repository),
        "strategy": _STRATEGIES.get(type(policy.strategy), "semver"),
        "allowTags": " or ".join(stated.allow_tags or ()),
        "ignoreTags": list(stated.ignore_tags or ()),
        "platforms": list(stated.platforms or ()),
        "pullSecret": stated.pull_secret or "",
        "forceUpdate": bool(stated.force_update),
    }
    if name.constraint is not None or name.digest is not None:
        shown["constraint"] = name.constraint or ""
    if name.digest is not None:
        shown["digest"] = name.digest
    return shown | _targets(image.targets or ManifestTargets())


def _targets(targets: ManifestTargets) -> dict[str, str]:
    """The names that are used: a spec hides name and tag."""
    shown = {"kustomizeName": targets.kustomize.name if targets.kustomize else None}
    for kind, target in (("helm", targets.helm), ("plugin", targets.plugin)):
        if target is not None and target.spec is not None:
            shown[f"{kind}Spec"] = target.spec
        elif target is not None:
            shown |= {f"{kind}Name": target.name, f"{kind}Tag": target.tag}
    return {key: value for key, value in shown.items() if value}


def _write_back(target: WriteBack) -> dict[str, str]:
    shown = {
        "method": target.method,
        "target": target.target,
        "kustomizeBase": target.kustomize_base,
        "repo": target.repository,
        "branch": target.branch,
        "writeBranch": target.write_branch,
    }
    return {key: value for key, value in shown.items() if value}


def _normalised(image: Any) -> Any:
    rest = {key: value for key, value in image.items() if key not in ("registry", "name")}
    return rest | {"repository": str(normalise(image["registry"], image["name"]))}


def _without_malformed(case: Case) -> Any:
    """The answer if the refs with malformed patterns were not there; None if there are none."""
    updater = case["imageUpdater"]
    refs = updater["spec"]["applicationRefs"]
    kept = [ref for ref in refs if not _malformed(ref["namePattern"])]
    if len(kept) == len(refs):
        return None
    if not kept:
        return {"applications": {}}
    spec = {**updater["spec"], "applicationRefs": kept}
    return _says({**case, "imageUpdater": {**updater, "spec": spec}})


def _malformed(pattern: str) -> bool:
    try:
        compile_glob(pattern)
    except InvalidGlobError:
        return True
    return False


def _odd_names(case: Case) -> Iterator[tuple[tuple[str, int], str]]:
    """Application and position of the images whose names mean something else, and why."""
    for application, says in _governed(case) or []:
        for position, image in enumerate(filter(_listed, says.images)):
            assert image.name is not None
            alias = image.written_alias if is_alias(image.written_alias) else ""
            text = f"{alias}={image.name.text}" if image.written_alias else image.name.text
            like = {"image": text, "expect": {"referenceOK": image.name.legal}}
            if reason := imageref.difference(like):
                yield (str(application), position), reason


def _without_names(applications: Any, odd: dict[tuple[str, int], str]) -> Any:
    """*applications* without what is read from the odd names."""
    hidden = ("alias", "repository", "constraint", "digest")
    return {
        name: each
        | {
            "images": [
                {
                    key: image[key]
                    for key in image
                    if key not in hidden or (name, position) not in odd
                }
                for position, image in enumerate(each["images"])
            ]
        }
        for name, each in applications.items()
    }
