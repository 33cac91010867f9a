"""Description of the machine: processor, memory, system, libraries; no host name and no path."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "pyarrow",
    "obstore",
    "duckdb",
    "sqlglot",
    "pandas",
    "numpy",
    "boto3",
    "moto",
    "aws-lambda-powertools",
    "awslambdaric",
    "aws-sam-cli",
)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_cores(count: int) -> None:
    """Limit this process and its children to `count` cores, where the system supports that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def describe() -> dict[str, str]:
    """Return the description as labels and texts."""
    return {
        "processor": f"{_processor()}, {cores()} of {os.cpu_count()} cores used",
        "memory": f"{_memory() / 2**30:.1f} GiB",
        "system": f"{_system()}, kernel {platform.release().split('-')[0]}, {platform.machine()}",
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "libraries": ", ".join(f"{name} {installed}" for name in LIBRARIES if (installed := _version(name))),
    }


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> float:
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _system() -> str:
    for line in _lines("/etc/os-release"):
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip('"')
    return platform.system()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
