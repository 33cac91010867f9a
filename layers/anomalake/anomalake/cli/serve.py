"""``anomalake serve``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from anomalake.page.document import PageDocument


def serve(
    lake: Annotated[
        str,
        typer.Option(
            "--lake", envvar="ANOMALAKE_LAKE", metavar="URI", help="The lake: a folder or s3://BUCKET/PREFIX."
        ),
    ],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Where it listens on this machine; 0: any free port.")
    ] = 8765,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = False,
) -> None:
    """Show the page at http://127.0.0.1, always new, with buttons for feedback and snoozing; Ctrl-C ends it.

    Only this machine can reach it. It asks the lake again when it is looked at, at most every ten seconds.
    """
    import webbrowser
    from contextlib import closing

    from anomalake.page.limits import DEFAULT
    from anomalake.page.page import page
    from anomalake.server.application import application
    from anomalake.server.documents import Site
    from anomalake.server.listening import ADDRESS, listen, server
    from anomalake.services.dashboard import made
    from anomalake.storage.objects import open_store

    errors, out = Console(stderr=True, highlight=False), Console(highlight=False)
    limits = DEFAULT

    def make() -> PageDocument:
        nonlocal limits
        document, limits = made(lake, limits)
        return document

    def show(packed: bytes, token: str) -> bytes:
        return page(packed, token=token)

    def tell(line: str) -> None:
        errors.print(f"anomalake: {line}", soft_wrap=True, markup=False)

    if "://" not in lake and not Path(lake).exists():
        errors.print(f"anomalake: note: there is nothing at {lake} yet", soft_wrap=True, markup=False)
    # The port first, so that one that is taken costs no wait.
    with closing(listen(port)) as listening:
        taken = listening.getsockname()[1]
        address = f"http://{ADDRESS}:{taken}/"
        app = application(Site(make, show, open_store(lake, create=False), tell), taken)
        out.print(f"{address} shows {lake}; Ctrl-C ends it", soft_wrap=True, markup=False)
        if open_:
            webbrowser.open(address)
        try:
            server(app).run(sockets=[listening])
        except KeyboardInterrupt:
            if out.is_terminal:
                out.print()
