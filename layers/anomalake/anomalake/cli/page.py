"""``anomalake dashboard`` and ``anomalake serve``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anomalake.cli import interruption
from anomalake.cli.console import line, note_missing_lake, stderr, stdout
from anomalake.cli.options import DEFAULT_PORT, LakeUri, PageUrl, checked_page
from anomalake.cli.user import user_name
from anomalake.cli.without_pandas import use_pyarrow_without_pandas

if TYPE_CHECKING:
    from anomalake.page.document import PageDocument


def dashboard(
    lake: LakeUri,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="File to write; its folder is created.")],
) -> None:
    """Write the page: live values, anomalies and contributions in one HTML file that needs no network.

    Open it in a browser, send it to a colleague, or publish it at the URL that `--page` of `detect` gives. Exit code 1:
    a part of the lake could not be read; the page shows the rest.
    """
    from anomalake.services.dashboard import check_complete, make_document, summary_of, unread_in, write_page

    use_pyarrow_without_pandas()
    note_missing_lake(lake)
    document, _ = make_document(lake)
    written = write_page(document, out)
    line(stdout(), f"{out}: {written.size / 1e6:.1f} MB, {summary_of(document)}")
    unread = unread_in(document)
    for text in document.notes:
        if text not in unread:
            line(stderr(), f"  {text}")
    check_complete(written)


def serve(
    lake: LakeUri,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Port on this machine; 0: any free port.")
    ] = DEFAULT_PORT,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = False,
    detectors: Annotated[
        str | None,
        typer.Option("--detectors", metavar="URI", help="Folder of detector files. Default: detectors in the lake."),
    ] = None,
    detect: Annotated[
        bool | None,
        typer.Option("--detect/--no-detect", help="Run due intervals. Default: for a lake that is a folder."),
    ] = None,
    send: Annotated[
        bool,
        typer.Option("--send", help="Send alerts of due intervals to functions and topics, not to the lake only."),
    ] = False,
    send_backtest_alerts: Annotated[
        bool, typer.Option("--send-backtest-alerts", help="Send alerts of backtests of the API to them, too.")
    ] = False,
    page_url: PageUrl = "",
    region: Annotated[
        str | None, typer.Option("--region", metavar="R", help="Region in ARNs. Default: that of the signature.")
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="N", help="Account in ARNs. Default: asked from STS, or zeros.")
    ] = None,
) -> None:
    """Serve the page and Lookout for Metrics' API at http://127.0.0.1. Ctrl-C ends it.

    The page is always current; feedback, snoozes and comments are buttons. Only this machine can reach it. The lake is
    read again when the page is looked at and a file has changed, at most every ten seconds. Backtests and due intervals
    of active detectors run in processes of their own. Exit code 1: when the lake was read last, a part could not be
    read.
    """
    import webbrowser
    from contextlib import ExitStack, closing

    from anomalake.errors import require
    from anomalake.page.page import page
    from anomalake.services.dashboard import ServedPage, unread_in
    from anomalake.storage.objects import open_store

    require("starlette", "uvicorn", extra="serve")
    from anomalake.server.accounts import AccountNumber
    from anomalake.server.application import application
    from anomalake.server.documents import Site
    from anomalake.server.listening import ADDRESS, listen, server
    from anomalake.server.local_api import job_settings, local_api
    from anomalake.server.local_jobs import LocalJobs

    use_pyarrow_without_pandas()
    console, served = stdout(), ServedPage(lake)
    complete, reported = True, tuple[str, ...]()

    def make() -> PageDocument:
        nonlocal complete, reported
        complete = False
        document = served.document()
        unread = unread_in(document)
        for text in unread:
            if text not in reported:
                report(text)
        complete, reported = not unread, unread
        return document

    def show(document: PageDocument, token: str) -> bytes:
        return page(document, token=token)

    def report(text: str) -> None:
        line(stderr(), f"anomalake: {text}")

    page_url = checked_page(page_url)
    note_missing_lake(lake)
    # The port is opened first, so that a port in use is reported at once.
    with closing(listen(port)) as listening, ExitStack() as ending:
        opened = listening.getsockname()[1]
        address = f"http://{ADDRESS}:{opened}/"
        settings = job_settings(
            lake, detectors=detectors, region=region, account=account, page=page_url, send=send,
            send_backtest_alerts=send_backtest_alerts,
        )  # fmt: skip
        jobs = LocalJobs(settings, report, detects=detect if detect is not None else not lake.startswith("s3://"))
        api = local_api(settings, jobs, report, region=region, account=AccountNumber(account, report=report))
        app = application(Site(make, show, open_store(lake), report, user=user_name()), opened, api=api)
        jobs.start()
        ending.callback(jobs.stop)
        line(console, f"{address} shows {lake}, and answers Lookout for Metrics' API; Ctrl-C ends it")
        if open_:
            webbrowser.open(address)
        interruption.release()
        try:
            server(app).run(sockets=[listening])
        except KeyboardInterrupt:
            if console.is_terminal:
                console.print()
    if not complete:
        raise typer.Exit(1)
