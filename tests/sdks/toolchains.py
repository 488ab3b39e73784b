"""How each little client program is built: what it needs is fetched by its language's own client, then built offline.

Everything goes to a folder outside of the repository, where the next run finds it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tests.soak.clock import LIBRARIES


SOURCES = Path(__file__).parent
FETCH_SECONDS = 180
BUILD_SECONDS = 300
# The oldest that can be had and that Terraform could still have been built with, and what to fall back on.
OLD_GO = ("go1.13.15", "go1.18.10", "go1.20.14")
MAVEN_DEPENDENCY = "org.apache.maven.plugins:maven-dependency-plugin:2.8:build-classpath"


class Missing(Exception):
    """A toolchain is not installed, or a registry cannot be reached."""


class Built(NamedTuple):
    """A client program that can be run."""

    version: str
    argv: tuple[str, ...]
    env: dict[str, str]


def cache_folder() -> Path:
    """Where downloads and builds stay."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "mayfly-sdks"


def boto3() -> Built:
    """From our own environment."""
    return Built(version("boto3"), (sys.executable, str(SOURCES / "python/boto3_client.py")), {})


def awscli() -> Built:
    """From our own environment; it shows its ARN, not its key."""
    aws = str(Path(sys.executable).with_name("aws"))
    query = ("sts", "get-caller-identity", "--query", "Arn", "--output", "text")
    return Built(version("awscli"), (sys.executable, aws, *query), {})


def pyarrow() -> Built:
    """The C++ SDK."""
    wanted, folder = (
        SOURCES / "python/requirements.txt",
        cache_folder() / f"python-{sys.version_info.major}.{sys.version_info.minor}",
    )
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--upgrade")
    if _pinned(wanted, r"pyarrow==(\S+)") not in {
        path.name.split("-")[1] for path in folder.glob("pyarrow-*.dist-info")
    }:
        _fetch(*pip, "--target", str(folder), "--requirement", str(wanted))
    argv = (sys.executable, str(SOURCES / "python/pyarrow_client.py"))
    return Built(_pinned(wanted, r"pyarrow==(\S+)"), argv, {"PYTHONPATH": str(folder)})


def mcp() -> Built:
    """The official Python SDK of MCP, and boto3, in an environment of their own."""
    if not LIBRARIES:
        raise Missing("there is no libfaketime")
    wanted = SOURCES / "mcp/requirements.txt"
    folder = cache_folder() / f"mcp-{sys.version_info.major}.{sys.version_info.minor}"
    python, installed = folder / "bin/python", folder / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted.read_text():
        _fetch(sys.executable, "-m", "venv", "--clear", str(folder))
        _fetch(str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "-r", str(wanted))
        shutil.copyfile(wanted, installed)
    return Built(_pinned(wanted, r"mcp==(\S+)"), (str(python),), {})


def node() -> Built:
    """The JavaScript SDK v3."""
    program, npm = _program("node"), _program("npm")
    folder = _copied("node")
    _fetch(npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)
    return Built(_pinned(folder / "package.json", r'node": "([^"]+)'), (program, str(folder / "main.js")), {})


def go() -> Built:
    """The Go SDK v2."""
    program, folder = _program("go"), _copied("go")
    _fetch(program, "mod", "download", cwd=folder, env={"GOFLAGS": " "})
    _build(program, "build", "-o", "client", ".", cwd=folder, env={"GOFLAGS": "-buildvcs=false", "GOPROXY": "off"})
    return Built(_pinned(folder / "go.mod", r"/config v(\S+)"), (str(folder / "client"),), {})


def old_go() -> Built:
    """Go's own HTTP client with Terraform's User-Agent: an older Go ends a request after five interim answers."""
    program, folder = _program("go"), _copied("go_net_http")
    toolchain = next((name for name in OLD_GO if _is_there(program, name)), None)
    if toolchain is None:
        raise Missing(f"none of {', '.join(OLD_GO)} can be fetched")
    _build(program, "build", "-o", "client", ".", cwd=folder, env={"GOFLAGS": " ", "GOTOOLCHAIN": toolchain})
    built_by = _run((program, "version", "client"), folder, None, FETCH_SECONDS).stdout
    assert toolchain in built_by, f"not built by {toolchain}: {built_by}"
    return Built(toolchain, (str(folder / "client"),), {})


def java() -> Built:
    """The Java SDK v2."""
    program, compiler, maven = _program("java"), _program("javac"), _program("mvn")
    folder = _copied("java")
    classpath = folder / "classpath.txt"
    _fetch(maven, "-q", "-B", MAVEN_DEPENDENCY, f"-Dmdep.outputFile={classpath}", cwd=folder)
    found = f"{classpath.read_text().strip()}:{folder}"
    _build(compiler, "-cp", found, "-d", str(folder), "Main.java", cwd=folder)
    return Built(_pinned(folder / "pom.xml", r"<version>(\d+\.\d\S+)</version>"), (program, "-cp", found, "Main"), {})


def rust() -> Built:
    """The Rust SDK."""
    program, folder = _program("cargo"), _copied("rust")
    _fetch(program, "fetch", "--quiet", cwd=folder)
    _build(program, "build", "--quiet", "--offline", cwd=folder)
    pin = _pinned(folder / "Cargo.toml", r'aws-config = \{ version = "=([^"]+)')
    return Built(pin, (str(folder / "target/debug/sdks"),), {})


def _is_there(go: str, toolchain: str) -> bool:
    """Whether this Go can be had; it is fetched if need be."""
    try:
        _fetch(go, "version", env={"GOFLAGS": " ", "GOTOOLCHAIN": toolchain})
    except Missing:
        return False
    return True


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"there is no {name}")
    return found


def _copied(language: str) -> Path:
    """The sources of a client, in its own folder of the cache: nothing is written beside them."""
    folder = cache_folder() / language
    shutil.copytree(SOURCES / language, folder, dirs_exist_ok=True)
    return folder


def _pinned(manifest: Path, pattern: str) -> str:
    found = re.search(pattern, manifest.read_text())
    assert found, f"{manifest} pins nothing by {pattern}"
    return found[1]


def _fetch(*argv: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Get from a registry; raises Missing where that fails."""
    try:
        ended = _run(argv, cwd, env, FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise Missing(f"{Path(argv[0]).name} got nothing from its registry in {FETCH_SECONDS} s") from None
    if ended.returncode:
        last = (ended.stdout.strip() or "no word").splitlines()[-1]
        raise Missing(f"{Path(argv[0]).name} cannot fetch: {last[:100]}")


def _build(*argv: str, cwd: Path, env: dict[str, str] | None = None) -> None:
    """Build what has been fetched; a failure is ours."""
    ended = _run(argv, cwd, env, BUILD_SECONDS)
    assert ended.returncode == 0, f"{Path(argv[0]).name} cannot build {cwd.name}:\n{ended.stdout}"


def _run(
    argv: tuple[str, ...], cwd: Path | None, env: dict[str, str] | None, seconds: float
) -> subprocess.CompletedProcess[str]:
    where = cwd or cache_folder()
    where.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        argv,
        cwd=where,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )
