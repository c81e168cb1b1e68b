"""How many examples the laws are tried with, and which."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

from hypothesis import HealthCheck, settings

_FIXED = "retag"
_LONG = "long"

# Speed is measured by `make bench`; a slow machine must not fail a law.
PATIENT = (HealthCheck.too_slow,)
# For a law whose fixture is one for all examples.
IN_FIXTURE = (*PATIENT, HealthCheck.function_scoped_fixture)


def register() -> None:
    """Make both profiles known, and take the fixed one: the same examples in each run.

    Neither comes of what hypothesis takes by itself where the environment says CI.
    """
    default = settings(
        settings.get_profile("default"), deadline=None, suppress_health_check=PATIENT
    )
    settings.register_profile(_FIXED, default, derandomize=True)
    settings.register_profile(_LONG, default, max_examples=1_000, print_blob=True)
    settings.load_profile(_FIXED)
    _load_constants()


def _load_constants() -> None:
    """Load all modules that tests load, as hypothesis takes constants of those for examples.

    So a law by itself is tried with the same examples as among all others.
    """
    for name in ("cmp", "sidecar", "scripts", "examples"):
        for module in walk_packages(import_module(name).__path__, f"{name}."):
            import_module(module.name)


def examples(number: int) -> int:
    """*number*, for a law that is slow; ten times as many under the profile for long runs."""
    return 10 * number if is_long() else number


def is_long() -> bool:
    return settings.get_current_profile_name() == _LONG
