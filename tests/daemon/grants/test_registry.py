"""The registry alone, on a keeper and a desk that do what the test says: what is made, asked, held and ended."""

from __future__ import annotations

import asyncio
import json
import threading

from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio

from mayfly.config.narrowing import with_end
from mayfly.daemon.events import Events
from mayfly.daemon.grants import Grant, Registry, deliveries, grants_file, holds, rules
from mayfly.daemon.grants.delivery import Paths
from mayfly.daemon.grants.new_grant import Made
from mayfly.daemon.grants.order import Order
from mayfly.daemon.grants.table import Ask, digest
from mayfly.daemon.keeper.grant_session import GrantSession
from mayfly.daemon.tasks import Tasks
from mayfly.session.trigger import Requester
from mayfly.shared.credentials import Credentials
from mayfly.shared.desk import Scene
from mayfly.shared.errors import (
    AccessDenied,
    GrantEnded,
    GrantNotAllowed,
    GrantRefused,
    GrantUndelivered,
    MayflyError,
    UnknownGrant,
)
from mayfly.shared.grant import Narrowing
from support.desks import FakeDesk
from support.engine import HERE, HOUR, LOCKED, NOON, at, config, credentials, key, role
from support.grant_engine import Engine
from support.stage import Log


READ_ONLY = Narrowing(None, ("arn:aws:iam::aws:policy/ReadOnlyAccess",))
CONFIG = config(nsrc=key(), admin=role("nsrc"))


class Desk(FakeDesk):
    """Shows a question until the test answers."""

    def __init__(self) -> None:
        super().__init__()
        self.seen_scene = HERE
        self.answered = asyncio.Event()
        self.taken_back = 0

    async def scene(self) -> Scene:
        return self.seen_scene

    async def can_ask(self) -> bool:
        return True

    async def ask(self, question: str) -> bool | None:
        self.asked.append(question)
        try:
            await self.answered.wait()
        except asyncio.CancelledError:
            self.taken_back += 1
            raise
        return self.answer


class Delivery:
    """In the place of sockets and files: keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.error: MayflyError | None = None
        self.known: set[str] = set()
        self.broken: set[str] = set()
        self.answers = asyncio.Event()
        self.answers.set()

    async def open(self, grant: Grant) -> Paths:
        await self.answers.wait()
        self.told.append(("open", grant.id))
        if self.error:
            raise self.error
        return Paths(folder=f"/run/{grant.id}")

    async def renewed(self, grant: Grant, credentials: Credentials) -> None:
        if grant.id in self.broken:
            raise GrantUndelivered("No space left on device")
        self.told.append((str(credentials.expiration.hour), grant.id))

    async def take_away(self, grant: Grant) -> bool:
        self.told.append(("take", grant.id))
        return True

    async def close(self, grant: Grant) -> None:
        self.told.append(("close", grant.id))

    async def sweep(self, known: Collection[str]) -> None:
        self.known = set(known)


class Hall:
    """A registry, and what is around it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.engine, self.desk, self.delivery = Engine(CONFIG), Desk(), Delivery()
        self.log = Log()
        self.events = Events(self.log)
        self.tasks = Tasks(self.events)
        self.begin()

    def begin(self) -> None:
        """As a new process begins."""
        self.grants = Registry(
            self.engine,
            self.desk,
            self.events,
            self.tasks,
            clock=lambda: at(self.seconds),
            delivery=self.delivery,
        )

    async def make(self, profile: str = "nsrc", **wanted: Any) -> Made:
        return await self.grants.create(Order(profile, **wanted))

    def causes(self) -> list[str]:
        return [line["cause"] for line in self.log.told("grant.ended")]


@pytest_asyncio.fixture(name="hall")
async def _hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hall]:
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path))
    hall = Hall()
    yield hall
    await hall.grants.stop()
    await hall.tasks.end()


def _names(folder: Path) -> list[str]:
    return sorted(place.name for place in folder.iterdir())


def _text(file: Path) -> str:
    return file.read_text()


