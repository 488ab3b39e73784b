"""Grants from outside, by raw bytes: made, used, listed, held, ended, and kept over a restart of the daemon."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import stat

from pathlib import Path
from typing import Any

from mayfly.demo.sts.server import EmbeddedSts, Role
from support.desks import Screen, put_program
from support.raw import Reply, dial, dial_unix, filled, get
from support.world import PATIENCE_SECONDS, SEED_ACCOUNT, SEED_TOML, World


ROLE = f"""
[profiles.admin]
source_profile = "nsrc"
role_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"

[profiles.narrow]
source_profile = "nsrc"
role_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Narrow"
policy_arns = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]

[profiles.each]
source_profile = "nsrc"
role_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Each"
mfa = "each"
"""
# Without MFA, a second login need not wait for the next one-time password.
CODELESS = "".join(line for line in SEED_TOML.splitlines(keepends=True) if not line.startswith(("otp", "mfa_id")))
READ_ONLY = {"words": "read-only", "policy_arns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'


async def ask(world: World, method: str, target: str, tree: Any = None) -> Reply:
    body = b"" if tree is None else json.dumps(tree).encode()
    head = f"{method} {target} HTTP/1.1\r\nHost: mayfly\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    async with dial_unix(world.run_dir / "control.sock") as line:
        line.send(head.encode() + body)
        return await line.reply()


async def grant(world: World, **wanted: Any) -> dict[str, Any]:
    reply = await ask(world, "POST", "/grants", {"profile": "nsrc"} | wanted)
    assert 200 == reply.status, reply.body
    made: dict[str, Any] = reply.json
    return made


async def listed(world: World) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await ask(world, "GET", "/grants")).json
    return rows


async def fetch(world: World, token: str) -> tuple[int, str]:
    """The status, and the code of an error."""
    reply = await world.get(token=token)
    return reply.status, reply.json.get("code", "")


async def gone(world: World, token: str) -> str:
    """The sentence with which the token is refused, as soon as it is."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (reply := await world.get(token=token)).status != 401:
            await asyncio.sleep(0.02)
    return str(reply.json["message"])


async def saved(world: World, *ids: str) -> dict[str, Any]:
    """grants.json, as soon as it has exactly these grants."""
    file = world.run_dir / "grants.json"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            tree: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"grants": []}
            if {*ids} == {row["id"] for row in tree["grants"]}:
                return tree
            await asyncio.sleep(0.02)


async def test_a_grant_is_made_used_listed_and_revoked(world: World) -> None:
    """Its token opens the profile's URL, each use is counted and logged by label, and after its end it is 401."""
    async with world.serve() as daemon:
        made = await grant(world, label="claude", seconds=900, token_file=True)
        token, path = made["token"], world.run_dir / "grants" / made["id"] / "token"
        assert token == path.read_text()
        assert [0o600, 0o700] == [stat.S_IMODE(place.stat().st_mode) for place in (path, path.parent)]
        own = await world.get()
        async with dial(world.port) as line:
            for _ in range(3):
                line.send(filled(get("/credentials/nsrc", "Authorization: {token}"), port=str(world.port), token=token))
                assert own.json == (await line.reply()).json
            (row,) = await listed(world)
            ended = await ask(world, "DELETE", f"/grants/{made['id']}")
            line.send(filled(get("/credentials/nsrc", "Authorization: {token}"), port=str(world.port), token=token))
            refused = await line.reply()
        again = await ask(world, "DELETE", f"/grants/{made['id']}")
        status = (await ask(world, "GET", "/status")).json
        await daemon.event("grant.ended")

    _is_new_grant(made, path)
    assert ("claude", 3, "none", False) == (row["label"], row["uses"], row["state"], row["held"])
    assert (made["ends_at"], True) == (row["ends_at"], bool(row["last_used_by"]))
    assert (made["id"], own.json["Expiration"]) == (ended.json["id"], ended.json["outlives_until"])
    assert (401, "GrantEnded") == (refused.status, refused.json["code"])
    assert "this grant has ended: it was revoked" in refused.json["message"]
    assert (404, "UnknownGrant") == (again.status, again.json["code"])
    assert 0 == status["grants"]
    assert not path.parent.exists()
    assert 1 == len([each for each in daemon.events("credentials.handed_out") if each.get("label") == "claude"])
    assert token not in daemon.log_text
    assert 1 == len(world.vault.calls())


