"""ImageUpdaters in each documented form, for an API server to take and to give back."""

from __future__ import annotations

from typing import Any

from tests.rules.updaters import manifest, ref

WEB = "registry.example.com/team/web"
_KEY = {"cosignKey": {"secretName": "cosign", "key": "cosign.pub"}}


def image(**fields: Any) -> Any:
    """An image in the official form."""
    return {"alias": "web", "imageName": f"{WEB}:1.x", **fields}


def with_image(**fields: Any) -> Any:
    """An ImageUpdater with one image, which has *fields* too."""
    return manifest(ref("web", image(**fields)))


# What the official CRD takes as well.
OFFICIAL: dict[str, Any] = {
    "one image": with_image(),
    "settings at each level": manifest(
        ref(
            "web-*",
            image(commonUpdateSettings={"updateStrategy": "newest-build", "forceUpdate": True}),
            commonUpdateSettings={"platforms": ["linux/amd64", "linux/arm64"]},
        ),
        commonUpdateSettings={
            "updateStrategy": "semver",
            "allowTags": "regexp:^v[0-9]+",
            "ignoreTags": ["latest", "*-rc*"],
            "pullSecret": "pullsecret:argocd/example",
        },
    ),
    "write-back to git": manifest(
        ref("web", image(), writeBackConfig={"gitConfig": {"branch": "main"}}),
        writeBackConfig={
            "method": "git:secret:argocd/git",
            "gitConfig": {
                "repository": "https://git.example.com/team/web.git",
                "writeBackTarget": "kustomization:overlays/prod",
                "pullRequest": {"github": {}, "labels": ["images"]},
            },
        },
    ),
    "helm target": with_image(manifestTargets={"helm": {"name": "web.image", "tag": "web.tag"}}),
    "kustomize target": with_image(manifestTargets={"kustomize": {"name": "web"}}),
    "plugin target": with_image(manifestTargets={"plugin": {"name": "IMAGE", "tag": "TAG"}}),
    "labels": manifest(
        ref(
            "*",
            image(),
            labelSelectors={
                "matchLabels": {"team": "web"},
                "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}],
            },
        )
    ),
    "annotations": manifest({"namePattern": "*", "useAnnotations": True}),
    "signatures": manifest(
        ref("web", image(imagesVerification={"enabled": False}), imagesVerification=_KEY),
        imagesVerification=_KEY | {"enabled": True},
    ),
}

# What the official CRD refuses, or takes and does not keep whole.
OLDER: dict[str, Any] = {
    "no alias": manifest(ref("web", {"imageName": f"{WEB}:1.x"}, {"imageName": f"{WEB}-api"})),
    "namespace": with_image() | {"spec": {"namespace": "argocd", **with_image()["spec"]}},
    "settings on the image": with_image(
        updateStrategy="semver",
        forceUpdate=False,
        allowTags="regexp:^v",
        ignoreTags=["latest"],
        pullSecret="secret:argocd/example#login",
        platforms=["linux/amd64"],
    ),
    "allowTags as a list": with_image(allowTags=[{"regex": "^v[0-9]"}, {"regex": "^main-"}]),
    "allowTags as a list in settings": manifest(
        ref("web", image()), commonUpdateSettings={"allowTags": [{"regex": "^v[0-9]"}]}
    ),
    "committer": manifest(
        ref("web", image(), writeBackConfig={"gitCommitEmail": "web@example.com"}),
        writeBackConfig={
            "method": "git",
            "gitCommitUser": "updates",
            "gitCommitEmail": "updates@example.com",
            "gitConfig": {"branch": "main"},
        },
    ),
    "one pattern twice": manifest(
        ref("*", image(), labelSelectors={"matchLabels": {"team": "a"}}),
        ref("*", image(), labelSelectors={"matchLabels": {"team": "b"}}),
    ),
    "one alias twice": manifest(ref("web", image(), image(imageName=f"{WEB}-api:2.x"))),
    "another alias": with_image(alias="team/web"),
    "target without a name": with_image(manifestTargets={"kustomize": {}}),
    "empty targets": with_image(manifestTargets={}),
    "plugin target of a tag": with_image(manifestTargets={"plugin": {"tag": "TAG"}}),
    "key of a level above": manifest(
        ref("web", image(imagesVerification={"enabled": True})), imagesVerification=_KEY
    ),
}

SETTINGS: dict[str, Any] = {
    "suspend": True,
    "denyTags": ["v1.4.7", "*-broken"],
    "minAge": "1d12h",
    "output": "tag@digest",
    "orderBy": "pushed",
    "filterTags": {"pattern": "^main-(?P<build>[0-9]+)$", "extract": "${build}"},
    "maxSeverity": "medium",
    "requireTrusted": True,
}


def _levels(settings: Any) -> dict[str, Any]:
    """*settings* in spec, of a ref and of an image."""
    return {
        "in spec": manifest(ref("web", image()), commonUpdateSettings=settings),
        "of a ref": manifest(ref("web", image(), commonUpdateSettings=settings)),
        "of an image": with_image(commonUpdateSettings=settings),
    }


# Retag's own fields.
OURS: dict[str, Any] = {"pin": with_image(pin="v1.4.2")} | {
    f"{name} {level}": made
    for name, value in SETTINGS.items()
    for level, made in _levels({name: value}).items()
}
