"""Each finding: the least text that has it, and where it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cmp.lint
from cmp.errors import Severity
from tests.lint.files import (
    WEB,
    application,
    image,
    images,
    lint_text,
    marked,
    ref,
    registries,
    settings,
    updater,
)

ANY = f"images: [{{alias: web, imageName: '{WEB}:1.x'}}]"
ONE_REF = f"applicationRefs: [{{namePattern: web, {ANY}}}]"

SETTINGS = [
    ("RT304", "a misspelt field", "▸allowTag: any"),
    ("RT306", "a number where a string is due", "ignoreTags: [▸1.10]"),
    ("RT307", "an output that there is not", "output: ▸tags"),
    ("RT313", "a list of expressions", "allowTags: ▸[{regex: ^v}]"),
    ("RT314", "a list of something else", "allowTags: [▸any]"),
    ("RT317", "forceUpdate", "forceUpdate: ▸true"),
    ("RT328", "credentials of the environment in a rule", "pullSecret: ▸'env:LOGIN'"),
    ("RT328", "credentials from a file in a rule", "pullSecret: ▸'file:/login'"),
    ("RT328", "credentials from a script in a rule", "pullSecret: ▸'ext:/login.sh'"),
    ("RT371", "allowTags without regexp:", "allowTags: ▸'^v1'"),
    ("RT371", "allowTags as a glob", "allowTags: ▸'glob:v*'"),
    ("RT372", "an expression with look-ahead", "allowTags: ▸'regexp:^(?=v)'"),
    ("RT372", "a pattern of filterTags", "filterTags: {pattern: ▸'v('}"),
    ("RT373", "a glob in ignoreTags", "ignoreTags: [latest, ▸'[a']"),
    ("RT373", "a glob in denyTags", "denyTags: [▸'[a']"),
    ("RT375", "a strategy that there is not", "updateStrategy: ▸newest"),
    ("RT377", "a platform without architecture", "platforms: [linux/amd64, ▸windows]"),
    ("RT378", "a group that the pattern lacks", "filterTags: {pattern: 'v(.*)', extract: ▸$2}"),
    ("RT394", "an order by push times of versions", "orderBy: ▸pushed"),
    ("RT387", "a pullSecret that names nothing", "pullSecret: ▸'my-secret'"),
]

IMAGE = [
    ("RT306", "a pin that is a number", "pin: ▸1.10"),
    ("RT310", "a setting directly on the image", "▸ignoreTags: [latest]"),
    ("RT317", "a target for helm", "manifestTargets: {helm: ▸{name: image.name}}"),
    ("RT317", "a target for a plugin", "manifestTargets: {plugin: ▸{name: IMAGE}}"),
    ("RT325", "targets for nothing", "manifestTargets: ▸{}"),
    ("RT326", "signatures without a key", "imagesVerification: ▸{enabled: true}"),
    ("RT372", "an expression of the older form", "allowTags: [{regex: ▸'v('}]"),
    ("RT379", "a pin that is no tag", "pin: ▸a b"),
]

IMAGES = [
    ("RT305", "no imageName", "▸{alias: web}"),
    ("RT324", "an empty imageName", "{alias: web, imageName: ▸''}"),
    ("RT312", "no alias", f"▸{{imageName: '{WEB}:1.x'}}"),
    ("RT324", "a repository in upper case", "{alias: web, imageName: ▸registry.example.com/Web}"),
    ("RT327", "an alias that the CRD refuses", f"{{alias: ▸a/b, imageName: '{WEB}:1.x'}}"),
    ("RT374", "a constraint", f"{{alias: web, imageName: ▸'{WEB}:~~1'}}"),
    (
        "RT376",
        "digest without a tag",
        f"{{alias: web, imageName: ▸{WEB}, commonUpdateSettings: {{updateStrategy: digest}}}}",
    ),
    (
        "RT380",
        "two rules for one repository",
        f"{{alias: a, imageName: '{WEB}:1.x'}}, {{alias: b, imageName: ▸'{WEB}:2.x'}}",
    ),
    ("RT385", "versions without a bound", f"{{alias: web, imageName: ▸{WEB}}}"),
]

REF = [
    ("RT320", "no images", "namePattern: web, images: ▸[]"),
    ("RT321", "a malformed namePattern", f"namePattern: ▸'[a', {ANY}"),
    (
        "RT322",
        "an invalid label selector",
        f"namePattern: web, labelSelectors: ▸{{matchLabels: {{a b: c}}}}, {ANY}",
    ),
    (
        "RT317",
        "images beside useAnnotations",
        f"namePattern: web, useAnnotations: true, {ANY.replace('[', '▸[')}",
    ),
]

SPEC = [
    ("RT315", "spec.namespace", f"namespace: ▸argocd\n{ONE_REF}"),
    ("RT316", "who commits", f"writeBackConfig: {{gitCommitUser: ▸me}}\n{ONE_REF}"),
    (
        "RT323",
        "a write-back that is refused",
        f"{ONE_REF.replace('[', '[▸', 1)}\nwriteBackConfig: {{method: svn}}",
    ),
    (
        "RT329",
        "the same pattern twice",
        f"applicationRefs:\n- {{namePattern: web, {ANY}}}\n- {{namePattern: ▸web, {ANY}}}",
    ),
    (
        "RT384",
        "defaults that a CRD stored",
        f"""\