def _is_new_grant(made: dict[str, Any], path: Path) -> None:
    assert re.fullmatch("[A-Za-z0-9_-]{43}", made["token"])
    assert re.fullmatch("[0-9a-f]{8}", made["id"])
    assert {
        "label": "claude",
        "profile": "nsrc",
        "narrowing": None,
        "as": "endpoint",
        "session_name": None,
        "outlives_seconds": 0,
        "token_path": str(path),
        "socket": None,
        "folder": None,
        "config_file": None,
        "credentials_file": None,
        "credentials": None,
    }.items() < made.items()


async def test_a_grant_goes_on_in_the_next_daemon(world: World) -> None:
    """After a stop and after a kill; without a secret in the file, and without those whose time is over."""
    world.write_toml(CODELESS)
    async with world.serve() as daemon:
        await world.get()
        first, second = await grant(world, label="first"), await grant(world, label="second")
        assert (200, "") == await fetch(world, first["token"])
        await daemon.end()
    tree = await saved(world, first["id"], second["id"])
    file = world.run_dir / "grants.json"
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert [1, 0] == [row["uses"] for row in tree["grants"]]
    for secret in (first["token"], second["token"]):
        assert secret not in file.read_text()

    async with world.serve() as daemon:
        rows = await listed(world)
        assert (200, "") == await fetch(world, first["token"])
        third = await grant(world, label="third")
        assert 200 == (await ask(world, "DELETE", f"/grants/{second['id']}")).status
        tree = await saved(world, first["id"], third["id"])
        os.kill(daemon.pid, signal.SIGKILL)
        await daemon.process.wait()
    tree["grants"][0]["ends_at"] = "2026-01-01T00:00:00Z"
    file.write_text(json.dumps(tree))

    async with world.serve():
        assert [(401, "Unauthorized"), (401, "Unauthorized"), (200, "")] == [
            await fetch(world, made["token"]) for made in (first, second, third)
        ]
        assert ["third"] == [row["label"] for row in await listed(world)]
    assert [("first", 1), ("second", 0)] == [(row["label"], row["uses"]) for row in rows]


async def test_a_grant_ends_at_its_end(world: World) -> None:
    """At the endpoint to the second; the list and the log follow with the clock's look."""
    async with world.serve():
        made = await grant(world)
    file = world.run_dir / "grants.json"
    tree = await saved(world, made["id"])
    now = (await world.run_program("date", "-u", "-d", "now + 3 seconds", "+%Y-%m-%dT%H:%M:%SZ")).out.strip()
    tree["grants"][0]["ends_at"] = now
    file.write_text(json.dumps(tree))

    async with world.serve():
        message = await gone(world, made["token"])

    assert "this grant has ended: its time is over" in message
    assert "mayfly grant nsrc" in message


async def test_a_grants_json_that_cannot_be_used_is_passed_over(world: World) -> None:
    """With one warning and no traceback, and it is written anew."""
    file = world.run_dir / "grants.json"
    world.run_dir.mkdir(mode=0o700)
    file.write_text('{"version":1,"grants":[{}],"narrowings":[]}')
    file.chmod(0o600)

    async with world.serve() as daemon:
        (warned,) = daemon.events("grants.ignored")
        made = await grant(world)
        await saved(world, made["id"])

    assert f"{file}: is no list of grants" == warned["reason"]
    assert "Traceback" not in daemon.log_text


async def test_a_reload_ends_the_grants_of_what_changed(world: World) -> None:
    """Those of unchanged profiles stay; `rotate` and `forget` end none."""
    other = CODELESS.replace("nsrc]", "other]")
    world.write_toml(CODELESS + other)
    async with world.serve() as daemon:
        await world.get()
        stays, changes = await grant(world), await grant(world, profile="other")
        world.write_toml(CODELESS + other + "duration_seconds = 7200\n")
        assert 200 == (await ask(world, "POST", "/reload")).status
        gone = await world.get("/credentials/other", token=changes["token"])
        assert 0 == (await world.run("rotate")).code
        assert 0 == (await world.run("forget", "nsrc")).code
        kept = await fetch(world, stays["token"])
        ended = await daemon.event("grant.ended")

    assert (401, "GrantEnded") == (gone.status, gone.json["code"])
    assert "its profile was changed" in gone.json["message"]
    assert (200, "") == kept
    assert ("other", "reload") == (ended["profile"], ended["cause"])


