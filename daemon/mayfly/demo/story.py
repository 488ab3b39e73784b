"""The demo's story: each step does something for real, looks at what came of it, and tells.

Law: nothing is told that was not seen. A step that sees anything else than it should raises Failed.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import time

from contextlib import suppress
from datetime import datetime

from mayfly.demo import fixtures, memory
from mayfly.demo.fetch import fetch
from mayfly.demo.fixtures import ACCOUNT_ID, USER
from mayfly.demo.output import INDENT, Teller
from mayfly.demo.stage import Event, Stage


ARN = f"arn:aws:iam::{ACCOUNT_ID}:user/{USER}"
PROMPT_SECONDS = 0.5
CODE_PERIOD_SECONDS = 30

# So often that a session is in use whenever it is due.
USE_EVERY_SECONDS = 5


class Story:
    """Tells what happens on `stage`; `told` has what earlier steps have seen."""

    def __init__(self, stage: Stage, teller: Teller) -> None:
        self._stage = stage
        self._tell = teller
        self._terminal: dict[str, str] = {}

    async def play(self, starting_seconds: float) -> None:
        """All steps, from a config to a look into the daemon's memory."""
        self._show_config()
        self._tell.step("the daemon starts: mayfly serve")
        self._tell.say(
            f"listening on http://{self._stage.address} after {starting_seconds:.2f} s; nobody was asked yet"
        )
        await self._first_client()
        self._show_cost()
        await self._second_terminal()
        await self._same_code_again()
        await self._status()
        await self._look_into_memory()

    def _show_config(self) -> None:
        self._tell.step("a config that says where the secrets are, and has none in it")
        self._tell.show("\n".join(line[4:] for line in self._stage.config.read_text().splitlines()[2:-2]))

    async def _first_client(self) -> None:
        """The first request of all: the only one that has to wait."""
        self._tell.step('a terminal: eval "$(mayfly env nsrc)", and then any program that uses AWS')
        self._terminal = await self._stage.terminal()
        began = time.perf_counter()
        arn = await self._stage.run("-m", "mayfly.demo.sdk_client", "whoami", env=self._terminal)
        seconds = time.perf_counter() - began
        self._expect(arn, ARN, "the first client")
        self._tell.good(arn)
        self._tell.say(
            f"{seconds:.2f} s, with {PROMPT_SECONDS} s for the fingerprint, which is played here. that was plain "
            "botocore and its own default chain: no profile, no keys, no plugin"
        )

    def _show_cost(self) -> None:
        """What that request has cost, as 1Password and STS have counted it."""
        calls, sts = self._stage.vault.calls(), self._stage.sts.calls
        logins = [call for call in sts if call.action == "GetSessionToken"]
        self._expect([0], [call["exit"] for call in calls], "1Password")
        self._expect(["ok"], [call.outcome for call in logins], "STS")
        prompts = self._stage.vault.state()["prompts"]
        self._tell.step("what it took: one op, one approval, one call of STS")
        self._tell.show(shlex.join(["op", *calls[0]["argv"]]))
        self._tell.say(f"asked once, for all four values in one go; approvals: {prompts}")
        self._tell.show(f"sts GetSessionToken, {logins[0].parameters.get('DurationSeconds', '43200')} s")
        self._tell.say(f"signature right, device {logins[0].mfa_serial} right, code right: accepted")

    async def _second_terminal(self) -> None:
        """Everybody else is answered from memory."""
        self._tell.step("a second terminal")
        terminal = await self._stage.terminal()
        answers = [await fetch(terminal) for _ in range(5)]
        self._expect(1, len({answer.body for answer in answers}), "the answers")
        self._expect(1, len(self._stage.vault.calls()), "op")
        self._expect(1, self._stage.sts.calls_of("GetSessionToken"), "STS")
        fastest = min(answer.seconds for answer in answers)
        self._tell.good(f"answered from memory in {fastest * 1000:.1f} ms")
        self._tell.say("the same session, five times over: still one op and one call of STS")

    async def _same_code_again(self) -> None:
        """A code counts once, which is why the daemon sends each once."""
        self._tell.step("the same code a second time, straight to STS")
        step = next(call.code_step for call in self._stage.sts.calls if call.code_step is not None)
        vault = self._stage.vault
        given = {
            "access_key_id": vault.access_key_id,
            "secret_access_key": vault.secret_access_key,
            "mfa_serial": vault.mfa_id,
            "code": vault.code_at(step * CODE_PERIOD_SECONDS),
        }
        argv = ("-m", "mayfly.demo.sdk_client", "replay")
        answer = await self._stage.run(*argv, env=self._stage.env, stdin=json.dumps(given).encode())
        if "invalid MFA" not in answer:
            raise self._stage.failed(f"the same code again: {answer}")
        self._tell.good(f"refused: {answer}")
        self._tell.say("a code counts once: mayfly sends each once, and remembers which was the last")

    async def _status(self) -> None:
        self._tell.step("mayfly status")
        self._tell.show(await self._stage.mayfly("status"))

    async def _look_into_memory(self) -> None:
        """The permanent keys were in a process that has ended; nothing of them is in the one that stays."""
        vault = self._stage.vault
        temporary = json.loads((await fetch(self._terminal)).body)["AccessKeyId"]
        permanent = {vault.secret_access_key, vault.totp_seed, vault.access_key_id}
        self._tell.step("the daemon's memory")
        seen = await asyncio.to_thread(memory.search, self._stage.daemon.pid, {temporary, *permanent})
        if seen is None:
            self._tell.say("may not be looked at: not even by its own user. permanent keys never were in it")
            return
        self._expect({temporary}, seen.found, "what is in the daemon's memory")
        self._tell.good(f"{seen.size_bytes / (1 << 20):.0f} MiB searched: no permanent key in it")
        self._tell.say(
            f"the temporary key …{temporary[-4:]} is there. the permanent key, its secret and the seed of the codes "
            "are not, and never were: they were in a process that lived for that one login"
        )

    async def stay(self, life_seconds: float) -> None:
        """Invite the person in, and tell of every refresh; ends only by being cancelled."""
        self._invite(life_seconds)
        using = asyncio.create_task(self._keep_using())
        try:
            while True:
                event = await self._stage.events.get()
                if event["event"] == "daemon.ended":
                    raise self._stage.failed("mayfly serve ended")
                if event["event"].startswith("session.refresh"):
                    self._tell.plain(f"{INDENT}{_clock(event['timestamp'])}  {refresh_line(event)}  {self._counts()}")
        finally:
            using.cancel()

    def _invite(self, life_seconds: float) -> None:
        self._tell.step("and now you, in another terminal")
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in self._stage.own_variables.items())
        added = fixtures.folder_to_add(os.environ)
        path = f' PATH={shlex.quote(added)}:"$PATH"' if added else ""
        who = "aws sts get-caller-identity" if fixtures.has_aws(os.environ, added) else "mayfly whoami nsrc"
        self._tell.show(f'export {variables}{path}\neval "$(mayfly env nsrc)"\n{who}\nmayfly status')
        self._tell.step(f"sessions here end after {life_seconds:.0f} s: watch them being renewed, until ctrl-c")

    async def _keep_using(self) -> None:
        """Only what is used is renewed by itself."""
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
    """What came of a refresh, by the daemon's log."""
    if event["event"] == "session.refreshed":
        return f"{event['profile']} renewed, good for {event['expires_in_seconds']} s"
    return f"{event['profile']}: {event.get('code')}: {event.get('reason')}"


def _clock(timestamp: str) -> str:
    return datetime.fromisoformat(timestamp).astimezone().strftime("%H:%M:%S")
