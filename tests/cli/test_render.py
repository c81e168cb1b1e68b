"""`retag render` and `retag explain` as a person runs them."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

from tests.cli.conftest import COMMON, EXAMPLE, PROFANITY, RETAG, Laptop, said

POD = b"""\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - image: registry.example.com/profanity-api:v1.0.0   # old
"""


def test_manifests_come_out_with_new_tags_and_nothing_else_changed(laptop: Laptop) -> None:
    done = laptop.retag("render", "app", *PROFANITY)
    parts = [(EXAMPLE / "app" / name).read_bytes() for name in sorted_names()]

    assert done.returncode == 0, done.stderr
    for part in parts:
        bait = part.startswith(b"# Bait")
        assert (part if bait else part.replace(b"v1.2.0", b"v1.10.0")) in done.stdout
    assert said(done.stderr) == b"5 remarks about the rules; retag lint shows them\n"


def sorted_names() -> list[str]:
    """The example's files in the order in which Argo CD reads a folder."""
    return sorted(path.name for path in (EXAMPLE / "app").iterdir())


def test_standard_input_makes_it_a_filter(laptop: Laptop) -> None:
    done = laptop.retag("render", "-", *PROFANITY, stdin=POD)

    assert done.stdout == POD.replace(b"v1.0.0", b"v1.10.0")
    assert laptop.retag("render", "-", *PROFANITY, stdin=done.stdout).stdout == done.stdout


def test_a_file_is_read_as_it_is(laptop: Laptop) -> None:
    laptop.write("pod.yaml", POD.decode())

    assert b":v1.10.0   # old" in laptop.retag("render", "pod.yaml", *PROFANITY).stdout


def test_a_diff_is_printed_and_tells_by_the_exit_code(laptop: Laptop) -> None:
    done = laptop.retag("render", "-", *PROFANITY, "--diff", stdin=POD)
    again = laptop.retag(
        "render", "-", *PROFANITY, "--diff", stdin=POD.replace(b"v1.0.0", b"v1.10.0")
    )

    assert done.returncode == 1
    assert done.stdout.decode().splitlines()[:3] == [
        "--- rendered",
        "+++ retag",
        "@@ -3,5 +3,5 @@",
    ]
    assert b"+  - image: registry.example.com/profanity-api:v1.10.0   # old" in done.stdout
    assert (again.returncode, again.stdout) == (0, b"")