async def test_a_held_grant_ends_with_the_connection_that_holds_it(world: World) -> None:
    """Not with the daemon's: the next one waits for its command to come again. Who holds it is told how it ends."""
    world.write_toml(CODELESS)
    async with world.serve() as daemon:
        await world.get()
        made = await grant(world, held=True)
        async with dial_unix(world.run_dir / "control.sock") as line:
            await _hold(line, made["id"])
            assert (200, "") == await fetch(world, made["token"])
            assert [True] == [row["held"] for row in await listed(world)]
            await daemon.end()
            assert b"" == await line.rest()

    async with world.serve() as daemon:
        async with dial_unix(world.run_dir / "control.sock") as line:
            await _hold(line, made["id"])
            assert (200, "") == await fetch(world, made["token"])
        message = await gone(world, made["token"])
        ended = await daemon.event("grant.ended")
        revoked = await grant(world, held=True)
        async with dial_unix(world.run_dir / "control.sock") as line:
            await _hold(line, revoked["id"])
            await ask(world, "DELETE", f"/grants/{revoked['id']}")
            told = await line.rest()
        await saved(world)

    assert "its command has ended" in message
    assert "command ended" == ended["cause"]
    assert {"ended": "revoked"} == json.loads(told)


async def _hold(line: Any, grant_id: str) -> None:
    line.send(f"POST /grants/{grant_id}/hold HTTP/1.1\r\nHost: mayfly\r\n\r\n".encode())
    assert 200 == (await line.reply()).status
    assert {"held": True} == json.loads(await line.until(b"\n"))


async def test_a_grant_as_env_hands_out_its_credentials_once(world: World) -> None:
    """They cover its time, it has no token, and it says that it cannot be taken back."""
    async with world.serve():
        made = await grant(world, **{"as": "env"}, seconds=3600)
        (row,) = await listed(world)
        ended = (await ask(world, "DELETE", f"/grants/{made['id']}")).json

    assert made["credentials"]["Expiration"] >= made["ends_at"]
    assert {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"} < made["credentials"].keys()
    assert (None, None) == (made["token"], row["uses"])
    assert any("cannot take these credentials back" in line for line in made["warnings"])
    assert made["credentials"]["Expiration"] == ended["outlives_until"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"seconds": 899}, "15 min to 12 h"),
    ({"label": "a b"}, "a label is 1 to 32 letters"),
    ({"as": "env", "seconds": 3601}, "3600 seconds at most"),
    ({"ask": True}, "can show no question"),
    ({"narrowing": READ_ONLY}, "GetSessionToken"),
    ({"narrowing": {"words": "read-only"}}, "GetSessionToken"),
    ({"profile": "narrow", "narrowing": {"words": "view-only"}}, "one more would widen it"),
    ({"profile": "admin", "narrowing": {"words": "all"}}, "read-only or view-only"),
    ({"profile": "admin", "narrowing": READ_ONLY | {"words": "view-only"}}, "would not be view-only"),
    ({"profile": "admin", "narrowing": READ_ONLY | {"policy": POLICY}}, "would not be read-only"),
    ({"profile": "narrow", "narrowing": READ_ONLY}, "one more would widen it"),
    ({"profile": "each"}, "each renewal of the grant's session would prompt"),
    ({"profile": "admin", "narrowing": {"policy": "{"}}, "is not JSON"),
    ({"profile": "admin", "narrowing": {"policy_arns": ["arn:aws:s3:::x"]}}, "no managed policy"),
    ({"profile": "admin", "narrowing": {"policy": '{"a": "' + "x" * 2047 + '"}'}}, "2048"),
    ({"profile": "admin", "narrowing": {"policy_arns": ["arn:aws:iam::aws:policy/P"] * 11}}, "10 at most"),
    ({"surprise": 1}, "'surprise'"),
]


