"""``python -m anomalake`` is the command ``anomalake``."""

from anomalake.cli.app import main

main()