def test_a_diff_on_a_terminal_has_the_colours_of_diffs(laptop: Laptop) -> None:
    ours, theirs = pty.openpty()
    subprocess.run(
        [RETAG, "render", "-", *PROFANITY, "--diff"],
        cwd=laptop.folder,
        input=POD,
        env={**os.environ, "HOME": str(laptop.folder), "NO_COLOR": ""},
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    text = os.read(ours, 65536)
    os.close(theirs)
    os.close(ours)

    assert b"\x1b[31m-  - image: registry.example.com/profanity-api:v1.0.0" in text
    assert b"\x1b[32m+  - image: registry.example.com/profanity-api:v1.10.0" in text
    assert b"\x1b[36m@@" in text


def test_the_explanation_goes_to_stderr_beside_manifests(laptop: Laptop) -> None:
    done = laptop.retag("render", "-", *PROFANITY, "--explain", stdin=POD)

    assert done.stdout == POD.replace(b"v1.0.0", b"v1.10.0")
    assert b"chosen   v1.10.0: newest of 8 allowed versions" in done.stderr


def test_explain_prints_it_as_text_and_as_json(laptop: Laptop) -> None:
    text = laptop.retag("explain", "-", *PROFANITY, stdin=POD)
    parsed = json.loads(laptop.retag("explain", "-", *PROFANITY, "-o", "json", stdin=POD).stdout)

    assert b"refused  v2.0.0-rc.1" in text.stdout
    assert b"refused" not in text.stderr
    assert parsed["images"][0]["tag"] == "v1.10.0"


def test_render_as_json_holds_manifests_and_diff(laptop: Laptop) -> None:
    done = laptop.retag("render", "-", *PROFANITY, "-o", "json", stdin=POD)
    parsed = json.loads(done.stdout)

    assert parsed["manifests"].encode() == POD.replace(b"v1.0.0", b"v1.10.0")
    assert parsed["diff"].startswith("--- rendered")
    assert set(parsed) == {"application", "images", "held", "notes", "manifests", "diff"}


APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: profanity-filter
  namespace: argocd
  labels: {tier: web}
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: prod}
  sources:
    - {repoURL: https://git.example.com/values.git, ref: values}
    - repoURL: https://git.example.com/apps.git
      path: app
      plugin:
        name: retag
        env: [{name: RETAG_FREEZE, value: "false"}, {name: OTHER, value: x}]
        parameters:
          - name: pins
            map: {profanity-api: v1.4.2}
"""


def test_an_applications_manifest_gives_name_and_parameters(laptop: Laptop) -> None:
    laptop.write("app.yaml", APPLICATION)
    pinned = laptop.retag("render", "-", "--application", "app.yaml", *COMMON, stdin=POD)
    flagged = laptop.retag(
        "render", "-", "--application", "app.yaml", *COMMON, "-p", "pins=profanity-api=v1.0.0",
        stdin=POD,
    )  # fmt: skip

    assert b"v1.4.2" in pinned.stdout, pinned.stderr
    assert flagged.stdout == POD


LEFT = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: profanity-filter, namespace: argocd}
spec:
  source:
    plugin:
      name: retag
      env:
        - {name: IMAGE_TAG, value: v1.2.0}
        - {name: OTHER, value: x}
"""
LEFT_RULES = """\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: rules, namespace: argocd}
spec:
  applicationRefs:
    - namePattern: profanity-filter
      images:
        - alias: api
          imageName: registry.example.com/profanity-api
          manifestTargets: {plugin: {name: RETAG_IMAGE, tag: IMAGE_TAG}}
"""


def test_what_the_image_updater_wrote_into_plugin_env_pins_nothing(laptop: Laptop) -> None:
    laptop.write("app.yaml", LEFT)
    laptop.write("rules.yaml", LEFT_RULES)
    done = laptop.retag("explain", "-", "--application", "app.yaml", *COMMON, stdin=POD)
    notes = [line for line in done.stdout.decode().splitlines() if line.startswith("note: ")]

    assert notes == [
        (
            "note: api: IMAGE_TAG in plugin.env is left from the Image Updater and has no effect; "
            "nothing is pinned by it"
        ),
        "note: api: manifestTargets.plugin has no effect",
        "note: api: what plugin.env says as IMAGE_TAG pins nothing",
    ]
    assert b"v1.0.0 \xe2\x86\x92 v1.10.0" in done.stdout


def test_a_variable_with_a_name_of_retags_is_a_parameter_or_an_error(laptop: Laptop) -> None:
    laptop.write("app.yaml", LEFT.replace("IMAGE_TAG", "RETAG_IMAGE"))
    laptop.write("rules.yaml", LEFT_RULES)
    done = laptop.retag("render", "-", "--application", "app.yaml", *COMMON, stdin=POD)

    assert done.returncode == 2
    assert done.stderr.decode() == (
        "error: there is no parameter 'RETAG_IMAGE'; the nearest is RETAG_PINS [RT222]\n"
    )


@pytest.mark.parametrize(
    "spec",
    ["spec: text", "spec: {sources: 5, source: [x]}", "spec: {source: {plugin: {name: other}}}"],
)
def test_an_application_that_does_not_name_the_plugin_gives_no_parameters(
    laptop: Laptop, spec: str
) -> None:
    head = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: profanity-x}\n"
    laptop.write("app.yaml", head + spec)
    done = laptop.retag("render", "-", "--application", "app.yaml", *COMMON, stdin=POD)

    assert done.stdout == POD.replace(b"v1.0.0", b"v1.10.0"), done.stderr