async def test_what_the_rules_refuse_is_400_with_a_sentence(world: World) -> None:
    """Nothing is left behind, nobody is asked, and an unknown path, method or profile is told as elsewhere."""
    world.write_toml(SEED_TOML + ROLE)
    async with world.serve() as daemon:
        for wanted, words in REFUSED:
            reply = await ask(world, "POST", "/grants", {"profile": "nsrc"} | wanted)
            assert (400, "GrantRefused") == (reply.status, reply.json["code"]), wanted
            assert words in reply.json["message"], reply.json
        long = await ask(world, "POST", "/grants", {"profile": "nsrc", "label": "x" * 20_000})
        assert (400, "GrantRefused") == (long.status, long.json["code"])
        for method, target, tree, status, code in (
            ("POST", "/grants", {"profile": "nobody"}, 404, "UnknownProfile"),
            ("POST", "/grants", {"profile": "half a letter: \ud83d"}, 404, "UnknownProfile"),
            ("PUT", "/grants", None, 405, "MethodNotAllowed"),
            ("GET", "/grants/0123abcd", None, 405, "MethodNotAllowed"),
            ("DELETE", "/grants/0123abcd", None, 404, "UnknownGrant"),
            ("DELETE", "/grants/", None, 404, "UnknownGrant"),
            ("POST", "/grants/0123abcd/hold", None, 404, "UnknownGrant"),
            ("POST", "/grants/0123abcd/approve", None, 404, "UnknownGrant"),
            ("POST", "/grants/0123abcd/deny", None, 404, "UnknownGrant"),
            ("POST", "/grants/0123abcd/steal", None, 404, "NotFound"),
            ("GET", "/grants/0123abcd/hold/more", None, 404, "NotFound"),
        ):
            reply = await ask(world, method, target, tree)
            assert (status, code) == (reply.status, reply.json["code"]), target
        assert [] == await listed(world)
        plain = await grant(world)
        refused = await ask(world, "POST", f"/grants/{plain['id']}/approve")

    assert (400, "GrantRefused") == (refused.status, refused.json["code"])
    assert [] == daemon.events("request.failed") == daemon.events("exchange.started")
    assert [] == [*(world.run_dir / "grants").glob("*")]


# As notify-send 0.8: a question is up until the test has written the answer.
QUESTION = """case "$*" in *--wait*) while ! [ -e {answer} ]; do sleep 0.05; done; cat {answer} ;; esac"""


async def test_a_grant_that_asks_waits_for_a_yes_and_takes_a_no(world: World) -> None:
    """Its client is kept alive while the question is up, as for a cold login; after a no it is 403 for ever."""
    answer = world.folder / "answer"
    calls = put_program(world.op.parent, "notify-send", QUESTION.format(answer=answer))
    async with world.serve() as daemon:
        await world.get()
        made, second = [await grant(world, label=label, ask=True) for label in ("claude", "codex")]
        async with dial(world.port) as line:
            line.send(
                filled(get("/credentials/nsrc", "Authorization: {token}"), port=str(world.port), token=made["token"])
            )
            assert 100 == (await line.reply()).status
            await daemon.event("grant.asked")
            answer.write_text("allow\n")
            while (reply := await line.reply()).status == 100:
                pass
        answer.write_text("deny\n")
        denied = [await world.get(token=second["token"]) for _ in range(2)]
        approved = await ask(world, "POST", f"/grants/{second['id']}/approve")
        assert (200, "") == await fetch(world, made["token"])
        later = await ask(world, "POST", f"/grants/{made['id']}/deny")
        assert (403, "GrantNotAllowed") == await fetch(world, made["token"])
        rows = await listed(world)

    assert (200, 200) == (reply.status, later.status)
    assert [(403, "GrantNotAllowed")] * 2 == [(one.status, one.json["code"]) for one in denied]
    assert (403, "GrantNotAllowed") == (approved.status, approved.json["code"])
    assert ["denied", "denied"] == [row["state"] for row in rows]
    assert 2 == len([row for row in calls.read_text().splitlines() if row.endswith(", for 1 h")])
    assert "(claude) wants nsrc, for 1 h" in calls.read_text()


