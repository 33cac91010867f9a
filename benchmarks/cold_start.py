"""Cold start: time until a new function process answers, with Lambda's runtime client and runtime emulator."""

from __future__ import annotations

import compileall
import http.client
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from py_compile import PycInvalidationMode
from statistics import median

import boto3

from benchmarks import synthetic_alerts
from benchmarks.figures import Bound, Figure
from benchmarks.processes import (
    PACKAGE,
    REGION,
    ROOT,
    BenchmarkError,
    aws,
    environment,
    free_port,
    moto_server,
    stop,
    wait_for_port,
)
from benchmarks.workspace import Workspace

BUCKET = "benchmark"
DATABASE = "benchmark"

#: Distributions in Lambda's image, and those of a layer with pandas.
RUNTIME = (
    "awslambdaric", "snapshot-restore-py", "simplejson",
    "boto3", "botocore", "jmespath", "s3transfer", "urllib3", "python-dateutil", "six",
)  # fmt: skip
PANDAS = ("pandas", "numpy", "tzdata")

OURS, FIRST_OF_DAY, OLD, EMPTY = "anomalake", "anomalake, a new partition", "the old pipeline", "an empty handler"


@dataclass(frozen=True, slots=True)
class Function:
    """A function as in Lambda: the folders of its code, of its layers and of the image, and its variables."""

    handler: str
    folders: tuple[Path, ...]
    variables: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        """Return the environment variables of the process."""
        return environment(
            **self.variables,
            PYTHONPATH=os.pathsep.join(map(str, self.folders)),
            PYTHONDONTWRITEBYTECODE="1",
            AWS_LAMBDA_FUNCTION_NAME="benchmark",
            AWS_LAMBDA_FUNCTION_MEMORY_SIZE="1024",
            LAMBDA_TASK_ROOT=str(self.folders[0]),
        )


def measure(workspace: Workspace) -> list[Figure]:
    """Measure the time from the start of the runtime to the first answer, of each function in turn."""
    runs = workspace.size(11, 2)
    emulator = _emulator(workspace.new_folder())
    with moto_server(BUCKET) as endpoint:
        _declare_tables(endpoint)
        functions = _lay_out(workspace.new_folder(), endpoint)
        seconds: dict[str, list[float]] = {name: [] for name in functions}
        # The first run is not counted: it reads files from the disk and creates the partition of the first day.
        for number in range(runs + 1):
            day, hour = 24 * len(synthetic_alerts.DETECTORS), len(synthetic_alerts.DETECTORS)
            for name, function in functions.items():
                alert = synthetic_alerts.line((number + 1) * day if name == FIRST_OF_DAY else number * hour)
                seconds[name].append(_first_answer(emulator, function, alert))
            workspace.log(", ".join(f"{name} {took[-1] * 1_000:.0f} ms" for name, took in seconds.items()))
    for line in _imports(functions[OURS]):
        workspace.log(line)
    took = {name: median(times[1:]) for name, times in seconds.items()}
    how = (
        "from the start of the runtime client (awslambdaric under aws-lambda-rie) to the response; "
        f"moto server for S3 and Glue; median of {runs}, alternating"
    )
    against = f"against a handler that imports pandas and boto3 and stores the alert in two CSV files; {how}"
    milliseconds = {
        OURS: "package and trimmed layer as deployed",
        FIRST_OF_DAY: "imports boto3, which is in Lambda's image",
        OLD: "pandas without pyarrow, precompiled",
        EMPTY: "runtime client only",
    }
    return [
        Figure("cold start of ingest: import, first alert", took[OURS] / took[OLD], "times", Bound("<=", 0.5), against),
        Figure(
            "the same for the first alert of a detector and day",
            took[FIRST_OF_DAY] / took[OLD],
            "times",
            None,
            f"ingest also registers a new partition in Glue, which the old pipeline leaves to a crawl; {against}",
        ),
        *(Figure(f"cold start: {name}", took[name] * 1_000, "ms", None, note) for name, note in milliseconds.items()),
    ]


def _emulator(folder: Path) -> Path:
    machine = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine())
    spec = importlib.util.find_spec("samcli")
    if spec is None or spec.origin is None or platform.system() != "Linux":
        raise BenchmarkError("no aws-lambda-rie: expected Linux, and aws-sam-cli installed beside this Python")
    source = Path(spec.origin).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    if not source.is_file():
        raise BenchmarkError(f"aws-sam-cli has no {source.name}")
    folder.mkdir()
    emulator = Path(shutil.copy(source, folder / "aws-lambda-rie"))
    emulator.chmod(0o755)
    return emulator


