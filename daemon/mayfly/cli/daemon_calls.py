"""Requests to the daemon, as commands make them: every failure becomes a Stop with its words and its exit code."""

from __future__ import annotations

from contextlib import contextmanager, suppress

from mayfly import __version__
from mayfly.cli import client, speech
from mayfly.shared import config_place, runtime_folder
from mayfly.shared.errors import ConfigInvalid


TYPE_CHECKING = False  # typing and json cost every `aws` command 6 ms through credential-process
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any


START_IT = "start it: mayfly serve   (or: mayfly install --now)"

RESTART = "restart it, as by: systemctl --user restart mayfly.service"

# Most answers are there by then.
QUIET_SECONDS = 0.2


def add_profiles(parser: ArgumentParser) -> None:
    """The argument of a command for several profiles; none stands for all."""
    parser.add_argument("profiles", metavar="PROFILE", nargs="*", help="default: all")


def status(profiles: Iterable[str] = ()) -> dict[str, Any]:
    """The daemon's status, for a command about these profiles; raises Stop if there is none."""
    try:
        return tree(ask("GET", "/status"))
    except speech.Stop as reason:
        raise _with_suggestions(reason, profiles) from None


def _with_suggestions(reason: speech.Stop, profiles: Iterable[str]) -> speech.Stop:
    """The same Stop; if no daemon runs, with the names that the usual config lacks, so that the person mends both."""
    if reason.exit_code != speech.NOT_RUNNING:
        return reason
    from mayfly.config import document

    known: list[str] = []
    with suppress(ConfigInvalid):
        known.extend(document.read(config_place.config_file()).tables("profiles"))
    wrong = [name for name in profiles if name not in known]
    if not (wrong and known):
        return reason
    more = unknown(wrong, known)
    return speech.Stop(reason.exit_code, *reason.errors, *more.errors, hints=(*reason.hints, *more.hints))


def tree(body: bytes) -> dict[str, Any]:
    """The object in the body of an answer; raises Stop if there is none."""
    import json

    with understood():
        return dict(json.loads(body))


@contextmanager
def understood() -> Iterator[None]:
    """Read an answer: a key that is missing or a value of another kind raises Stop. The daemon may be anything."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        hint = f"it may be another version of mayfly: {RESTART}"
        raise speech.Stop(speech.FAILED, "the daemon's answer makes no sense", hints=(hint,)) from None


def config_path(status: Mapping[str, Any]) -> Path:
    """The path of the daemon's config."""
    import os

    from pathlib import Path

    # The locale of this process may have another encoding for paths than the daemon's.
    return Path(os.fsdecode(status["config"].encode(errors="surrogateescape")))


def ask(method: str, target: str) -> bytes:
    """The body of the daemon's answer; raises Stop if there is none, or any but a 200."""
    return answer(send(method, target))


def known_profiles(profiles: Iterable[str] = ()) -> list[str]:
    """The names of the daemon's profiles, in the config's order, for a command about some of them."""
    with understood():
        return [str(row["profile"]) for row in status(profiles)["profiles"]]


def ask_about(profile: str, method: str, *target: str) -> bytes:
    """The daemon's answer about `profile`; `target` is the path word by word, with `{}` for the profile's name."""
    return answer(send_about(profile, method, *target), profile)


def send_about(
    profile: str, method: str, *target: str, answer_seconds: float | None = client.ANSWER_SECONDS, body: bytes = b""
) -> client.Call:
    """The same request, without waiting for its answer; raises Stop, and sends nothing, if `profile` is no name."""
    if not _can_be_name(profile):
        raise unknown([profile], known_profiles())
    try:
        return send(method, "".join(f"/{profile if word == '{}' else word}" for word in target), answer_seconds, body)
    except speech.Stop as reason:
        raise _with_suggestions(reason, [profile]) from None


def _can_be_name(profile: str) -> bool:
    """True for 1 to 64 letters, digits, `.`, `_` and `-`, as may stand in a request's first line."""
    # Importing re would cost every `aws` command 2 ms.
    letters = all(letter.isalnum() or letter in "._-" for letter in profile)
    return letters and profile.isascii() and 0 < len(profile) <= 64


def send(
    method: str, target: str, answer_seconds: float | None = client.ANSWER_SECONDS, body: bytes = b""
) -> client.Call:
    """Send a request without waiting for its answer; raises Stop if no daemon of ours runs."""
    try:
        return client.send(method, target, answer_seconds=answer_seconds, body=body)
    except (client.NotRunning, client.Distrusted) as reason:
        raise stop_for(reason) from None


def is_answered(call: client.Call, seconds: float = QUIET_SECONDS) -> bool:
    """True if the daemon answers within `seconds`; nothing is said before."""
    import select

    return bool(select.select([call], [], [], seconds)[0])


def answer(call: client.Call, profile: str = "") -> bytes:
    """The body of the daemon's answer to `call`, which is about `profile`; raises Stop for any answer but a 200."""
    return body_of(replied(call), profile)


