"""What the programs of one render share: the repository, a private folder, and an end."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cmp.errors import RenderError
from cmp.render import child

# Before each line of Go's `log`. Argo CD stores the text, and would store it anew each time.
_TIME = re.compile(r"^[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} ", re.MULTILINE)
# Where Go's runtime begins to show its stacks, with addresses that are others each time; and the
# lines before it that have some: `runtime: out of memory: …`, `[signal SIGSEGV: …]`.
_STACKS = re.compile(r"^(?:goroutine [0-9]+ .*\[.*\]:|runtime stack:)$", re.MULTILINE)
_OF_RUNTIME = re.compile(r"^(?:runtime: |\[signal ).*\n?", re.MULTILINE)
_ADDRESS = re.compile(r"\b0x[0-9a-f]+")
# What cobra writes behind an error; a chart's own message may have the word, too.
_USAGE = re.compile(r"^Usage:\n +(?:helm|kustomize) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Workspace:
    """What one render works with; paths are real paths.

    *source* is the folder to render, *root* its repository, or *source* itself if there is none;
    only *root* is read, but kustomize bases may lie in *reach*. *private* is a folder of our own,
    removed at the end. All programs together have until *ends* (`time.monotonic`).
    """

    root: Path
    source: Path
    private: Path
    ends: float
    reach: Path

    def run(
        self, *arguments: str, cwd: Path, network: bool = False, programs: bool = False
    ) -> bytes:
        """What the program writes to stdout, in the folder *cwd*; see `child.environment`.

        Raises `RenderError` as `child.run`; paths in its output start at the repository, and
        stacks of a crash are left out, so that equal failures have equal texts.
        """
        environment = child.environment(
            self.private, os.environ, network=network, programs=programs
        )
        try:
            return child.run(arguments, cwd=cwd, environment=environment, ends=self.ends)
        except RenderError as error:
            error.output = self._without_places(_complaint(error.output))
            if not network and any(sign in error.output for sign in child.SIGNS_OF_FETCHING):
                error.remedy = "nothing may be fetched over the network: put it into the source"
            raise

    def _without_places(self, text: str) -> str:
        copies = (self.private / "source", self.private / "chart")
        for place in (*copies, self.private, self.root):
            text = text.replace(f"{place}{os.sep}", "").replace(str(place), ".")
        return _TIME.sub("", text)


def _complaint(stderr: str) -> str:
    """What *stderr* says is wrong, without the stacks of a crash or a text of usage behind it."""
    if stacks := _STACKS.search(stderr):
        reason = _OF_RUNTIME.sub("", stderr[: stacks.start()])
        return _ADDRESS.sub("0x…", reason).rstrip() + "\n"
    if usage := _USAGE.search(stderr):
        return stderr[: usage.start()] or stderr
    return stderr


@contextmanager
def workspace(
    root: Path | None, source: Path, *, seconds: float, temporary: Path | None = None
) -> Iterator[Workspace]:
    """A workspace for *source* in the repository *root*, for *seconds* at most.

    Its private folder is in *temporary*, or where the system has temporary files.
    """
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(
        prefix="retag-", dir=temporary, ignore_cleanup_errors=True
    ) as folder:
        private = Path(folder).resolve()
        yield Workspace(root or source, source, private, ends, reach=root or Path(source.anchor))