async def test_a_role_has_a_session_of_the_grant_s_own_and_keys_have_none(hall: Hall) -> None:
    """The keeper is told its profile, narrowing, label and end; when the grant ends its clients are told why."""
    made = await hall.make("admin", label="claude", narrowing=READ_ONLY, seconds=900)
    plain = await hall.make()
    grant = made.grant

    subject = f"admin@{grant.id}"
    assert {
        subject: GrantSession("admin", grant.id, "claude", with_end(READ_ONLY, at(900)), at(900))
    } == hall.engine.sessions
    assert (subject, "read-only", "nsrc") == (grant.session, grant.words, plain.grant.session)
    assert [] == hall.engine.obtained
    hall.grants.end(plain.grant, "revoked")
    await hall.grants.revoke(grant)
    assert [subject] == [*hall.engine.dismissed]
    assert isinstance(hall.engine.dismissed[subject], GrantEnded)


async def test_no_secret_is_in_a_repr(hall: Hall) -> None:
    """Neither a token nor credentials."""
    made, given = await hall.make(), await hall.make(delivery="env")
    shown = repr([made, given])

    assert made.grant.id in shown
    assert str(made.token) not in shown
    assert given.credentials
    assert given.credentials.session_token not in shown


async def test_the_first_session_of_a_narrowed_held_grant_is_there_before_it(hall: Hall, tmp_path: Path) -> None:
    """AWS's refusal is the answer, and nothing is left behind: no grant, no session, no token, no file."""
    await hall.make("admin", narrowing=READ_ONLY, is_held=True)
    assert 1 == len(hall.engine.obtained)
    hall.engine.error = AccessDenied("no")

    for wanted in ({"narrowing": READ_ONLY, "is_held": True}, {"delivery": "env"}, {"delivery": "file"}):
        with pytest.raises(AccessDenied):
            await hall.make("admin", has_token_file=True, **wanted)

    assert (1, 1, 1) == (hall.grants.count, len(hall.engine.sessions), len(hall.log.told("grant.made")))
    assert "grants" not in _names(tmp_path)


async def test_a_token_file_that_cannot_be_written_leaves_nothing_behind(hall: Hall, tmp_path: Path) -> None:
    """Such as where something else stands in the place of the folder, a link for example."""
    (tmp_path / "grants").symlink_to(tmp_path)

    with pytest.raises(GrantUndelivered, match=r"the grant's token \S+/grants/[0-9a-f]{8}/token: "):
        await hall.make(has_token_file=True)

    assert 0 == hall.grants.count
    assert ["grants"] == _names(tmp_path)


