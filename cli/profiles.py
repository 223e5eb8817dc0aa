"""`plait profile`: the profile database."""

from __future__ import annotations

import click

from plait.cli.profile.files import export, import_, merge, prune
from plait.cli.profile.ls import command as ls
from plait.cli.profile.show import command as show


@click.group("profile")
def group() -> None:
    """Look into the profile database, and move measurements between databases and files."""


for _command in (ls, show, merge, prune, export, import_):
    group.add_command(_command)
