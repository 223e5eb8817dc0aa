"""`plait lsp`: help for editors."""

from __future__ import annotations

import contextlib
import logging
import os
import sys

import click


@click.command("lsp")
@click.option("--tcp", type=click.IntRange(1, 65535), metavar="PORT", help="Listen on a port of this machine instead.")
def command(tcp: int | None) -> None:
    """Serve editors: diagnostics, hovers, completion and more for .ir files, over standard input and output.

    Editors start this command themselves; docs/how-to/edit-ir.md says how to set them up.
    """
    try:
        from plait.cli.editing.server import make_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        raise click.UsageError("the language server needs pygls: pip install 'plait[lsp]'") from None
    # One line for what goes wrong, on standard error: editors keep it as the log of the server.
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s: %(message)s")
    server = make_server()
    # Standard output is the protocol's: what a plug-in prints must not get into it.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as output, contextlib.redirect_stdout(sys.stderr):
        if tcp is None:
            server.start_io(sys.stdin.buffer, output)
        else:
            server.start_tcp("127.0.0.1", tcp)