async def test_a_client_is_told_that_its_grant_has_ended_under_the_question(world: World) -> None:
    """Revoked while the question is up: 401 with the reason, and no word of a refusal that nobody gave."""
    put_program(world.op.parent, "notify-send", QUESTION.format(answer=world.folder / "never"))
    async with world.serve() as daemon:
        await world.get()
        made = await grant(world, label="claude", ask=True)
        waiting = asyncio.create_task(fetch(world, made["token"]))
        await daemon.event("grant.asked")
        await ask(world, "DELETE", f"/grants/{made['id']}")
        told = await waiting

    assert (401, "GrantEnded") == told


async def test_a_terminal_s_yes_counts_and_a_locked_screen_shows_no_question(world: World) -> None:
    """`approve` is for whoever sits at another screen; the question waits for the unlock."""
    calls = put_program(world.op.parent, "notify-send", "exit 0")
    screen = Screen(world.op.parent)
    async with world.serve():
        await world.get()
        made = await grant(world, ask=True)
        screen.lock()
        locked = await world.get(token=made["token"])
        assert 200 == (await ask(world, "POST", f"/grants/{made['id']}/approve")).status
        assert (200, "") == await fetch(world, made["token"])

    assert (403, "GrantNotAllowed") == (locked.status, locked.json["code"])
    assert f"mayfly approve {made['id']}" in locked.json["message"]
    assert "--wait" not in (calls.read_text() if calls.exists() else "")


async def test_a_role_s_grant_has_a_narrower_session_under_a_name_of_its_own(world: World) -> None:
    """Got before the answer where a command holds it; beside the profile's own, and ended with the grant.

    AWS's refusal is the answer, and leaves nothing behind.
    """
    world.write_toml(SEED_TOML + ROLE)
    async with EmbeddedSts(world.account(Role(name="Admin"))) as sts:
        world.sts = sts
        async with world.serve():
            made = await grant(world, profile="admin", label="claude", narrowing=READ_ONLY, held=True)
            (call,) = [call for call in sts.calls if call.action == "AssumeRole"]
            narrow = await world.get("/credentials/admin", token=made["token"])
            wide = await world.get("/credentials/admin")
            kept = await grant(world, profile="admin", **{"as": "env"}, seconds=3600)
            ended = (await ask(world, "DELETE", f"/grants/{made['id']}")).json
            gone = await world.get("/credentials/admin", token=made["token"])
            refused = await ask(
                world, "POST", "/grants", {"profile": "narrow", "label": "nobody", "as": "env", "token_file": None}
            )
            rows = await listed(world)

    name = f"mayfly-claude-{made['id']}"
    assert (name, "1800") == (call.parameters["RoleSessionName"], call.parameters["DurationSeconds"])
    assert (name, "read-only", 900) == (made["session_name"], made["narrowing"], made["outlives_seconds"])
    assert (200, 200) == (narrow.status, wide.status)
    assert narrow.json["AccessKeyId"] != wide.json["AccessKeyId"]
    assert {"id": made["id"], "session_name": name, "outlives_until": narrow.json["Expiration"]} == ended
    assert (401, "GrantEnded") == (gone.status, gone.json["code"])
    assert kept["credentials"]["Expiration"] >= kept["ends_at"]
    assert "AccessDenied" == refused.json["code"]
    assert [kept["id"]] == [row["id"] for row in rows]


async def test_after_a_restart_it_is_told_how_long_what_was_handed_out_may_live(world: World) -> None:
    """The next daemon knows no session of the one before, but when the grant was used."""
    async with world.serve():
        made = await grant(world, label="agent")
        unused = await grant(world, label="unused")
        handed_out = (await world.get(token=made["token"])).json["Expiration"]
    async with world.serve():
        ended = [(await ask(world, "DELETE", f"/grants/{row['id']}")).json for row in (made, unused)]

    assert ended[0]["outlives_until"] >= handed_out
    assert ended[1]["outlives_until"] is None
