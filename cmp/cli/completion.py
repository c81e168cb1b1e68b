"""`retag completion`: what a shell needs to complete retag's words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
      retag completion bash >> ~/.bashrc
      retag completion zsh > "${fpath[1]}/_retag"
      retag completion fish > ~/.config/fish/completions/retag.fish
    """
    completion = get_completion_class(shell)
    assert completion is not None
    root = ctx.find_root().command
    click.echo(completion(root, {}, "retag", "_RETAG_COMPLETE").source())
