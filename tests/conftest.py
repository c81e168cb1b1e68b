"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# Speed is measured by `make bench`; a slow machine must not fail a law.
settings.register_profile("retag", deadline=None)
settings.register_profile("long", deadline=None)  # --hypothesis-profile=long
settings.load_profile("retag")
