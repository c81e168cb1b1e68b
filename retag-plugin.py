"""What plugin.yaml starts. Python keeps no bytecode of a script, so all it does is to import."""

import posix
import sys

# By path, and nothing else is looked into: neither the working folder, which is a tenant's, nor
# what PYTHON* variables name (python -I -S).
sys.path.insert(0, __file__.rpartition("/")[0])

from cmp.plugin.main import main

# Nothing is left that Python would have to tidy up; it would take a millisecond for it.
posix._exit(main(sys.argv[1:]))  # noqa: SLF001  # that is its name