async def test_a_disk_that_hangs_hides_no_refusal(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """What AWS says is the answer; that the token's file could not be looked for is logged."""
    answers = threading.Event()
    monkeypatch.setattr(deliveries, "DISK_SECONDS", 0.05)
    monkeypatch.setattr(deliveries.token_file, "remove", lambda _id: answers.wait(10))
    hall.engine.error = AccessDenied("no")

    with pytest.raises(AccessDenied):
        await hall.make("admin", narrowing=READ_ONLY, is_held=True, has_token_file=True)

    answers.set()
    assert ["it did not end in time"] == [line["reason"] for line in hall.log.told("grant.folder_left")]
    assert 0 == hall.grants.count


async def test_there_is_room_for_so_many_grants_and_no_more(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000, of which 256 are files or sockets; one that has ended makes room."""
    assert (10_000, 256) == (rules.MAX_GRANTS, rules.MAX_DELIVERED)
    monkeypatch.setattr(rules, "MAX_DELIVERED", 2)
    monkeypatch.setattr(rules, "MAX_GRANTS", 50)
    made = [await hall.make(delivery=kind) for kind in ("file", "socket")]
    with pytest.raises(GrantRefused, match="there are 2 grants as file or socket"):
        await hall.make(delivery="socket")
    for _ in range(rules.MAX_GRANTS - 2):
        await hall.make()
    with pytest.raises(GrantRefused, match="there are 50 grants"):
        await hall.make()
    hall.grants.end(made[0].grant, "revoked")
    await hall.make()
    assert 50 == hall.grants.count


async def test_a_grant_ends_at_its_end_and_the_others_go_on(hall: Hall) -> None:
    """The clock's look ends it; the token opens nothing from that very instant."""
    short, long = await hall.make(seconds=900), await hall.make("admin", seconds=901)
    token = str(short.token)

    hall.seconds = 899
    hall.grants.look()
    assert short.grant is hall.grants.table.find(token, "nsrc", at(899))
    assert None is hall.grants.table.find(token, "nsrc", at(900))
    hall.seconds = 900
    with pytest.raises(UnknownGrant):
        hall.grants.named(short.grant.id)
    hall.grants.look()
    assert ([long.grant], ["expired"]) == (hall.grants.all(), hall.causes())
    hall.seconds = 1e6
    hall.grants.look()
    assert ([], {}) == (hall.grants.all(), hall.engine.sessions)


async def test_what_aws_has_issued_is_known_over_a_kill(hall: Hall, tmp_path: Path) -> None:
    """How a grant has been used is written with the clock's look, so `revoke` can say what lives on."""
    used, unused = [(await hall.make("admin")).grant for _ in range(2)]
    await hall.grants.stop()
    used.note_use(NOON)
    used.note_handed_out(credentials(at(900)))
    used.note_handed_out(credentials(at(600)))
    hall.grants.look()
    async with asyncio.timeout(30):
        while "12:15:00" not in _text(tmp_path / "grants.json"):
            await asyncio.sleep(0.01)
    hall.begin()
    hall.grants.restore()

    assert [1, 0] == [grant.uses for grant in hall.grants.all()]
    assert [at(900), None] == [await hall.grants.revoke(hall.grants.named(each.id)) for each in (used, unused)]
    later = (await hall.make("admin")).grant
    later.note_handed_out(credentials(at(900)))
    hall.seconds = 900
    assert None is await hall.grants.revoke(later)


@pytest.mark.parametrize("trouble", ["full", "slow"])
async def test_what_has_ended_does_not_come_back(
    hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Where the list cannot be written, or not at once, no older one is left for the next process."""
    kept, ended = [await hall.make() for _ in range(2)]
    await hall.grants.stop()
    write = grants_file.write
    if trouble == "full":
        monkeypatch.setattr(grants_file, "write", _no_space)
    else:
        monkeypatch.setattr(grants_file, "QUICK_SECONDS", 0)
        # The next document waits for a while after this one.
        await hall.grants.revoke((await hall.make()).grant)
        assert kept.grant.id in _text(tmp_path / "grants.json")
    await hall.grants.revoke(ended.grant)

    file = tmp_path / "grants.json"
    assert not file.exists() or ended.grant.id not in _text(file)
    monkeypatch.setattr(grants_file, "write", write)
    async with asyncio.timeout(30):
        while not file.exists():
            hall.grants.look()
            await asyncio.sleep(0.01)
    assert [kept.grant.id] == [row["id"] for row in json.loads(_text(file))["grants"]]


def _no_space(_rows: list[Grant]) -> None:
    raise OSError(28, "No space left on device")


async def test_a_reload_ends_what_changed(hall: Hall) -> None:
    """By the origin of the profile's session: a new name or refresh mode ends nothing."""
    kept, changed = await hall.make(), await hall.make("admin")
    fresh = attrs.evolve(
        CONFIG,
        profiles={
            "nsrc": attrs.evolve(CONFIG.profiles["nsrc"], refresh="always"),
            "admin": attrs.evolve(CONFIG.profiles["admin"], policy_arns=("arn:aws:iam::aws:policy/P",)),
        },
    )

    hall.grants.adopt(fresh)

    assert ([kept.grant], ["reload"]) == (hall.grants.all(), hall.causes())
    assert [changed.grant.session] == [*hall.engine.dismissed]


async def test_a_held_grant_that_nobody_holds_ends(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a restart, and after its connection made room for another; one that is held in time goes on."""
    monkeypatch.setattr(holds, "HOLD_SECONDS", 0)
    held, never, dropped = [(await hall.make(is_held=True)).grant for _ in range(3)]
    ended = hall.grants.hold(held)
    hall.grants.leave(dropped, hall.grants.hold(dropped), may_return=True)
    while hall.grants.count > 1:
        await asyncio.sleep(0.01)
    assert ([held], ["command ended"] * 2) == (hall.grants.all(), hall.causes())

    hall.grants.holds.stop()
    assert "" == await ended
    hall.grants.leave(held, ended, may_return=False)
    await hall.grants.stop()
    hall.begin()
    hall.grants.restore()
    assert [held.id] == [grant.id for grant in hall.grants.all()]
    await hall.grants.start()
    while hall.grants.count:
        await asyncio.sleep(0.01)
    assert never.id != held.id


async def test_grants_go_on_in_the_next_process(hall: Hall, tmp_path: Path) -> None:
    """Their tokens open, their sessions are admitted; those of changed profiles, and what lay about of others, go."""
    made = [await hall.make("admin", has_token_file=True, narrowing=READ_ONLY), await hall.make(), await hall.make()]
    other = await hall.make(has_token_file=True)
    await hall.grants.stop()
    tree = json.loads(_text(tmp_path / "grants.json"))
    del tree["grants"][3]
    tree["grants"][2]["origin"] = "another"
    (tmp_path / "grants.json").write_text(json.dumps(tree))
    hall.engine.sessions.clear()
    hall.begin()
    hall.grants.restore()
    await hall.grants.start()

    assert [one.grant.id for one in made[:2]] == [grant.id for grant in hall.grants.all()]
    assert [made[0].grant.session] == [*hall.engine.sessions]
    found = [hall.grants.table.find(str(one.token), one.grant.profile, NOON) for one in made]
    assert [True, True, False] == [bool(row) for row in found]
    assert made[0].token == _text(tmp_path / "grants" / made[0].grant.id / "token")
    async with asyncio.timeout(30):
        while other.grant.id in _names(tmp_path / "grants"):
            await asyncio.sleep(0.01)
    assert {one.grant.id for one in made[:2]} == hall.delivery.known


async def test_a_grant_that_asks_is_closed_until_a_person_says_yes(hall: Hall) -> None:
    """All its clients wait for one question, in one's own words; after the yes nobody is asked again."""
    grant = (await hall.make("admin", label="claude", narrowing=READ_ONLY, asks=True)).grant
    assert not grant.is_allowed
    waiting = [asyncio.create_task(hall.grants.allow(grant, Requester(inode))) for inode in (7, 8)]
    while not hall.desk.asked:
        await asyncio.sleep(0)
    hall.desk.answer = True
    hall.desk.answered.set()
    await asyncio.gather(*waiting)
    await hall.grants.allow(grant, Requester(9))

    assert ["terraform (claude) wants admin, read-only, for 1 h"] == hall.desk.asked
    assert (Ask.ALLOWED, 1) == (grant.ask, len(hall.log.told("grant.allowed")))


@pytest.mark.parametrize("answer", [False, "denied"])
async def test_a_no_is_for_ever(hall: Hall, answer: bool | str) -> None:
    """On the screen or in a terminal; no answer is a no, too. A later yes does not count."""
    grant = (await hall.make(asks=True)).grant
    waiting = asyncio.create_task(hall.grants.allow(grant))
    while not hall.desk.asked:
        await asyncio.sleep(0)
    if answer == "denied":
        hall.grants.decide(grant, is_allowed=False)
    else:
        hall.desk.answer = False
        hall.desk.answered.set()
    for call in (waiting, hall.grants.allow(grant)):
        with pytest.raises(GrantNotAllowed, match="was not allowed to get nsrc"):
            await call
    with pytest.raises(GrantNotAllowed):
        hall.grants.decide(grant, is_allowed=True)

    assert (Ask.DENIED, 1) == (grant.ask, len(hall.desk.asked))
    assert ["a program (grant) wants nsrc, for 1 h"] == hall.desk.asked


async def test_a_yes_in_a_terminal_takes_the_question_back(hall: Hall) -> None:
    """And the clients that wait for it go on; so does the end of the grant."""
    grant, ended = [(await hall.make(asks=True)).grant for _ in range(2)]
    waiting = [asyncio.create_task(hall.grants.allow(one)) for one in (grant, ended)]
    while len(hall.desk.asked) < 2:
        await asyncio.sleep(0)
    hall.grants.decide(grant, is_allowed=True)
    hall.grants.end(ended, "revoked")
    await waiting[0]
    with pytest.raises(GrantNotAllowed):
        await waiting[1]

    assert 2 == hall.desk.taken_back


@pytest.mark.parametrize("where", ["locked", "mute"])
async def test_where_nobody_can_be_asked_the_question_comes_later(hall: Hall, where: str) -> None:
    """Never through a locked screen; a desktop that shows nothing is no no. `approve` opens it meanwhile."""
    grant = (await hall.make(asks=True)).grant
    hall.desk.seen_scene = LOCKED if where == "locked" else HERE
    hall.desk.answered.set()
    with pytest.raises(GrantNotAllowed) as refused:
        await hall.grants.allow(grant)
    assert f"'mayfly approve {grant.id}'" in refused.value.hint
    assert (Ask.ASKING, where == "locked") == (grant.ask, not hall.desk.asked)
    hall.grants.decide(grant, is_allowed=True)
    await hall.grants.allow(grant)


async def test_a_question_goes_with_the_one_who_waits_for_the_grant(hall: Hall) -> None:
    """A grant as file asks before it is there; where its command has gone, nobody is asked for nothing."""
    making = asyncio.create_task(hall.make("admin", delivery="file", asks=True))
    while not hall.desk.asked:
        await asyncio.sleep(0)
    making.cancel()
    await asyncio.wait([making])

    assert (0, 1) == (hall.grants.count, hall.desk.taken_back)


async def test_a_question_that_is_taken_back_before_it_was_put_leaves_nothing(hall: Hall) -> None:
    """The grant ends in the moment in which its first client asks: the client is refused, and nothing is kept."""
    grant = (await hall.make(asks=True)).grant
    client = asyncio.create_task(hall.grants.allow(grant))
    await asyncio.sleep(0)
    hall.grants.end(grant, "revoked")
    with pytest.raises(GrantNotAllowed):
        await client

    assert ([], {}) == (hall.desk.asked, hall.grants._questions._asked)


async def test_a_yes_through_a_locked_screen_is_none(hall: Hall) -> None:
    """The screen was locked while the question was up, so the answer need not be the user's."""
    grant = (await hall.make(asks=True)).grant
    waiting = asyncio.create_task(hall.grants.allow(grant))
    while not hall.desk.asked:
        await asyncio.sleep(0)
    hall.desk.seen_scene = LOCKED
    hall.desk.answer = True
    hall.desk.answered.set()

    with pytest.raises(GrantNotAllowed, match="the screen is locked"):
        await waiting
    assert Ask.ASKING is grant.ask


@pytest.mark.parametrize(("scene", "hint"), [(LOCKED, "unlock it and try again"), (HERE, "leave --ask out")])
async def test_a_grant_that_is_not_made_is_not_to_be_approved(hall: Hall, scene: Scene, hint: str) -> None:
    """Where it asks before it is there, and cannot, it is gone."""
    hall.desk.seen_scene = scene
    hall.desk.answered.set()

    with pytest.raises(GrantNotAllowed) as refused:
        await hall.make(delivery="file", asks=True)
    assert hint == refused.value.hint


async def test_who_does_not_ask_cannot_be_approved(hall: Hall) -> None:
    """Nor denied: that is what `revoke` is for."""
    grant = (await hall.make()).grant
    for is_allowed in (True, False):
        with pytest.raises(GrantRefused):
            hall.grants.decide(grant, is_allowed=is_allowed)


async def test_a_grant_as_file_is_written_anew_when_its_credentials_are_new(hall: Hall) -> None:
    """It asks before it is there, is renewed by the clock, and what was made for it is removed with it."""
    hall.desk.answer = True
    hall.desk.answered.set()
    made = await hall.make("admin", delivery="file", asks=True)
    grant = made.grant
    hall.grants.look()
    hall.engine.lives_seconds = 2 * HOUR
    await asyncio.sleep(0.01)
    hall.grants.look()
    await asyncio.sleep(0.01)
    await hall.grants.revoke(grant)
    while ("close", grant.id) not in hall.delivery.told:
        await asyncio.sleep(0)

    assert (None, f"/run/{grant.id}", 1) == (made.token, made.paths.folder, len(hall.desk.asked))
    assert [("open", grant.id), ("13", grant.id), ("14", grant.id), ("close", grant.id)] == hall.delivery.told


@pytest.mark.parametrize("delivery", ["file", "env"])
async def test_a_no_after_a_yes_ends_what_is_delivered(hall: Hall, delivery: str) -> None:
    """Its next use could not be refused, so the grant is gone, and its files with it."""
    hall.desk.answer = True
    hall.desk.answered.set()
    grant = (await hall.make("admin", delivery=delivery, asks=True)).grant
    hall.grants.decide(grant, is_allowed=False)
    await asyncio.sleep(0.01)

    assert ([], ["revoked"]) == (hall.grants.all(), hall.causes())
    assert (delivery == "file") is (("close", grant.id) in hall.delivery.told)


async def test_a_file_that_cannot_be_written_is_written_later(hall: Hall) -> None:
    """At the next look after there is room again; it is told once, and the files of other grants do not wait."""
    full, other = [(await hall.make("admin", delivery="file")).grant for _ in range(2)]
    hall.delivery.broken.add(full.id)
    hall.engine.lives_seconds = 2 * HOUR
    for _ in range(2):
        hall.grants.look()
        await asyncio.sleep(0.01)
    assert [("14", other.id)] == hall.delivery.told[4:]
    hall.delivery.broken.clear()
    hall.grants.look()
    await asyncio.sleep(0.01)

    assert [("14", other.id), ("14", full.id)] == hall.delivery.told[4:]
    (told,) = hall.log.told("grant.unwritten")
    assert (full.id, "No space left on device") == (told["grant"], told["reason"])
    assert [] == hall.log.told("task.failed")


async def test_a_desk_that_does_not_answer_does_not_keep_the_daemon(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sockets come later; that of a grant which has ended meanwhile goes again."""
    monkeypatch.setattr(deliveries, "OPENING_SECONDS", 0.01)
    kept, ended = [(await hall.make(delivery="socket")).grant for _ in range(2)]
    await hall.grants.stop()
    hall.delivery.told.clear()
    hall.delivery.answers.clear()
    hall.begin()
    hall.grants.restore()
    await hall.grants.start()
    await hall.grants.revoke(hall.grants.named(ended.id))
    assert kept.id == hall.grants.named(kept.id).id
    hall.delivery.answers.set()
    await asyncio.sleep(0.05)

    assert ("open", kept.id) in hall.delivery.told
    assert ("close", ended.id) == [told for told in hall.delivery.told if told[1] == ended.id][-1]


async def test_a_grant_as_env_must_cover_its_time(hall: Hall) -> None:
    """Where AWS gives less, it is refused, and nothing is left; a profile with keys is asked for enough.

    AWS may give a second less, and then the grant has a second less, too.
    """
    hall.engine.lives_seconds = 1800
    with pytest.raises(GrantRefused, match="less time"):
        await hall.make("admin", delivery="env", seconds=3600)
    await hall.make(delivery="env", seconds=1800)

    assert (1, {}) == (hall.grants.count, hall.engine.sessions)
    assert ("nsrc", 1800) == hall.engine.obtained[-1]
    assert None is hall.grants.table.find("", "nsrc", NOON)
    assert NOON + timedelta(seconds=1800) == hall.grants.all()[0].ends_at
    assert digest("") != hall.grants.all()[0].digest

    hall.engine.lives_seconds = 1799
    made = await hall.make("admin", delivery="env", seconds=1800)
    assert made.credentials
    assert at(1799) == made.credentials.expiration == made.grant.ends_at
    hall.seconds = 1799.5
    hall.grants.look()
    assert made.grant not in hall.grants.all()
