"""Handler of the function backtest: a backtest was started by the API, or goes on after the time of an invocation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache, partial
from typing import Any

from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.environment import BacktestEnvironment
from anomalake.aws.function_jobs import FunctionJobs
from anomalake.aws.observability import logger, observed
from anomalake.errors import AnomalakeError
from anomalake.services.backtests.heartbeats import HEARTBEAT, STALE
from anomalake.services.backtests.job_runs import TimeLeft, run_backtest_job
from anomalake.services.backtests.jobs import BacktestJobs
from anomalake.services.backtests.requests import backtest_request
from anomalake.storage.objects import open_store

#: Seconds after which a run that ended without a word counts as dead.
DEAD_AFTER = STALE.total_seconds() + HEARTBEAT


class BacktestEventError(AnomalakeError):
    """An invalid event: its content, and what was expected."""


@cache
def _wired() -> BacktestJobs:
    environment = BacktestEnvironment.read(os.environ)
    store = open_store(environment.lake)
    files = DetectorFiles(environment.detectors, environment.region, environment.account)
    return BacktestJobs(
        lake=environment.lake,
        store=store,
        requested=partial(backtest_request, store, files),
        send=environment.sends_alerts,
        page=environment.page,
    )


@observed
def handler(event: Any, context: Any) -> dict[str, str]:
    """Entry point of the function."""
    function: str = context.invoked_function_arn
    return respond(
        event,
        _wired(),
        lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()),
        FunctionJobs(detect="", backtest=function).backtest,
        time.sleep,
    )


def respond(
    event: Any, jobs: BacktestJobs, time_left: TimeLeft, again: Callable[[str], None], wait: Callable[[float], None]
) -> dict[str, str]:
    """Run the backtest of a detector.

    Parameters
    ----------
    again
        Invokes the function again for a detector; called where the time was too short.
    wait
        Waits for seconds.
    """
    if not isinstance(event, dict) or not isinstance(event.get("detector"), str):
        raise BacktestEventError(f'event {str(event)[:200]}: expected {{"detector": NAME}}')
    name = event["detector"]
    run = run_backtest_job(jobs, name, time_left)
    if run.status == "BUSY":
        # The other run goes on, or Lambda has ended it without a word.
        wait(DEAD_AFTER)
        run = run_backtest_job(jobs, name, time_left)
    if run.status == "AGAIN":
        again(name)
    log = logger.warning if run.reason else logger.info
    log("backtest", detector=name, status=run.status, reason=run.reason)
    return {"detector": name, "status": run.status}