def test_labels_select_and_unknown_labels_are_told(laptop: Laptop) -> None:
    selecting = (EXAMPLE / "rules.yaml").read_text().replace(
        "      images:", "      labelSelectors: {matchLabels: {tier: web}}\n      images:"
    )  # fmt: skip
    laptop.write("rules.yaml", selecting)
    unknown = laptop.retag("explain", "-", *PROFANITY, stdin=POD)
    other = laptop.retag("explain", "-", *PROFANITY, "--label", "tier=db", stdin=POD)
    known = laptop.retag("explain", "-", *PROFANITY, "--label", "tier=web", stdin=POD)

    assert b"labels" in unknown.stdout
    assert b"labels of" not in other.stdout
    assert b"no rule matches" in unknown.stdout
    assert b"no rule matches" in other.stdout
    assert b"v1.10.0" in known.stdout


def test_annotations_are_rules_where_a_ref_uses_them(laptop: Laptop) -> None:
    laptop.write(
        "rules.yaml",
        "apiVersion: argocd-image-updater.argoproj.io/v1alpha1\n"
        "kind: ImageUpdater\n"
        "metadata: {name: a, namespace: argocd}\n"
        "spec: {applicationRefs: [{namePattern: '*', useAnnotations: true}]}\n",
    )
    listed = (
        "argocd-image-updater.argoproj.io/image-list=api=registry.example.com/profanity-api:~1.4"
    )
    done = laptop.retag("render", "-", *PROFANITY, "--annotation", listed, stdin=POD)

    assert b":v1.4.2 " in done.stdout, done.stderr


def test_more_image_fields_are_named_as_for_kustomize(laptop: Laptop) -> None:
    laptop.write("fields.yaml", "images:\n- {path: spec/runner/image, kind: Robot}\n")
    robot = (
        b"apiVersion: example.com/v1\nkind: Robot\nmetadata: {name: r}\n"
        b"spec:\n  runner:\n    image: registry.example.com/profanity-api:v1.0.0\n"
    )
    done = laptop.retag("render", "-", *PROFANITY, "--image-fields", "fields.yaml", stdin=robot)

    assert b"profanity-api:v1.10.0" in done.stdout, done.stderr


@pytest.mark.parametrize("app", ["argocd/profanity-filter", "argocd_profanity-filter"])
def test_an_application_may_be_named_with_its_namespace(laptop: Laptop, app: str) -> None:
    own = laptop.retag("render", "-", "--app", app, *COMMON, stdin=POD)
    other = laptop.retag(
        "render", "-", "--app", app.replace("argocd", "team-a"), *COMMON, stdin=POD
    )

    assert own.stdout == POD.replace(b"v1.0.0", b"v1.10.0")
    assert other.stdout == POD


def test_an_image_that_stays_is_told(laptop: Laptop) -> None:
    done = laptop.retag("render", "-", *PROFANITY, "-p", "freeze=true", stdin=POD)

    assert done.stdout == POD
    assert b"warning: profanity-api: the Application is frozen; the image stays" in done.stderr


