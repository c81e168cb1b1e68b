"""Sound rules are left in peace: the shapes in which the Image Updater's users write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lint.files import application, lint_text

HEAD = """\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata:
  name: example
  namespace: argocd
  labels: {app.kubernetes.io/managed-by: kustomize}
spec:
"""

SHORT = """\
  applicationRefs:
    - namePattern: "app-001"
      images:
        - alias: "web"
          imageName: "registry.example.com/web:1.17.10"
"""

BY_ANNOTATIONS = """\
  applicationRefs:
    - namePattern: "*"
      useAnnotations: true
      labelSelectors:
        matchLabels: {image-updater: mine}
"""

SETTINGS_AT_EACH_LEVEL = """\
  commonUpdateSettings:
    updateStrategy: "semver"
    forceUpdate: false
    ignoreTags: ["latest", "master"]
    pullSecret: "secret:argocd/registry#login"
    platforms: ["linux/arm64", "linux/amd64"]
  applicationRefs:
    - namePattern: "shop-*"
      labelSelectors:
        matchExpressions:
          - {key: tier, operator: In, values: [front, back]}
      commonUpdateSettings:
        updateStrategy: "newest-build"
        allowTags: "regexp:^[0-9a-f]{7}$"
      images:
        - alias: "front"
          imageName: "registry.example.com/shop/front"
        - alias: "back"
          imageName: "registry.example.com/shop/back:~2.1"
          commonUpdateSettings:
            updateStrategy: "semver"
            allowTags: "any"
            pullSecret: "pullsecret:argocd/registry"
    - namePattern: "shop-*-canary"
      images:
        - alias: "front"
          imageName: "registry.example.com/shop/front:canary"
          commonUpdateSettings: {updateStrategy: "digest"}
          manifestTargets:
            kustomize: {name: "example.com/front"}
"""

CALENDAR = """\
  applicationRefs:
    - namePattern: nightly
      images:
        - alias: app
          imageName: registry.example.com/nightly
          commonUpdateSettings: {allowTags: 'regexp:^[0-9]{8}$'}
        - alias: tool
          imageName: registry.example.com/tool
          commonUpdateSettings: {ignoreTags: ["[0-9]*"]}
"""

WITHOUT_EFFECT = """\
  commonUpdateSettings: {forceUpdate: true}
  imagesVerification:
    cosignKey: {secretName: cosign, key: cosign.pub}
  writeBackConfig:
    method: "git:secret:git-creds"
    gitConfig:
      repository: "https://git.example.com/team/repo.git"
      branch: "main"
      pullRequest: {github: {}, labels: [images]}
  applicationRefs:
    - namePattern: "app-001"
      writeBackConfig:
        method: "git:secret:git-creds"
        gitConfig: {writeBackTarget: "helmvalues:/helm/values.yaml"}
      images:
        - alias: "web"
          imageName: "registry.example.com/web:1.x"
          manifestTargets: {plugin: {spec: "APP_IMAGE"}}
        - alias: "api"
          imageName: "registry.example.com/api:1.x"
          imagesVerification: {enabled: false}
          manifestTargets: {helm: {name: image.name, tag: image.tag}}
"""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(HEAD + SHORT, id="short"),
        pytest.param(HEAD + BY_ANNOTATIONS, id="by annotations"),
        pytest.param(HEAD + SETTINGS_AT_EACH_LEVEL, id="settings at each level"),
        pytest.param(HEAD + CALENDAR, id="numbers on purpose, and numbers ignored"),
        pytest.param(HEAD + SHORT + "---\n" + HEAD.replace("example", "b") + CALENDAR, id="two"),
        pytest.param(
            application(
                "image-list: web=registry.example.com/web:1.x, registry.example.com/b:~2",
                "update-strategy: semver",
                "web.allow-tags: 'regexp:^1[.]'",
                "web.ignore-tags: latest, dev",
                "web.pull-secret: secret:argocd/registry#login",
                "web.kustomize.image-name: example.com/web",
                plugin="parameters: [{name: pins, map: {web: v1}}], env: [{name: RETAG_TOOL, "
                "value: helm}]",
            ),
            id="an Application",
        ),
    ],
)
def test_nothing_is_found(tmp_path: Path, text: str) -> None:
    assert lint_text(tmp_path, text) == []


def test_what_has_no_effect_is_told_and_no_more(tmp_path: Path) -> None:
    found = lint_text(tmp_path, HEAD + WITHOUT_EFFECT)

    assert [each.code for each in found] == ["RT317", "RT386", "RT317", "RT317"]
