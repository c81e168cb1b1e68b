"""The command `retag`: the only printing, the only exit codes.

Subcommands are imported when they are called, so that a command pays for its own libraries alone.
"""

from __future__ import annotations

import importlib
from typing import NoReturn

import click

from cmp import __version__
from cmp.cli.output import styled
from cmp.cli.process import end_on_signals, give_up_output, print_any_character
from cmp.errors import RetagError, UsageError
from cmp.lines import BUG, bug, error_lines

COMMANDS = {
    "render": "cmp.cli.render",
    "explain": "cmp.cli.explain",
    "tags": "cmp.cli.tags",
    "lint": "cmp.cli.lint",
    "migrate": "cmp.cli.migrate",
    "registry": "cmp.cli.registry",
    "serve": "cmp.cli.serve",
    "controller": "cmp.cli.controller",
    "doctor": "cmp.cli.doctor",
    "cache": "cmp.cli.cache",
    "history": "cmp.cli.history",
    "rollback": "cmp.cli.rollback",
    "completion": "cmp.cli.completion",
}


class _LazyGroup(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name]).command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="retag")
def retag() -> None:
    """Write the newest allowed image tags into rendered Kubernetes manifests.

    \b
    Try it on a laptop, without a cluster:
      retag render ./app --app my-app --rules rules.yaml --registries registries.conf --diff
      kustomize build . | retag render - --app my-app --rules rules/ --registries registries.conf
      retag explain ./app --app my-app --rules rules.yaml --registries registries.conf
      retag lint rules.yaml registries.conf

    \b
    With a cluster:
      retag doctor --kubeconfig ~/.kube/config --argocd-namespace argocd
      retag history my-app --kubeconfig ~/.kube/config --argocd-namespace argocd

    \b
    Exit codes: 0 done; 1 a difference or finding was asked for and found; 2 usage; 3 rules;
    4 manifests or rendering; 5 registry; 6 resolver or cluster. On any error standard output
    stays empty.
    """


def main() -> None:
    """Run the command; errors become lines on stderr and an exit code."""
    end_on_signals()
    print_any_character()
    try:
        result = retag.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except RetagError as error:
        _fail(error, error.exit_code)
    except OSError as error:
        give_up_output()
        _fail(_refused(error), UsageError.exit_code)
    except Exception as error:  # noqa: BLE001  # a bug must not exit with 1, "a difference"
        _fail(bug(error), BUG)
    raise SystemExit(result if isinstance(result, int) else 0)


def _refused(error: OSError) -> RetagError:
    """What the system refuses, such as a full disk or a folder that may not be entered."""
    place = f" {error.filename}" if error.filename else ""
    return UsageError("RT246", f"cannot read or write{place}: {error.strerror}")


def _fail(error: RetagError, exit_code: int) -> NoReturn:
    """End with each error as a line on stderr, after what the renderer itself said."""
    for line in error_lines(error, styled("error", "red")):
        click.echo(line, err=True)
    raise SystemExit(exit_code)
