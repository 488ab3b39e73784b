"""The demo's story: each step does something for real, checks the result, and reports it.

Law: the story reports only what it has seen. A step that sees something unexpected raises Failed.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import time

from contextlib import suppress
from datetime import datetime

from mayfly.demo import fixtures, process_memory, totp
from mayfly.demo.endpoint_client import fetch
from mayfly.demo.fixtures import ACCOUNT_ID, USER
from mayfly.demo.output import INDENT, WIDTH, Output
from mayfly.demo.stage import Event, Stage


ARN = f"arn:aws:iam::{ACCOUNT_ID}:user/{USER}"
PROMPT_SECONDS = 0.5

# Often enough that the session is in use whenever it is due: the daemon renews only sessions in use.
USE_EVERY_SECONDS = 5


class Story:
    """Plays on `stage` and prints to `output`."""

    def __init__(self, stage: Stage, output: Output) -> None:
        self._stage = stage
        self._output = output
        self._terminal: dict[str, str] = {}

    async def play(self, starting_seconds: float) -> None:
        """All steps, from a config to a search of the daemon's memory."""
        self._show_config()
        self._output.step("the daemon starts: mayfly serve")
        self._output.say(
            f"listening on http://{self._stage.address} after {starting_seconds:.2f} s; nobody was asked yet"
        )
        await self._first_client()
        self._show_cost()
        await self._second_terminal()
        await self._same_code_again()
        await self._status()
        await self._search_memory()

    def _show_config(self) -> None:
        self._output.step("a config: it names the secrets, and contains none")
        self._output.show("\n".join(line[4:] for line in self._stage.config.read_text().splitlines()[2:-2]))

    async def _first_client(self) -> None:
        """The first request, the only one that has to wait for a login."""
        self._output.step('a terminal: eval "$(mayfly env nsrc)", and then any program that uses AWS')
        self._terminal = await self._stage.terminal()
        began = time.perf_counter()
        arn = await self._stage.run("-m", "mayfly.demo.sdk_client", "whoami", env=self._terminal)
        seconds = time.perf_counter() - began
        self._expect(arn, ARN, "the first client")
        self._output.good(arn)
        self._output.say(
            f"{seconds:.2f} s, of which {PROMPT_SECONDS} s stand for a fingerprint. the program was plain botocore "
            "with its default credential chain: no profile, no keys, no plugin"
        )

    def _show_cost(self) -> None:
        """The calls of that request, as the stand-ins for 1Password and STS have recorded them."""
        calls, sts = self._stage.vault.calls(), self._stage.sts.calls
        logins = [call for call in sts if call.action == "GetSessionToken"]
        self._expect([0], [call["exit"] for call in calls], "1Password")
        self._expect(["ok"], [call.outcome for call in logins], "STS")
        prompts = self._stage.vault.state()["prompts"]
        self._output.step("what it took: one run of op, one approval, one call to STS")
        self._output.show(shlex.join(["op", *calls[0]["argv"]]))
        self._output.say(f"all four values in one run; approvals: {prompts}")
        self._output.show(f"sts GetSessionToken, {logins[0].parameters.get('DurationSeconds', '43200')} s")
        self._output.say(f"signature, MFA device {logins[0].mfa_serial} and code are valid: accepted")

    async def _second_terminal(self) -> None:
        """Every later client is answered from memory."""
        self._output.step("a second terminal")
        terminal = await self._stage.terminal()
        answers = [await fetch(terminal) for _ in range(5)]
        self._expect(1, len({answer.body for answer in answers}), "the answers")
        self._expect(1, len(self._stage.vault.calls()), "op")
        self._expect(1, self._stage.sts.calls_of("GetSessionToken"), "STS")
        fastest = min(answer.seconds for answer in answers)
        self._output.good(f"answered from memory in {fastest * 1000:.1f} ms")
        self._output.say("five requests got the same session: still one run of op and one call to STS")

    async def _same_code_again(self) -> None:
        """AWS accepts a code once. This is why the daemon sends each code once."""
        self._output.step("the same code a second time, straight to STS")
        step = next(call.code_step for call in self._stage.sts.calls if call.code_step is not None)
        vault = self._stage.vault
        login = {
            "access_key_id": vault.access_key_id,
            "secret_access_key": vault.secret_access_key,
            "mfa_serial": vault.mfa_id,
            "code": vault.code_at(step * totp.STEP_SECONDS),
        }
        argv = ("-m", "mayfly.demo.sdk_client", "replay")
        answer = await self._stage.run(*argv, env=self._stage.env, stdin=json.dumps(login).encode())
        if "invalid MFA" not in answer:
            raise self._stage.failed(f"the same code again: {answer}")
        self._output.good(f"refused: {answer}")
        self._output.say("AWS accepts a code once: mayfly sends each code once, and remembers the last one")

    async def _status(self) -> None:
        self._output.step("mayfly status")
        env = self._stage.env | {"COLUMNS": str(WIDTH - len(INDENT))}
        self._output.show(await self._stage.run("-m", "mayfly", "status", env=env))

    async def _search_memory(self) -> None:
        """The long-term keys were in a process that has ended, and not in the daemon."""
        vault = self._stage.vault
        temporary = json.loads((await fetch(self._terminal)).body)["AccessKeyId"]
        permanent = {vault.secret_access_key, vault.totp_seed, vault.access_key_id}
        self._output.step("the daemon's memory")
        searched = await asyncio.to_thread(process_memory.search, self._stage.daemon.pid, {temporary, *permanent})
        if searched is None:
            self._output.say("cannot be read, not even by its own user. permanent keys never were in it")
            return
        self._expect({temporary}, searched.found, "the daemon's memory")
        self._output.good(f"{searched.size_bytes / (1 << 20):.0f} MiB searched: no permanent key in it")
        self._output.say(
            f"the temporary key …{temporary[-4:]} is there. the permanent key, its secret and the seed of the codes "
            "are not, and never were: only the process that ran for this one login had them"
        )

    async def stay(self, life_seconds: float) -> None:
        """Invite the person to try it, and report every refresh, until it is cancelled."""
        self._invite(life_seconds)
        using = asyncio.create_task(self._keep_using())
        try:
            while True:
                event = await self._stage.events.get()
                if event["event"] == "daemon.ended":
                    raise self._stage.failed("mayfly serve ended")
                if event["event"].startswith("session.refresh"):
                    self._output.plain(f"{INDENT}{_clock(event['timestamp'])}  {refresh_line(event)}  {self._counts()}")
        finally:
            using.cancel()

    def _invite(self, life_seconds: float) -> None:
        self._output.step("your turn, in another terminal")
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in self._stage.own_variables.items())
        added = fixtures.folder_to_add(os.environ)
        path = f' PATH={shlex.quote(added)}:"$PATH"' if added else ""
        who = "aws sts get-caller-identity" if fixtures.has_aws(os.environ, added) else "mayfly whoami nsrc"
        self._output.show(f'export {variables}{path}\neval "$(mayfly env nsrc)"\n{who}\nmayfly status')
        self._output.step(f"sessions here end after {life_seconds:.0f} s: watch mayfly renew them, until ctrl-c")

    async def _keep_using(self) -> None:
        while True:
            with suppress(OSError):
                await fetch(self._terminal)
            await asyncio.sleep(USE_EVERY_SECONDS)

    def _counts(self) -> str:
        sessions = [call for call in self._stage.sts.calls if call.action == "GetSessionToken" and call.outcome == "ok"]
        return f"(so far: op {len(self._stage.vault.calls())}, sts {len(sessions)})"

    def _expect(self, expected: object, actual: object, what: str) -> None:
        if expected != actual:
            raise self._stage.failed(f"{what}: expected {expected}, and saw {actual}")


def refresh_line(event: Event) -> str:
    """A refresh in a line, from its event in the daemon's log."""
    if event["event"] == "session.refreshed":
        return f"{event['profile']} renewed, valid for {event['expires_in_seconds']} s"
    return f"{event['profile']}: {event.get('code')}: {event.get('reason')}"


def _clock(timestamp: str) -> str:
    return datetime.fromisoformat(timestamp).astimezone().strftime("%H:%M:%S")