commonUpdateSettings: {{updateStrategy: newest-build}}
applicationRefs:
- namePattern: web
  commonUpdateSettings: {{updateStrategy: ▸semver, forceUpdate: false}}
  {ANY}""",
    ),
    ("RT386", "write-back", f"writeBackConfig: ▸{{method: git}}\n{ONE_REF}"),
]

CONFIGS = [
    ("RT304", "a field that there is not", "api_url: https://a.example.com, ▸insecur: true"),
    ("RT335", "a URL of another kind", "api_url: ▸ftp://registry.example.com"),
    ("RT337", "credentials that are none", "api_url: https://a.example.com, credentials: ▸me"),
    ("RT338", "a script", "api_url: https://a.example.com, credentials: ▸'ext:/login.sh'"),
    ("RT339", "no verification", "api_url: https://a.example.com, insecure: ▸yes"),
    ("RT340", "plain http", "api_url: ▸http://registry.example.com"),
    (
        "RT388",
        "a login without colon",
        "api_url: https://a.example.com, credentials: ▸'env:LOGIN'",
    ),
]

LIST = f"image-list: web={WEB}:1.x"
ANNOTATIONS = [
    ("RT306", "a boolean", (LIST, "force-update: ▸true")),
    ("RT317", "force-update", (LIST, "web.force-update: ▸'true'")),
    ("RT317", "a target for helm", (LIST, "web.helm.image-name: ▸image.name")),
    ("RT319", "an image without name", ("image-list: ▸web=",)),
    ("RT324", "a repository in upper case", ("image-list: ▸web=registry.example.com/Web",)),
    ("RT328", "credentials of the environment", (LIST, "pull-secret: ▸'env:LOGIN'")),
    ("RT371", "allow-tags without regexp:", (LIST, "web.allow-tags: ▸^v1")),
    ("RT372", "an expression", (LIST, "allow-tags: ▸'regexp:v('")),
    ("RT373", "a glob", (LIST, "web.ignore-tags: ▸'latest,[a'")),
    ("RT374", "a constraint", (f"image-list: ▸web={WEB}:~~1",)),
    ("RT375", "a strategy", (LIST, "web.update-strategy: ▸newest")),
    ("RT377", "a platform", (LIST, "web.platforms: ▸linux")),
    ("RT380", "two rules for one repository", (f"image-list: ▸'a={WEB}:1.x,b={WEB}:2.x'",)),
    ("RT385", "versions without a bound", (f"image-list: ▸web={WEB}",)),
    ("RT386", "write-back", (LIST, "write-back-method: ▸git", "git-branch: main")),
    ("RT387", "a pull secret that names nothing", (LIST, "web.pull-secret: ▸my-secret")),
    ("RT390", "a misspelt annotation", (LIST, "▸web.allow-tag: any")),
    ("RT390", "platforms for all images", (LIST, "▸platforms: linux/amd64")),
    ("RT390", "tag-match of v0", (LIST, "▸web.tag-match: ^v")),
    ("RT390", "something else", (LIST, "▸sort-mode: semver")),
    ("RT391", "an alias that is not listed", (LIST, "▸wep.allow-tags: any")),
]

PLUGIN = [
    ("RT306", "parameters that are no list", "parameters: ▸{tool: helm}"),
    ("RT221", "a parameter without name", "parameters: [▸{string: helm}]"),
    ("RT221", "a value of the wrong kind", "parameters: [▸{name: freeze, array: ['true']}]"),
    ("RT222", "an unknown parameter", "parameters: [▸{name: pin, map: {web: v1}}]"),
    ("RT223", "a value that is not allowed", "parameters: [▸{name: tool, string: jsonnet}]"),
    ("RT224", "a variable twice", "env: [{name: RETAG_TOOL, value: helm}, {name: ▸RETAG_TOOL}]"),
    ("RT225", "a parameter that is refused", "parameters: [▸{name: helm-version, string: v3}]"),
    ("RT222", "an unknown variable of Retag", "env: [▸{name: RETAG_PIN, value: web=v1}]"),
    ("RT305", "a variable without name", "env: [▸{value: web}]"),
    ("RT306", "a variable that is a number", "env: [{name: RETAG_TOOL, value: ▸1}]"),
    ("RT379", "a pin that is no tag", "parameters: [{name: pins, map: {web: ▸a b}}]"),
    ("RT379", "a pin in a variable", "env: [{name: RETAG_PINS, value: ▸web=a b}]"),
    ("RT389", "a variable of the Image Updater's", "env: [{name: ▸IMAGE_TAG, value: v1}]"),
    ("RT258", "a parameter that is only shown", "parameters: [{name: images, map: ▸{web: v1}}]"),
    ("RT258", "a variable that is only shown", "env: [{name: RETAG_IMAGES, value: ▸web=v1}]"),
]

LEFT = [
    ("RT302", "a key that stands twice", application(LIST) + "▸spec: {}\n"),
    ("RT309", "no kind", "▸" + image().replace("kind: ImageUpdater\n", "")),
    ("RT309", "another kind", image().replace("kind: ImageUpdater", "kind: ▸ImageUpdate")),
    ("RT392", "no list", application("allow-tags: any").replace("argocd-", "▸argocd-", 1)),
]

CASES = [
    *((code, name, "rules.yaml", settings(text)) for code, name, text in SETTINGS),
    *((code, name, "rules.yaml", image(text)) for code, name, text in IMAGE),
    *((code, name, "rules.yaml", images(text)) for code, name, text in IMAGES),
    *((code, name, "rules.yaml", ref(text)) for code, name, text in REF),
    *((code, name, "rules.yaml", updater(text)) for code, name, text in SPEC),
    *((code, name, "registries.conf", registries(text)) for code, name, text in CONFIGS),
    *((code, name, "app.yaml", application(*text)) for code, name, text in ANNOTATIONS),
    *((code, name, "app.yaml", application(plugin=text)) for code, name, text in PLUGIN),
    *((code, name, "left.yaml", text) for code, name, text in LEFT),
]


@pytest.mark.parametrize(
    ("code", "file", "text"),
    [
        pytest.param(code, file, text, id=f"{code} {name} in {file}")
        for code, name, file, text in CASES
    ],
)
def test_it_is_found_where_it_stands(tmp_path: Path, code: str, file: str, text: str) -> None:
    found = lint_text(tmp_path, text, file=file, environment={"LOGIN": "no-colon"})

    (place,) = marked(text)
    assert place in [(each.place.line, each.place.column) for each in found if each.code == code]
    ours = [each.code for each in found if each.code >= "RT370"]
    assert ours == ([code] if code >= "RT370" else ours)


def test_every_code_of_the_source_stands_in_a_test() -> None:
    def codes(folder: Path) -> set[str]:
        text = "".join(file.read_text() for file in sorted(folder.glob("*.py")))
        return set(re.findall("RT[23][0-9]{2}", text))

    assert codes(Path(cmp.lint.__file__).parent) <= codes(Path(__file__).parent)


@pytest.mark.parametrize(
    ("text", "drawing"),
    [
        pytest.param(settings("allowTags: 'regexp:v(?!1)'"), "    v(?!1)\n     ^", id="RE2"),
        pytest.param(settings("ignoreTags: ['v[1']"), "    v[1\n     ^", id="glob"),
        pytest.param(
            images(f"{{alias: web, imageName: '{WEB}:>=1 <<2'}}"),
            "    >=1 <<2\n         ^",
            id="constraint",
        ),
    ],
)
def test_a_caret_stands_under_the_fault(tmp_path: Path, text: str, drawing: str) -> None:
    (finding,) = lint_text(tmp_path, text)

    assert finding.drawing == drawing


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        pytest.param(settings("allowTags: ^v1"), "write regexp:^v1", id="an expression"),
        pytest.param(settings("allowTags: 'glob:v*'"), "", id="something else with a colon"),
        pytest.param(settings("updateStrategy: newest"), "did you mean newest-build?", id="near"),
        pytest.param(
            settings("orderBy: pushed"),
            "write updateStrategy: newest-build, or orderBy: built",
            id="an order",
        ),
        pytest.param(settings("updateStrategy: whatever"), "", id="a strategy near to none"),
        pytest.param(
            application(plugin="env: [{name: retag_tool, value: helm}]"),
            "did you mean RETAG_TOOL?",
            id="a variable in lower case",
        ),
        pytest.param(
            application(plugin="env: [{name: IMAGE_TAG, value: v1}]"), "remove it", id="a variable"
        ),
        pytest.param(
            application(LIST, "wep.allow-tags: any"), "did you mean web?", id="a near alias"
        ),
        pytest.param(application(LIST, "db.allow-tags: any"), "", id="an alias near to none"),
        pytest.param(application(LIST, "git-branche: a"), "did you mean git-branch?", id="name"),
    ],
)
def test_the_remedy_names_what_was_meant(tmp_path: Path, text: str, remedy: str) -> None:
    (finding,) = lint_text(tmp_path, text)

    assert finding.remedy == remedy


def test_all_faults_of_a_broken_image_are_told_at_once(tmp_path: Path) -> None:
    text = image("commonUpdateSettings: {allowTag: a, platforms: 1, denyTags: ['[a']}")

    assert [each.code for each in lint_text(tmp_path, text)] == ["RT304", "RT306", "RT373"]


def test_a_fault_of_the_ref_is_told_once_for_all_its_images(tmp_path: Path) -> None:
    text = ref(
        "namePattern: web, commonUpdateSettings: {allowTags: ^v}, images: ["
        "{alias: a, imageName: 'registry.example.com/a:1.x'},"
        "{alias: b, imageName: 'registry.example.com/b:1.x'}]"
    )

    assert [each.code for each in lint_text(tmp_path, text)] == ["RT371"]


@pytest.mark.parametrize("server_set", ["uid: a", "resourceVersion: '1'", "generation: 1"])
def test_stored_defaults_are_told_of_an_exported_resource(tmp_path: Path, server_set: str) -> None:
    text = settings("updateStrategy: semver, forceUpdate: false")
    exported = text.replace("metadata: {", f"metadata: {{{server_set}, ")

    assert lint_text(tmp_path, text) == []
    assert [each.code for each in lint_text(tmp_path, exported)] == ["RT384"]


@pytest.mark.parametrize(
    "stated",
    ["updateStrategy: semver", "forceUpdate: false", "updateStrategy: semver, forceUpdate: true"],
)
def test_other_settings_of_an_exported_resource_are_meant(tmp_path: Path, stated: str) -> None:
    text = settings(stated).replace("metadata: {", "metadata: {uid: a, ")

    assert "RT384" not in [each.code for each in lint_text(tmp_path, text)]


def test_stored_defaults_hide_the_nearest_strategy(tmp_path: Path) -> None:
    text = updater(
        f"""\
