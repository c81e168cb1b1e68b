"""`retag lint` as a program: lines, JSON, exit codes."""

from __future__ import annotations

import json

from tests.cli.conftest import Laptop

CLEAN = """\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: web, namespace: argocd}
spec:
  applicationRefs:
    - namePattern: web
      images:
        - alias: web
          imageName: registry.example.com/web:1.x
"""
FAULTY = f"{CLEAN}          commonUpdateSettings: {{allowTags: 'regexp:v(', platforms: [linux]}}\n"
LOGIN = """\
registries:
  - name: r
    prefix: registry.example.com
    api_url: https://registry.example.com
    credentials: env:LOGIN
"""


def test_findings_are_lines_on_stdout_with_a_caret_below(laptop: Laptop) -> None:
    laptop.write("faulty.yaml", FAULTY)
    done = laptop.retag("lint", "faulty.yaml")

    expected = """\
error: faulty.yaml:10:45: SETTINGS.allowTags: 'v(' is not a regular expression (RE2): \
missing ); RE2 has neither look-around nor back-references [RT372]
    v(
    ^
warning: faulty.yaml:10:70: SETTINGS.platforms[0]: 'linux' is not os/arch or \
os/arch/variant, so it matches nothing; write os/arch, for example linux/amd64 [RT377]
"""
    settings = "spec.applicationRefs[0].images[0].commonUpdateSettings"
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.decode() == expected.replace("SETTINGS", settings)


def test_json_holds_the_same(laptop: Laptop) -> None:
    laptop.write("faulty.yaml", FAULTY)
    done = laptop.retag("lint", "faulty.yaml", "-o", "json")

    findings = json.loads(done.stdout)["findings"]
    assert done.returncode == 1
    assert [(each["code"], each["severity"], each["line"]) for each in findings] == [
        ("RT372", "error", 10),
        ("RT377", "warning", 10),
    ]
    assert findings[1] == {
        "code": "RT377",
        "severity": "warning",
        "file": "faulty.yaml",
        "line": 10,
        "column": 70,
        "path": "spec.applicationRefs[0].images[0].commonUpdateSettings.platforms[0]",
        "what": "'linux' is not os/arch or os/arch/variant, so it matches nothing",
        "remedy": "write os/arch, for example linux/amd64",
        "page": "docs/errors.md#rt377",
    }


def test_nothing_found_is_said_on_stderr(laptop: Laptop) -> None:
    laptop.write("rules/web.yaml", CLEAN)
    laptop.write("rules/registries.conf", LOGIN)
    done = laptop.retag("lint", "rules")

    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"2 files, nothing found\n"


def test_nothing_found_is_an_empty_list_in_json(laptop: Laptop) -> None:
    laptop.write("web.yaml", CLEAN)
    done = laptop.retag("lint", "web.yaml", "-o", "json")

    assert (done.returncode, json.loads(done.stdout)) == (0, {"findings": []})
    assert done.stderr == b"1 file, nothing found\n"


def test_registries_are_an_option_or_a_file_among_others(laptop: Laptop) -> None:
    laptop.write("web.yaml", CLEAN)
    laptop.write("registries.conf", LOGIN.replace("prefix: registry", "prefix: other"))
    as_option = laptop.retag("lint", "web.yaml", "--registries", "registries.conf")
    among_files = laptop.retag("lint", "web.yaml", "registries.conf")

    assert as_option.stdout == among_files.stdout
    assert b"registry.example.com is not listed in registries.conf" in as_option.stdout


def test_logins_of_the_environment_are_looked_at_and_never_shown(laptop: Laptop) -> None:
    laptop.write("registries.conf", LOGIN)
    good = laptop.retag("lint", "registries.conf", LOGIN="robot:hunter2")
    bad = laptop.retag("lint", "registries.conf", LOGIN="hunter2")

    assert good.returncode == 0
    assert b"LOGIN does not hold user:password" in bad.stdout
    assert b"hunter2" not in good.stdout + good.stderr + bad.stdout + bad.stderr


def test_control_characters_of_a_file_reach_no_terminal(laptop: Laptop) -> None:
    laptop.write("web.yaml", CLEAN + '          "\\e[31mallowTag": x\n')
    text = laptop.retag("lint", "web.yaml").stdout
    data = json.loads(laptop.retag("lint", "web.yaml", "-o", "json").stdout)

    assert b"\x1b" not in text
    assert "\x1b" not in str(data)


def test_a_path_that_is_not_there_is_wrong_usage(laptop: Laptop) -> None:
    done = laptop.retag("lint", "nowhere.yaml")

    assert (done.returncode, done.stdout) == (2, b"")
