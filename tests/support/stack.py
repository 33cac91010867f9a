"""The template, the stack built by `sam build`, and the stack deployed by `sam deploy` to an emulator."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from cfnlint.decode import cfn_yaml

from tests.support.patience import BUILD_PATIENCE, PATIENCE

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"


def tool(name: str) -> str | None:
    """Return the path of a command in the environment, else on the PATH."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.is_file() else shutil.which(name)


def template(path: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """Return a template with long forms (Ref) in place of short ones (!Ref)."""
    parsed: dict[str, Any] = cfn_yaml.load(str(path))
    return parsed


def system(path: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """Return a template with the resources of its local nested stacks, as if they were in one file.

    In the resources of a nested stack, each parameter is replaced by the value that the root gives. In the root, each
    output of a nested stack is replaced by the output's value. A value `!If [Condition, X, ""]` is taken as X: only
    resources with that condition use it.
    """
    root = template(path)
    resources: dict[str, Any] = root["Resources"]
    values: dict[tuple[str, str], Any] = {}
    for name, stack in list(resources.items()):
        file = stack["Properties"].get("TemplateURL") if stack["Type"] == "AWS::CloudFormation::Stack" else None
        if not isinstance(file, str):
            continue
        nested = template(path.parent / file)
        given = {key: _present(value) for key, value in stack["Properties"]["Parameters"].items()}
        assert given.keys() == nested["Parameters"].keys(), f"{file}: expected the parameters that the root gives"
        assert not resources.keys() & nested["Resources"].keys(), f"{file}: a logical id is in the root too"
        for key, condition in nested["Conditions"].items():
            assert _replaced(condition, given, {}) == root["Conditions"].setdefault(key, condition), f"{file}: {key}"
        resources |= _replaced(nested["Resources"], given, {})
        for key, output in nested.get("Outputs", {}).items():
            values[name, f"Outputs.{key}"] = _replaced(output["Value"], given, {})
        del resources[name]
    return {**root, "Resources": _replaced(resources, {}, values)}


def _present(value: Any) -> Any:
    """Return the value of a parameter for the resources that use it."""
    match value:
        case {"Fn::If": [_, present, ""]}:
            return present
        case {"Fn::Join": [",", {"Ref": _} as parameter]}:
            return parameter
    return value


def _replaced(node: Any, parameters: dict[str, Any], outputs: dict[tuple[str, str], Any]) -> Any:
    """Return a node with the values of parameters and of outputs of nested stacks."""
    match node:
        case {"Ref": name} if name in parameters:
            return parameters[name]
        case {"Fn::GetAtt": [name, attribute]} if (name, attribute) in outputs:
            return outputs[name, attribute]
        case {"Fn::Sub": str() as text}:
            return {"Fn::Sub": re.sub(r"\$\{(\w+)\}", lambda found: _inline(found, parameters), text)}
        case dict():
            return {key: _replaced(value, parameters, outputs) for key, value in node.items()}
        case list():
            return [_replaced(value, parameters, outputs) for value in node]
    return node


def _inline(found: re.Match[str], parameters: dict[str, Any]) -> str:
    """Return the value of a parameter as a part of a text for Fn::Sub."""
    match parameters.get(found[1], {"Ref": found[1]}):
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Sub": str() as text}:
            return text
    raise AssertionError(f"{found[0]}: expected a value that a text can contain")


def docker_has(image: str) -> bool:
    """Return whether a Docker engine is available and has an image."""
    docker = shutil.which("docker")
    return (
        docker is not None
        and not subprocess.run(
            [docker, "image", "inspect", image], capture_output=True, check=False, timeout=PATIENCE
        ).returncode
    )


def build(folder: Path, source: str = "template.yaml") -> Path:
    """Run `sam build` of a template with this Python into a folder, and return the folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [
            tool("sam") or "sam",
            "build",
            "--no-cached",
            "--template-file",
            str(ROOT / source),
            "--build-dir",
            str(folder),
        ],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        timeout=BUILD_PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@contextmanager
def emulator(log: Path) -> Iterator[str]:
    """Run MiniStack on a free port of 127.0.0.1; it runs functions with this Python."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
        "LAMBDA_ASYNC_RETRY_MAX_SECONDS": "0.5",
    }
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, stdout=out, stderr=out)
        try:
            until(lambda: _answers(endpoint), f"the emulator does not answer: {log}")
            yield endpoint
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def until(done: Callable[[], Any], otherwise: str) -> Any:
    """Call a function until its result is true, and return the result; fail after the time limit."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        result = done()
        if result:
            return result
        time.sleep(0.2)
    raise AssertionError(otherwise)


@dataclass(frozen=True)
class Deployed:
    """A stack on the emulator, with its outputs and clients."""

    endpoint: str
    outputs: dict[str, str]

    def client(self, service: str) -> Any:
        """Return a boto3 client of the emulator."""
        # Without long time limits, boto3 calls a slow function again.
        patient = Config(connect_timeout=PATIENCE, read_timeout=PATIENCE)
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, config=patient)


def deploy(built: Path, endpoint: str, stack: str, linked_layers: Sequence[str] = (), **parameters: str) -> Deployed:
    """Deploy a built stack to the emulator with `sam deploy`.

    Parameters
    ----------
    linked_layers
        Layers that are deployed as a link to what was built: to pack hundreds of megabytes, and to unpack them for each
        function, takes most of the time.
    """
    text = (built / "template.yaml").read_text("utf-8")
    for layer in linked_layers:
        content = f"ContentUri: {layer}\n"
        assert text.count(content) == 1, content
        text = text.replace(content, f"ContentUri: linked/{layer}\n")
        # A folder that Lambda and the emulator treat as one of `site`, whose .pth files may hold code.
        link = built / "linked" / layer / "python" / "lib" / "python3.13" / "site-packages" / "link.pth"
        link.parent.mkdir(parents=True)
        link.write_text(f"import sys; sys.path.insert(0, {str(built / layer / 'python')!r})\n", "utf-8")
    (built / "deployed.yaml").write_text(text, "utf-8")
    done = subprocess.run(
        [
            tool("sam") or "sam", "deploy", "--template-file", str(built / "deployed.yaml"), "--stack-name", stack,
            "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
            "--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items()),
        ],
        cwd=built,
        env={
            **os.environ, "AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": REGION, "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
        },
        capture_output=True,
        text=True,
        timeout=BUILD_PATIENCE,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = boto3.client("cloudformation", endpoint_url=endpoint, region_name=REGION).describe_stacks(StackName=stack)
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found["Stacks"][0]["Outputs"]}
    return Deployed(endpoint, outputs)


def set_redrive(deployed: Deployed, queue_url: str, dead_letter_url: str, max_receive_count: int, seconds: int) -> None:
    """Set a queue's redrive policy, which the emulator's CloudFormation ignores, and a visibility timeout for tests."""
    sqs = deployed.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=dead_letter_url, AttributeNames=["QueueArn"])
    policy = {"deadLetterTargetArn": found["Attributes"]["QueueArn"], "maxReceiveCount": str(max_receive_count)}
    attributes = {"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": str(seconds)}
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes=attributes)