commonUpdateSettings: {{updateStrategy: newest-build}}
applicationRefs:
- namePattern: web
  commonUpdateSettings: {{updateStrategy: alphabetical}}
  images:
  - alias: web
    imageName: {WEB}:1.x
    commonUpdateSettings: {{updateStrategy: semver, forceUpdate: false}}"""
    )
    (finding,) = lint_text(tmp_path, text)

    assert finding.what.endswith("hide alphabetical of line 8")


def test_a_fault_stands_where_the_field_that_counts_does(tmp_path: Path) -> None:
    text = ref(
        "namePattern: web, commonUpdateSettings: {allowTags: any}, images: [{alias: web, "
        f"imageName: '{WEB}:1.x', commonUpdateSettings: {{allowTags: ^v}}}}]"
    )
    (finding,) = lint_text(tmp_path, text)

    assert finding.path == "spec.applicationRefs[0].images[0].commonUpdateSettings.allowTags"


@pytest.mark.parametrize(
    ("annotations", "place"),
    [
        pytest.param(("allow-tags: any", "web.allow-tags: ▸^v"), "web.allow-tags", id="alias"),
        pytest.param(("allow-tags: ▸^v", "web.allow-tags: ''"), "allow-tags", id="shared"),
    ],
)
def test_a_fault_stands_in_the_annotation_that_counts(
    tmp_path: Path, annotations: tuple[str, ...], place: str
) -> None:
    (finding,) = lint_text(tmp_path, application(LIST, *annotations))

    assert finding.path == f'metadata.annotations["argocd-image-updater.argoproj.io/{place}"]'


@pytest.mark.parametrize(
    ("annotation", "severity"),
    [
        ("web.allow-tag: any", Severity.ERROR),
        ("web.tag-match: ^v", Severity.ERROR),
        ("wep.ignore-tags: latest", Severity.ERROR),
        ("web.pull-secre: secret:a/b#c", Severity.WARNING),
        ("wep.pull-secret: secret:a/b#c", Severity.WARNING),
    ],
)
def test_an_annotation_that_would_narrow_is_an_error(
    tmp_path: Path, annotation: str, severity: Severity
) -> None:
    (finding,) = lint_text(tmp_path, application(LIST, annotation))

    assert finding.severity is severity


def test_a_variable_that_the_image_updater_writes_is_told_with_the_rule(tmp_path: Path) -> None:
    rule = image("manifestTargets: {plugin: {name: RETAG_TOO, tag: IMAGE_TAG}}")
    variables = "env: [{name: IMAGE_TAG, value: v1}, {name: OTHER, value: x}]"
    found = lint_text(tmp_path, rule + "---\n" + application(plugin=variables))

    assert [finding.code for finding in found] == ["RT257", "RT317", "RT389", "RT389"]
    assert found[0].remedy == "remove RETAG_TOO from the Applications' plugin.env"
    assert found[2].what == (
        "the variable IMAGE_TAG has no effect: the Image Updater wrote it (ImageUpdater "
        "argocd/rules, ref web, image web), and nothing is pinned by it"
    )
    assert found[3].what.endswith("only those of Retag (RETAG_…) are read")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(application(LIST, "force-update: 'false'"), id="force-update is off"),
        pytest.param(
            application(plugin="env: [{name: A, value: b}]").replace("name: retag", "name: other"),
            id="another plugin",
        ),
    ],
)
def test_what_means_nothing_to_retag_is_left_in_peace(tmp_path: Path, text: str) -> None:
    assert lint_text(tmp_path, text) == []
