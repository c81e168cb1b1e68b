"""Rules as people have them, made ImageUpdaters of the official schema.

From v0's annotations of Applications (`annotations`) and from the older form of ImageUpdaters
(`older`). What is made means to Retag what it was made of; what has no place there is told.
"""

from cmp.migrate.migrate import Migrated, migrate

__all__ = ["Migrated", "migrate"]
