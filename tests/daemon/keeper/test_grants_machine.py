"""Sessions of grants and of their roles, through all that may happen: none is ever handed out for another."""

from __future__ import annotations

import asyncio

from datetime import timedelta
from typing import Any, NamedTuple

import attrs
import pytest

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from mayfly.config.model import Config, RoleProfile
from mayfly.daemon.events import Events
from mayfly.daemon.keeper import Keeper
from mayfly.daemon.keeper.grant_session import GrantSession
from mayfly.shared import grant
from mayfly.shared.credentials import Credentials
from mayfly.shared.desk import Presence
from mayfly.shared.errors import AccessDenied, ApprovalDismissed, ExchangeFailed, MayflyError, SessionEnded
from mayfly.shared.grant import GrantOrder, Narrowing
from mayfly.shared.wire import Request, Result
from support.engine import HOUR, config, key, role
from support.laws import changed
from support.machine import KeeperMachine
from support.stage import Answer, Desk, Stage, fetch, login, outcome


pytestmark = pytest.mark.laws

HOUSE = config(nsrc=key(), admin=role("nsrc"), deep=role("admin", "deep"))
# The role itself is another; the same ones under other names; each other's name.
OTHER_ROLE = config("d2", nsrc=key(), admin=role("nsrc", "other"), deep=role("admin", "deep"))
RENAMED = config("d3", nsrc=key(), chief=role("nsrc"), deep=role("chief", "deep"))
EXCHANGED = config("d4", nsrc=key(), deep=role("nsrc"), admin=role("deep", "deep"))
SHORT = config("d5", nsrc=key(), admin=role("nsrc", duration_seconds=900), deep=role("admin", "deep"))
CONFIGS = [HOUSE, OTHER_ROLE, RENAMED, EXCHANGED, SHORT]

