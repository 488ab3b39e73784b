"""`mayfly ssh`: what is refused before there is a connection, each in one line, with nothing left behind."""

from __future__ import annotations

import pytest

from support.granter import UNKNOWN_PATH, Granter
from support.world import World


NOWHERE = ("-F", "/dev/null", "-o", "BatchMode=yes")

BAD_INPUT = [
    (["nsrc"], 2, "the host is missing"),
    (["--policy-arn", "arn:aws:iam::aws:policy/ReadOnlyAccess", "web"], 2, "the profile is missing"),
    (["nsrc", "web", "ls"], 2, "ls: only a profile and a host are named; ssh's options follow --"),
    (["nsrc", "-oProxyCommand=x"], 2, "unrecognized arguments: -oProxyCommand=x"),
    (["nsrc", ""], 2, "'' is no host"),
    (["nsrc", "a b"], 2, "'a b' is no host"),
    (["nsrx", "web"], 2, "has no profile 'nsrx': did you mean nsrc?"),
    (["nsrc", "web", "--for", "13h"], 2, "a grant lasts 15m to 12h, not 13h"),
    (["nsrc", "web", "--as", "env"], 2, "unrecognized arguments: --as env"),
    (["nsrc", "web", "--", *NOWHERE, "id"], 2, "id: only ssh's options follow --"),
    (["nsrc", "web", "--", *NOWHERE, "--", "id"], 2, "id: only ssh's options follow --"),
    (["nsrc", "web", "--", *NOWHERE, "-N"], 2, "ssh's option -N has no place here"),
    (["nsrc", "web", "--", *NOWHERE, "-S", "/a"], 2, "ssh's option -S has no place here"),
    (["nsrc", "web", "--", *NOWHERE, "-z"], 2, "ssh's options: option -z not recognized"),
    (["nsrc", "web", "--", *NOWHERE, "-o", "Foo=1"], 2, "ssh takes neither these options nor this host"),
    (["nsrc", "web", "--", *NOWHERE, "-g"], 2, "ssh is told to let others use forwarded ports"),
    (["nsrc", "web", "--", *NOWHERE, "-o", "GatewayPorts=yes"], 2, "ssh is told to let others use forwarded ports"),
    (["nsrc", "web", "--", *NOWHERE, "-R", "*:80:a:80"], 2, "a forward that all can reach on that host is refused"),
    (["nsrc", "web", "--", *NOWHERE, "-R", ":80:a:80"], 2, "a forward that all can reach on that host is refused"),
    (["nsrc", "web", "--", *NOWHERE, "-R", "[::]:80:a:80"], 2, "a forward that all can reach on that host is refused"),
    (["nsrc", "web", "--", *NOWHERE, "-R", "0:80:a:80"], 2, "a forward that all can reach on that host is refused"),
    (
        ["nsrc", "web", "--", *NOWHERE, "-R", "[0::0]:80:a:80"],
        2,
        "a forward that all can reach on that host is refused",
    ),
    (["nsrc", "web", "--", *NOWHERE, "-o", "RemoteForward=0.0.0.0:80 a:80"], 2, "a forward that all can reach"),
]


@pytest.mark.parametrize(("argv", "code", "said"), BAD_INPUT)
async def test_bad_input_is_told_before_anything_is_granted(
    world: World, granting: Granter, argv: list[str], code: int, said: str
) -> None:
    """The daemon is not asked."""
    done = await world.run("ssh", *argv)

    assert (code, "", True) == (done.code, done.out, said in done.err), done.err
    assert [] == granting.asked


@pytest.mark.parametrize(
    "option", [["-R", "8080:a:80"], ["-R", "127.0.0.1:80:a:80"], ["-R", "/a/b:a:80"], ["-L", "80:a:80"], ["-A"], ["-4"]]
)
async def test_other_options_are_sshs(world: World, granting: Granter, option: list[str]) -> None:
    """A name that nobody has: ssh says so in its own words, and the grant ends."""
    done = await world.run("ssh", "nsrc", "no.such.invalid", "--", *NOWHERE, *option)

    assert (1, True) == (done.code, "no.such.invalid" in done.err.split("mayfly: error:")[0]), done.err
    assert "mayfly: error: ssh has no connection to no.such.invalid; what it says stands above\n" in done.err
    assert ["POST", "POST", "DELETE"] == [how for how, _, _ in granting.asked]


async def test_a_profile_and_a_host_may_follow_the_arns(world: World, granting: Granter) -> None:
    """The label is the host's name, without the user."""
    arns = [f"arn:aws:iam::aws:policy/{name}" for name in ("ReadOnlyAccess", "SecurityAudit")]
    await world.run("ssh", "--policy-arn", *arns, "nsrc", "me@no.such.invalid", "--", *NOWHERE)

    assert [("nsrc", "no.such.invalid", arns)] == [
        (body["profile"], body["label"], body["narrowing"]["policy_arns"]) for body in granting.bodies()
    ]


async def test_without_ssh_or_a_daemon_that_grants_nothing_is_begun(world: World, granting: Granter) -> None:
    """Exit code 1 without ssh and for an older daemon, 3 without any."""
    without = await world.run("ssh", "nsrc", "web", env={"PATH": "/nowhere"})
    granting.answers["POST /grants"] = UNKNOWN_PATH
    older = await world.run("ssh", "nsrc", "web", "--", *NOWHERE)
    await granting.stop()
    none = await world.run("ssh", "nsrc", "web", "--", *NOWHERE)
    await granting.start()

    assert (1, "mayfly: error: there is no program ssh on PATH\n") == (
        without.code,
        without.err.split("mayfly: hint")[0],
    )
    assert (1, True) == (older.code, "restart it" in older.err), older.err
    assert 3 == none.code, none.err