FAILURES = {
    "an Application in two namespaces": (["render", "app", "--app", "a/b/c", *COMMON], 2, "RT244"),
    "an Application without a name": (["render", "app", "--app", "a/", *COMMON], 2, "RT244"),
    "an Application with a key twice": (
        ["render", "app", "--application", "twice.yaml", *COMMON], 3, "RT302",
    ),
    "an Application with a broken environment": (
        ["render", "app", "--application", "env.yaml", *COMMON], 2, "RT221",
    ),
    "an empty file of fields": (
        ["render", "app", *PROFANITY, "--image-fields", "empty.yaml"], 3, "RT352",
    ),
    "no Application": (["render", "app", *COMMON], 2, "RT244"),
    "a label without a value": (["render", "app", *PROFANITY, "--label", "x"], 2, "RT245"),
    "an unknown parameter": (["render", "app", *PROFANITY, "-p", "tol=helm"], 2, "RT222"),
    "a pin of no rule": (["render", "app", *PROFANITY, "-p", "pins=x=1"], 2, "RT240"),
    "a file of no Application": (
        ["render", "app", "--application", "rules.yaml", *COMMON], 2, "RT243",
    ),
    "a manifest that is no text": (
        ["render", "app", "--application", "binary", *COMMON], 3, "RT300",
    ),
    "fields of the wrong shape": (
        ["render", "app", *PROFANITY, "--image-fields", "rules.yaml"], 3, "RT352",
    ),
    "a field without a path": (
        ["render", "app", *PROFANITY, "--image-fields", "pathless.yaml"], 3, "RT352",
    ),
    "an unlisted registry": (
        ["render", "app", "--app", "profanity-filter", "--rules", "rules.yaml",
         "--registries", "none.conf"], 5, "RT500",
    ),
    "a broken registries.conf": (
        ["render", "app", "--app", "profanity-filter", "--rules", "rules.yaml",
         "--registries", "rules.yaml"], 3, "RT304",
    ),
    "rules that are no YAML": (
        ["render", "app", "--app", "profanity-filter", "--rules", "broken.yaml",
         "--registries", "registries.conf"], 3, "RT351",
    ),
    "a missing renderer": (["render", "app", *PROFANITY, "--tool", "kustomize"], 4, "RT4"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES.keys())
def test_an_error_leaves_stdout_empty_and_has_a_code(
    laptop: Laptop, case: tuple[list[str], int, str]
) -> None:
    arguments, exit_code, code = case
    laptop.write("none.conf", "registries: []\n")
    laptop.write("broken.yaml", "a: [\n")
    laptop.write("pathless.yaml", "images: [{kind: X}]\n")
    laptop.write("empty.yaml", "# none\n")
    laptop.write("twice.yaml", APPLICATION + "spec: {}\n")
    laptop.write("env.yaml", APPLICATION.replace("{name: OTHER, value: x}", "text"))
    (laptop.folder / "binary").write_bytes(b"\xff\xfe\x00")

    done = laptop.retag(*arguments)
    lines = done.stderr.decode().splitlines()

    assert (done.returncode, done.stdout) == (exit_code, b""), done.stderr
    assert any(line.startswith("error: ") and f"[{code}" in line for line in lines), lines
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize("command", ["render", "explain"])
def test_errors_in_rules_that_do_not_matter_here_are_told_and_the_rest_goes_on(
    laptop: Laptop, command: str
) -> None:
    laptop.write(
        "rules.yaml",
        (EXAMPLE / "rules.yaml").read_text()
        + "        - {alias: other, imageName: registry.example.com/other, pin: 1.10}\n",
    )
    done = laptop.retag(command, "-", *PROFANITY, stdin=POD)

    assert done.returncode == 0
    assert b"error: rules.yaml:16:70: " in done.stderr
    assert b"v1.10.0" in done.stdout


def test_an_insecure_registry_is_told_at_each_run_and_stops_nothing(laptop: Laptop) -> None:
    conf = laptop.folder / "registries.conf"
    plain = "- {name: o, prefix: o.example.com, api_url: 'http://o.example.com', insecure: yes}\n"
    conf.write_text(conf.read_text() + plain)
    done = laptop.retag("render", "-", *PROFANITY, stdin=POD)

    assert (done.returncode, done.stdout) == (0, POD.replace(b"v1.0.0", b"v1.10.0"))
    assert b"warning: registries.conf:3:" in done.stderr


def test_a_folder_without_rules_is_told(laptop: Laptop) -> None:
    (laptop.folder / "empty").mkdir()
    done = laptop.retag("render", "-", *PROFANITY, "--rules", "empty", stdin=POD)

    assert done.stdout == POD.replace(b"v1.0.0", b"v1.10.0")
    assert b"warning: empty: " in done.stderr
    assert b"[RT370]" in done.stderr
