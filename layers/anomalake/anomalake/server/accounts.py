"""The account in the ARNs of the local server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from anomalake.definitions.detector_file import DEFAULT_ACCOUNT
from anomalake.errors import one_line

#: Seconds that a request waits for STS, in all.
MOST_SECONDS: Final = 15.0


class AccountNumber:
    """The number of the account: a given one, else that of the credentials in use, else `DEFAULT_ACCOUNT`.

    STS is asked once, in a thread, for the first request that needs the number. It waits for the answer for a short
    time; then the number stays, so that it is the same in all ARNs.

    Parameters
    ----------
    given
        The number, if it is known.
    ask
        Asks for the account of the credentials; None where there are none. May raise any error.
    report
        Called with a line for the operator if there are credentials, and the default is used.
    most_seconds
        Seconds to wait.
    """

    def __init__(
        self,
        given: str | None = None,
        ask: Callable[[], str | None] | None = None,
        report: Callable[[str], None] = lambda _: None,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._number = given
        self._ask = ask or account_of_credentials
        self._report = report
        self._most_seconds = most_seconds
        self._answered = threading.Event()
        self._lock = threading.Lock()
        self._asked: str | None = None
        self._problem = ""

    def get(self) -> str:
        """Return the number; waits for a short time where it is not known yet."""
        if self._number is None:
            with self._lock:
                if self._number is None:
                    threading.Thread(target=self._look_up, name="account", daemon=True).start()
                    if not self._answered.wait(self._most_seconds):
                        self._problem = f"no answer for {self._most_seconds:g} seconds"
                    asked = self._asked
                    self._number = asked or DEFAULT_ACCOUNT
                    if asked is None and self._problem:
                        self._report(
                            f"STS: {self._problem}; ARNs have the account {DEFAULT_ACCOUNT}, --account gives another"
                        )
        return self._number

    def _look_up(self) -> None:
        try:
            self._asked = self._ask()
        except Exception as error:  # without an answer, for whatever reason, the default is used
            self._problem = one_line(error)
        self._answered.set()


def account_of_credentials() -> str | None:
    """Ask STS for the account of the credentials in use; None where there are none; raises boto3's errors."""
    try:
        import boto3
    except ImportError:
        return None
    from botocore.config import Config

    session = boto3.Session()
    if session.get_credentials() is None:
        return None
    # Who is offline does not wait long; a slow answer is waited for.
    config = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1})
    sts = session.client("sts", region_name=session.region_name or "us-east-1", config=config)
    account: str = sts.get_caller_identity()["Account"]
    return account