ROLES = st.sampled_from(["admin", "deep"])
IDS = st.sampled_from(["0000000a", "0000000b"])
READ_ONLY, WIDE = Narrowing(policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",)), Narrowing()
NARROWINGS = st.sampled_from([READ_ONLY, WIDE, Narrowing(policy="{}")])
SUBJECTS = [grant.subject(profile, grant_id) for profile in ("admin", "deep") for grant_id in ("0000000a", "0000000b")]
NAMES = st.sampled_from(["nsrc", "admin", "deep", *SUBJECTS])
ENDED = AccessDenied("the grant was revoked")
ERRORS = st.sampled_from([None, ApprovalDismissed("no"), SessionEnded("over"), AccessDenied("not you")])


class Issued(NamedTuple):
    """What was asked for when credentials were issued: the session's name, the grant's order, and the config."""

    name: str
    order: GrantOrder | None
    config: Config


class NotingStage(Stage):
    """A stage whose exchanges note what each of their credentials were issued for."""

    def __init__(self, found: Config) -> None:
        super().__init__(found)
        self.issued: dict[str, Issued] = {}

    def result(self, name: str, outcome: Answer) -> Result:
        return Result(profile=name, outcome=outcome, aws_at=self.aws_now())

    def _outcome(self, name: str, request: Request) -> Answer:
        found = super()._outcome(name, request)
        if request.kind == "verify" or not isinstance(found, Credentials):
            return found
        own = attrs.evolve(found, access_key_id=f"ASIAEXAMPLE{len(self.issued):05}")
        self.issued[own.access_key_id] = Issued(name, request.grants.get(name), self._configs[request.digest])
        return own


class Grants(KeeperMachine):
    """A running keeper, grants that come and go, and everything else that may happen to it."""

    stage: NotingStage

    def __init__(self) -> None:
        super().__init__()
        self.grants: dict[str, GrantSession] = {}

    @initialize(narrowings=st.lists(NARROWINGS, min_size=4, max_size=4), is_warm=st.booleans())
    def begin(self, narrowings: list[Narrowing], is_warm: bool) -> None:
        """Each role has two grants, which are used beside it."""
        self.start(lambda: NotingStage(HOUSE))
        for subject, narrowing in zip(SUBJECTS, narrowings, strict=True):
            profile, _, grant_id = subject.partition("@")
            self.somebody_grants(profile, grant_id, narrowing, HOUR, "while-used")
        if is_warm:
            self.everybody_fetches()
            self.time_passes(5)

    def do(self, work: Any) -> None:
        """Do something at once, on the loop; then every task that can go on does."""

        async def whole() -> None:
            work()
            await asyncio.sleep(0.001)

        self.act(whole())

    def knows(self, name: str) -> bool:
        return name in self.grants or name in self.stage.keeper.config.profiles

    # Grants

    @rule(
        profile=ROLES,
        grant_id=IDS,
        narrowing=NARROWINGS,
        seconds=st.sampled_from([900, 2000, 3 * HOUR]),
        refresh=st.sampled_from(["while-used", "always"]),
    )
    def somebody_grants(self, profile: str, grant_id: str, narrowing: Narrowing, seconds: float, refresh: str) -> None:
        ends_at = self.stage.now() + timedelta(seconds=seconds)
        found = GrantSession(profile, grant_id, "claude", narrowing, ends_at, refresh)
        if self.knows(profile) and found.subject not in self.grants:
            self.grants[found.subject] = found
            self.do(lambda: self.stage.keeper.admit(found))

    @rule(profile=ROLES, grant_id=IDS)
    def somebody_revokes(self, profile: str, grant_id: str) -> None:
        """Its clients are told why, all of them, at once."""
        subject = grant.subject(profile, grant_id)
        self.do(lambda: self.stage.keeper.dismiss(subject, ENDED))
        self.grants.pop(subject, None)
        assert [] == [task for task in self.waiting if task.get_name() == subject and not task.done()]

    @rule(subject=st.sampled_from(SUBJECTS), narrowing=NARROWINGS)
    def a_grant_comes_back_as_another(self, subject: str, narrowing: Narrowing) -> None:
        """A session was on its way; clients of the new grant wait for a session of its own."""
        found = self.grants.get(subject)
        if found:
            self.get_anew(found.profile)
            self.somebody_revokes(found.profile, found.grant_id)
            self.somebody_grants(found.profile, found.grant_id, narrowing, HOUR, "while-used")
            self.clients_fetch(subject, 2)

    @rule(found=st.sampled_from(CONFIGS))
    def somebody_reloads_meanwhile(self, found: Config) -> None:
        """While everything is being got: what comes is for what it was asked for; so is what comes to a new grant."""
        before, granted = self.stage.keeper.config, list(self.grants.values())
        self.get_anew(*before.profiles)
        self.somebody_reloads(found, "nsrc")
        for each in granted:
            self.somebody_grants(each.profile, each.grant_id, each.narrowing, HOUR, each.refresh)
        self.everybody_fetches()

    def get_anew(self, *profiles: str) -> None:
        """Have the sessions of profiles and of their grants in an exchange."""
        self.stage.takes_seconds = 1.0
        self.do(lambda: self.stage.keeper.forget(profiles))
        self.everybody_fetches()
        self.time_passes(1.2)

    # Clients

    @rule(name=NAMES, how_many=st.integers(1, 3))
    def clients_fetch(self, name: str, how_many: int) -> None:
        for _ in range(how_many if self.knows(name) else 0):
            self.wait_for(name, self.client(name))

    @rule()
    def everybody_fetches(self) -> None:
        for name in [*self.stage.keeper.config.profiles, *self.grants]:
            self.clients_fetch(name, 1)

    @rule(name=NAMES)
    def a_person_logs_in(self, name: str) -> None:
        if self.knows(name):
            self.wait_for(name, self.client(name, is_person=True))

    def wait_for(self, name: str, work: Any) -> None:
        self.do(lambda: self.waiting.append(asyncio.ensure_future(outcome(work))))
        self.waiting[-1].set_name(name)

    async def client(self, name: str, *, is_person: bool = False) -> Credentials:
        asked_for = self.grants.get(name)
        got = await (login if is_person else fetch)(self.stage, name)
        issued, here = self.stage.issued[got.access_key_id], self.stage.keeper.config.origins
        assert got.expiration > self.stage.aws_now(), "expired credentials were handed out"
        if asked_for is None:
            assert issued.order is None, f"{name} was given the session of the grant {issued.name}"
            assert here[name] == issued.config.origins[issued.name]
            return got
        assert self.stage.now() < asked_for.ends_at, "credentials were handed out after the grant's end"
        assert name == issued.name
        assert issued.order is not None
        assert (asked_for.label, asked_for.narrowing) == (issued.order.label, issued.order.narrowing)
        assert here[asked_for.profile] == issued.config.origins[asked_for.profile]
        return got

    @rule(name=NAMES)
    def somebody_forgets(self, name: str) -> None:
        if name in self.stage.keeper.config.profiles:
            self.everybody_fetches()
            self.time_passes(3)
            self.do(lambda: self.stage.keeper.forget([name]))
            kept = [self.stage.keeper._ledger[each].credentials for each in (name, *self.of(name))]
            assert [None] * len(kept) == kept

    def of(self, profile: str) -> list[str]:
        return [subject for subject, found in self.grants.items() if found.profile == profile]

    @rule(name=NAMES)
    def somebody_doubts(self, name: str) -> None:
        self.do(lambda: self.stage.keeper.suspect(name))

    @rule(found=st.sampled_from(CONFIGS), name=NAMES)
    def somebody_reloads(self, found: Config, name: str) -> None:
        """Grants go on whose profile's session is made from the same. Clients of the others are told at once."""
        self.clients_fetch(name, 1)
        before = self.stage.keeper.config.origins
        self.do(lambda: self.stage.keeper.adopt(found))
        self.grants = {
            subject: each
            for subject, each in self.grants.items()
            if before[each.profile] == found.origins.get(each.profile)
        }
        assert [] == [task for task in self.waiting if not (task.done() or self.knows(task.get_name()))]

    @rule()
    def the_daemon_restarts(self) -> None:
        """The next process gets the grants, and then what the one before has kept."""
        before, stage = self.stage.keeper, self.stage
        self.everybody_fetches()
        self.time_passes(3)

        async def restart() -> None:
            kept = before.snapshot()
            self.work.cancel()
            await asyncio.gather(self.work, return_exceptions=True)
            await asyncio.sleep(0.01)
            desk, events = Desk(stage), Events(stage.log)
            stage.keeper = Keeper(before.config, launch=stage.launch, desk=desk, clock=stage.now, events=events)
            for each in self.grants.values():
                stage.keeper.admit(each)
            stage.keeper.restore(kept)
            self.work = asyncio.ensure_future(stage.keeper.run())

        self.act(restart())

    # What the world does

    @rule(seconds=st.sampled_from([0.01, 0.2, 0.9, 5, 60, 600, HOUR]))
    def time_passes(self, seconds: float) -> None:
        self.act(asyncio.sleep(seconds))

    @rule(seconds=st.sampled_from([300, HOUR, 8 * HOUR]))
    def the_laptop_sleeps(self, seconds: float) -> None:
        self.stage.stepped_seconds += seconds

    @rule(presence=st.sampled_from([Presence.PRESENT, Presence.PRESENT, *Presence]))
    def somebody_comes_or_goes(self, presence: Presence) -> None:
        self.stage.scene = changed(self.stage.scene, presence, self.stage.now())

    @rule(name=NAMES, error=ERRORS)
    def something_breaks_or_is_mended(self, name: str, error: MayflyError | None) -> None:
        self.stage.outcomes = {name: error} if error else {}

    @rule(script=st.sampled_from([None, None, "reversed", "cut", "refusing"]))
    def the_exchange_is_strange(self, script: str | None) -> None:
        self.stage.script = getattr(self, script) if script else None

    def reversed(self, request: Request) -> list[Any]:
        return self.stage._answers(request)[::-1]

    def cut(self, request: Request) -> list[Any]:
        return [*self.stage._answers(request)[:1], ExchangeFailed("cut off")]

    def refusing(self, _request: Request) -> list[Any]:
        return [SessionEnded("over")]

    @rule(seconds=st.sampled_from([0.1, 1.0, 60.0]))
    def the_exchange_takes(self, seconds: float) -> None:
        self.stage.takes_seconds = seconds

    @rule(identity=ERRORS)
    def aws_accepts_or_not(self, identity: MayflyError | None) -> None:
        self.stage.identity = identity or self.stage.identity

    # What is true at every moment

    @invariant()
    def each_request_orders_what_its_grants_are(self) -> None:
        """An order for each grant, in an assume; and never more than the role gives, or for longer."""
        for asked in self.stage.asked if hasattr(self, "stage") else ():
            request, found = asked.request, self.stage._configs[asked.request.digest]
            assert {name for name in request.profiles if grant.grant_id_of(name)} == set(request.grants)
            assert request.kind == "assume" or not request.grants
            assert all(name in found.profiles for name in request.sessions), "a grant's session as a source"
            for subject, order in request.grants.items():
                profile = found.profiles[grant.profile_of(subject)]
                assert isinstance(profile, RoleProfile)
                assert 900 <= order.seconds <= min(1800, profile.duration_seconds)

    @invariant()
    def only_grants_that_are_there_have_sessions(self) -> None:
        if hasattr(self, "stage"):
            names = [name for name in self.stage.keeper._ledger.names if grant.grant_id_of(name)]
            assert set(names) <= self.grants.keys()
            assert list(self.stage.keeper.config.profiles) == [row.profile for row in self.stage.keeper.status()]


TestGrants = Grants.TestCase
TestGrants.settings = settings(max_examples=40, stateful_step_count=20)
