"""Lookout for Metrics' API of a lake on this machine, with its jobs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from anomalake.definitions.detector_file import DEFAULT_ACCOUNT, DEFAULT_REGION
from anomalake.errors import AnomalakeError
from anomalake.lake.lake import utc_now
from anomalake.server.accounts import AccountNumber
from anomalake.server.api_endpoint import Api
from anomalake.server.local_jobs import JobSettings, LocalJobs
from anomalake.server.lookoutmetrics.handlers import all_handlers
from anomalake.server.signatures import Scope
from anomalake.services.workspace import Account, Workspace
from anomalake.storage.objects import open_store, store_folder

_ACCOUNT: Final = re.compile(r"\d{12}")
_REGION: Final = re.compile(r"[a-z]{2,3}(-[a-z]+)+-\d{1,2}")
_PARTITIONS: Final = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


class OptionError(AnomalakeError, ValueError):
    """An invalid region or account."""


def job_settings(
    lake: str,
    *,
    detectors: str | None = None,
    region: str | None = None,
    account: str | None = None,
    page: str = "",
    send: bool = False,
    send_backtest_alerts: bool = False,
) -> JobSettings:
    """Return the settings of a lake's jobs, and make the folders of the lake and of its detector files.

    Parameters
    ----------
    detectors
        Folder of the detector files. Default: ``detectors`` in the lake.
    region, account
        In ARNs of detectors whose files have no ARN. Default: those of `anomalake detect`.
    page, send, send_backtest_alerts
        As in `JobSettings`.

    Raises
    ------
    LakeUriError, OptionError, StoreError
    """
    if region is not None and not _REGION.fullmatch(region):
        raise OptionError(f"region {region!r}: expected one such as us-east-1")
    if account is not None and not _ACCOUNT.fullmatch(account):
        raise OptionError(f"account {account!r}: expected 12 digits")
    open_store(lake)
    folder = detectors or f"{lake.rstrip('/')}/detectors"
    if not folder.startswith("s3://"):
        # Source data of detector files are relative to this folder, wherever the server was started.
        folder = str(store_folder(folder).resolve())
    open_store(folder)
    return JobSettings(
        lake, folder, region or DEFAULT_REGION, account or DEFAULT_ACCOUNT, page, send, send_backtest_alerts
    )


def local_api(
    settings: JobSettings,
    jobs: LocalJobs,
    report: Callable[[str], None],
    *,
    region: str | None = None,
    account: AccountNumber,
) -> Api:
    """Return the API of a lake.

    Parameters
    ----------
    settings, jobs
        Settings of its jobs, and the jobs.
    report
        Called with a line for the operator of the server.
    region
        Region in new ARNs. Default: that of the request's signature.
    account
        Account in new ARNs.
    """
    store, files = open_store(settings.lake), settings.files()

    def workspace(scope: Scope) -> Workspace:
        here = region or scope.region
        partition = next((name for prefix, name in _PARTITIONS.items() if here.startswith(prefix)), "aws")
        return Workspace(settings.lake, store, files, Account(partition, here, account.get()), utc_now, jobs)

    return Api(workspace, all_handlers, report)