def _declare_tables(endpoint: str) -> None:
    variables = aws(endpoint)
    glue = boto3.client(
        "glue",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    glue.create_database(DatabaseInput={"Name": DATABASE})
    keys = [{"Name": name, "Type": "string"} for name in ("detector", "day")]
    table = {
        "Name": "alert_rows",
        "PartitionKeys": keys,
        "StorageDescriptor": {"Location": f"s3://{BUCKET}/lake/tables"},
    }
    glue.create_table(DatabaseName=DATABASE, TableInput=table)


def _lay_out(folder: Path, endpoint: str) -> dict[str, Function]:
    """Build the functions from the distributions of this environment, as the builds of the layers do."""
    runtime, layer, pandas_layer = folder / "runtime", folder / "layer", folder / "pandas"
    _copy_distributions(RUNTIME, runtime)
    _compile(runtime)
    locked = ROOT / "layers" / "dependencies" / "ingest" / "requirements.txt"
    _copy_distributions(re.findall(r"^([A-Za-z0-9._-]+)==", locked.read_text(encoding="utf-8"), re.MULTILINE), layer)
    subprocess.run([sys.executable, str(locked.parents[1] / "trim.py"), str(layer), "ingest"], check=True)
    shutil.copytree(PACKAGE / "anomalake", layer / "anomalake", ignore=shutil.ignore_patterns("__pycache__"))
    _compile(layer)
    _copy_distributions(PANDAS, pandas_layer)
    _compile(pandas_layer)
    code = {name: folder / name for name in ("ours", "old", "empty")}
    for code_folder in code.values():
        code_folder.mkdir()
    shutil.copy(ROOT / "functions" / "ingest" / "app.py", code["ours"] / "app.py")
    shutil.copy(ROOT / "benchmarks" / "old_pipeline.py", code["old"] / "app.py")
    (code["empty"] / "app.py").write_text("def handler(event, context):\n    return 'stored'\n", encoding="utf-8")
    ours = {
        "ANOMALAKE_LAKE": f"s3://{BUCKET}/lake",
        "ANOMALAKE_FORMATS": "parquet",
        "ANOMALAKE_DATABASE": DATABASE,
        "POWERTOOLS_SERVICE_NAME": "ingest",
        "POWERTOOLS_METRICS_NAMESPACE": "anomalake",
        **aws(endpoint),
    }
    ingest = Function("app.handler", (code["ours"], layer, runtime), ours)
    old = {"OLD_PIPELINE_BUCKET": BUCKET, **aws(endpoint)}
    return {
        OURS: ingest,
        FIRST_OF_DAY: ingest,
        OLD: Function("app.handler", (code["old"], pandas_layer, runtime), old),
        EMPTY: Function("app.handler", (code["empty"], runtime), aws(endpoint)),
    }


def _copy_distributions(names: Iterable[str], target: Path) -> None:
    """Copy distributions into a folder, as ``pip install --no-deps --target`` does."""
    for name in names:
        try:
            installed = distribution(name)
        except PackageNotFoundError as error:
            raise BenchmarkError(f"{name} is not installed beside this Python") from error
        for file in installed.files or ():
            if "__pycache__" in file.parts:
                continue
            # Paths of scripts begin with ../../../bin.
            to = target.joinpath(*[part for part in file.parts if part != ".."])
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), to)


def _compile(folder: Path) -> None:
    compileall.compile_dir(folder, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


def _command(*arguments: str) -> list[str]:
    """Return a command of this Python without its installed packages (``-S``)."""
    return [sys.executable, "-S", *arguments]


def _first_answer(emulator: Path, function: Function, alert: str) -> float:
    """Return the seconds from the start of the runtime to its answer; the first event makes the emulator start it."""
    port = free_port()
    command = [
        str(emulator), "--log-level", "error",
        "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
        "--runtime-api-address", f"127.0.0.1:{free_port()}",
        *_command("-m", "awslambdaric", function.handler),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        env=function.environment(),
        cwd=function.folders[0],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, process)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        start = time.perf_counter()
        connection.request("POST", "/2015-03-31/functions/function/invocations", body=alert)
        answer = connection.getresponse().read()
        seconds = time.perf_counter() - start
        connection.close()
    finally:
        stop(process)
    if json.loads(answer) not in ("stored", {"stored": 1, "repeated": 0, "clashes": 0}):
        raise BenchmarkError(f"the function answered {answer[:300]!r}")
    return seconds


def _imports(function: Function) -> list[str]:
    """Return lines with the import time of each package of the function, longest first."""
    process = subprocess.run(
        _command("-X", "importtime", "-c", "import app"),
        env=function.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    own: dict[str, int] = defaultdict(int)
    for microseconds, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", process.stderr, re.MULTILINE):
        own[name.partition(".")[0]] += int(microseconds)
    top = sorted(own.items(), key=lambda item: -item[1])
    lines = [f"imports of ingest: {sum(own.values()) / 1_000:.0f} ms in one go, of which"]
    return lines + [f"  {took / 1_000:6.1f} ms {package}" for package, took in top[:15]]
