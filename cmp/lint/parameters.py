"""The parameters that an Application gives the plugin, in `parameters` and in `env`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from cmp.errors import CombinedError, Finding, RetagError, Severity
from cmp.located import Located, nearest_name, wrong_type
from cmp.options import Options, parse_environment, parse_items
from cmp.parameters import BY_VARIABLE, IMAGES, is_ours
from cmp.tags import is_tag

_PLUGIN = "retag"
_ARGO_CD = "ARGOCD_ENV_"  # what Argo CD puts before the names of plugin.env


def check_parameters(application: Located, written: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the parameters of each source whose plugin is `retag`.

    *written* are the variables that the Image Updater writes, each with the rule that says so.
    """
    for plugin in _plugins(application):
        yield from _each(plugin, "parameters", _check_parameter)
        yield from _each(plugin, "env", partial(_check_variable, written))


def _plugins(application: Located) -> Iterator[Located]:
    spec = application.nearest(("spec",))
    several = spec.get("sources")
    for source in [spec.get("source"), *(several.items if several else [])]:
        plugin = source.get("plugin") if source else None
        if plugin and plugin.nearest(("name",)).value == _PLUGIN:
            yield plugin


def _each(
    plugin: Located, field: str, check: Callable[[Located], Iterator[Finding]]
) -> Iterator[Finding]:
    """What *check* finds in each item of *field*, and which names stand there twice."""
    value = plugin.get(field)
    if value is None:
        return
    if not isinstance(value.value, list):
        yield wrong_type(value, "a list")
    names: set[str] = set()
    for item in value.items:
        name = item.get("name")
        if name is not None and name.text in names:
            yield name.finding("RT224", f"parameter {name.text} is stated twice")
        names.add(name.text if name else "")
        yield from check(item)


def _check_parameter(item: Located) -> Iterator[Finding]:
    options, findings = _parsed(item, lambda: parse_items([item.data]))
    yield from findings
    yield from _check_values(options, item.nearest(("map",)))


def _check_variable(written: Mapping[str, str], item: Located) -> Iterator[Finding]:
    name, value = item.get("name"), item.get("value")
    text = name.text if name else ""
    if name is None:
        yield item.finding("RT305", "the field name is missing")
    elif not is_ours(text):
        yield _not_read(name, written.get(text, ""))
    elif value is not None and not isinstance(value.value, str):
        yield wrong_type(value, "a string")
    else:
        stated = {_ARGO_CD + text: str(value.value) if value else ""}
        options, findings = _parsed(item, lambda: parse_environment(stated))
        yield from findings
        yield from _check_values(options, value or item)


def _parsed(item: Located, parse: Callable[[], Options]) -> tuple[Options, list[Finding]]:
    """What *parse* reads of *item*, and its errors as findings there."""
    try:
        return parse(), []
    except RetagError as error:
        errors = error.errors if isinstance(error, CombinedError) else (error,)
    return Options(), [item.finding(e.code, e.what, remedy=e.remedy) for e in errors]


def _check_values(options: Options, place: Located) -> Iterator[Finding]:
    if IMAGES in options.values:
        what = f"the parameter {IMAGES} has no effect: Argo CD's form writes what it shows"
        remedy = "remove it; a tag is chosen by the parameter pins"
        yield place.finding("RT258", what, severity=Severity.WARNING, remedy=remedy)
    for alias, tag in options.pins.items():
        if not is_tag(tag):
            what = f"the pin of {alias} cannot be a tag: {tag!r}"
            yield place.nearest((alias,)).finding("RT379", what)


def _not_read(name: Located, rule: str) -> Finding:
    near = None if rule else nearest_name(name.text, list(BY_VARIABLE), likeness=0.8)
    why = "only those of Retag (RETAG_…) are read"
    if rule:
        why = f"the Image Updater wrote it ({rule}), and nothing is pinned by it"
    return name.finding(
        "RT389",
        f"the variable {name.text} has no effect: {why}",
        severity=Severity.WARNING,
        remedy=f"did you mean {near}?" if near else "remove it",
    )
