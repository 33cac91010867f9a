"""The command ``anomalake``, also as ``python -m anomalake``.

This module imports little, so that Ctrl-C is handled while the command is still imported.
"""

from typing import NoReturn

from anomalake.cli import interruption
from anomalake.cli.without_pandas import begin_process


def main() -> NoReturn:
    """Run the command; Ctrl-C ends it with one line and exit code 130."""
    interruption.watch()
    begin_process()
    try:
        from anomalake.cli.app import main as run

        run()
    except BaseException:
        if not interruption.interrupted():
            raise
        interruption.end()


if __name__ == "__main__":
    main()