def replied(call: client.Call) -> client.Reply:
    """The daemon's answer to `call`, of any status; raises Stop if there is none."""
    try:
        return call.reply()
    except client.NotRunning as reason:
        raise stop_for(reason) from None


def body_of(reply: client.Reply, profile: str = "") -> bytes:
    """The body of a 200; any other answer, which is about `profile`, raises its Stop."""
    if reply.status == 200:
        return reply.body
    error: dict[str, Any] = {}
    with suppress(speech.Stop):
        error = tree(reply.body)
    if profile and error.get("code") == "UnknownProfile":
        raise unknown([profile], known_profiles())
    if error.get("code") == "NotFound":
        raise speech.Stop(speech.FAILED, "the daemon is of another version, and cannot do this", hints=(RESTART,))
    problems, hint = error.get("problems"), error.get("hint")
    message = error.get("message") or f"the daemon answered {reply.status} without a reason"
    texts = problems if problems and isinstance(problems, list) else [message]
    hints = (str(hint),) if hint else ()
    raise speech.Stop(_exit_code(error), *map(str, texts), hints=(*hints, *_of_this_shell(error, profile)))


def _of_this_shell(error: dict[str, Any], profile: str) -> Sequence[str]:
    """Hints about variables of this shell that 1Password's refusal may come from."""
    if not profile:
        return ()
    from mayfly.cli import op_variables

    with suppress(speech.Stop):
        return op_variables.hints(
            profile, str(error.get("code")), str(error.get("hint")), config_path=lambda: config_path(status())
        )
    return ()


def check_names(given: Sequence[str], known: Sequence[str]) -> None:
    """Raise Stop if a name of `given` is not in `known`."""
    wrong = [name for name in dict.fromkeys(given) if name not in known]
    if wrong:
        raise unknown(wrong, known)


def unknown(wrong: Iterable[str], known: Sequence[str]) -> speech.Stop:
    """The Stop for names that are not configured, with the nearest names that are."""
    texts: list[str] = []
    hints: list[str] = []
    for name in wrong:
        near = speech.did_you_mean(name, known)
        texts.append(f"there is no profile {name[:64]!r}{near}")
        hints += [] if near or hints else [f"profiles: {', '.join(known)}"]
    return speech.Stop(speech.WRONG_USAGE, *texts, hints=tuple(hints))


def _exit_code(error: dict[str, Any]) -> int:
    if error.get("problems") or error.get("code") == "GrantRefused":
        return speech.WRONG_USAGE
    return speech.HUMAN_MUST_ACT if error.get("needs_human") else speech.FAILED


def stop_for(reason: client.NotRunning | client.Distrusted) -> speech.Stop:
    """The Stop that says why there is no daemon, and what to do. It may take a moment to find out."""
    if isinstance(reason, client.Distrusted):
        from shlex import quote

        hint = f"see whose it is: ls -l {quote(runtime_folder.control_socket())}"
        return speech.Stop(speech.FAILED, str(reason), hints=(hint,))
    from mayfly.cli import ports, target

    port = target.expected_port()
    if user := ports.other_user(port):
        # Then systemd cannot open our socket, so no daemon starts that could say so and make the tokens new.
        why = f"port {port} belongs to {user}: your mayfly cannot run there until they go"
        rotate = "clients may have sent your tokens there: mayfly rotate"
        return speech.Stop(speech.NOT_RUNNING, str(reason), why, hints=(*ports.hints(port), rotate))
    lines, hint = _service_state()
    return speech.Stop(speech.NOT_RUNNING, str(reason), *lines, hints=(hint,))


def _service_state() -> tuple[tuple[str, ...], str]:
    """The status line of a service that has been started and does not serve, and what to do."""
    import os

    from mayfly.service import systemd

    with suppress(systemd.Refused):
        if _installed_units() and (text := systemd.status_text()) is not None:
            # A service whose socket file is gone cannot be reached.
            is_there = os.path.exists(runtime_folder.control_socket())
            hint = "systemctl --user status mayfly.service" if is_there else "mayfly install --now"
            return (f"the service says: {text}",) if text else (), hint
    return (), _how_to_start()


def _installed_units() -> str | None:
    """The version of Mayfly whose units are installed; None without units, or without a home for them."""
    from mayfly.service import files, systemd

    with suppress(ConfigInvalid):
        return files.version_of(systemd.folder() / systemd.SERVICE)
    return None


def _how_to_start() -> str:
    """The command that starts the service if it is installed, else the daemon, which needs a config."""
    import os
    import sys

    from mayfly.service import launchd

    if version := _installed_units():
        if version != __version__:
            return f"it is installed, with the units of mayfly {version}: mayfly install --now"
        return "it is installed: systemctl --user start mayfly.socket mayfly.service"
    if sys.platform == "darwin" and launchd.agent().exists():
        return "it is installed: mayfly install --now"
    config_places = config_place.config_places()
    if config_places and not any(map(os.path.lexists, config_places)):
        return config_place.MAKE_CONFIG
    return START_IT
