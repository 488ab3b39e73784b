"""The pure core, told in tables and sentences."""

from datetime import timedelta

import attrs
import pytest

from mayfly.session import Phase, Session, first_usable_step
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.session.trigger import Trigger
from mayfly.shared.desk import Presence, Scene
from mayfly.shared.errors import (
    AccessDenied,
    ApprovalIgnored,
    AwsFailed,
    AwsThrottled,
    AwsUnreachable,
    ClockSkewed,
    ConfigChanged,
    ItemNotFound,
    MayflyError,
    OnePasswordGarbled,
    OnePasswordHung,
    OnePasswordLocked,
    OnePasswordRateLimited,
    OnePasswordUnknown,
    ScreenLocked,
    SessionEnded,
)
from support.engine import AWAY, HERE, HOUR, HUMAN, LOCKED, MACHINE, NO, NOON, at, credentials, issued


EIGHT_HOURS = 8 * HOUR
CLOCK, CLIENT, PERSON = Trigger.CLOCK, Trigger.CLIENT, Trigger.PERSON
OVER = SessionEnded("AWS says it is over")


def failing(session: Session, error: MayflyError, times: int = 1, *, after: float, jitter: float = 0) -> Session:
    for _ in range(times):
        session = session.failed(error, HUMAN, jitter=jitter, now=at(after))
    return session


# Where it stands


@pytest.mark.parametrize(
    ("policy", "life", "window"),
    [
        (HUMAN, EIGHT_HOURS, 20 * 60),
        (HUMAN, 45 * 60, 20 * 60),
        (HUMAN, 45 * 60 - 3, 20 * 60),
        (HUMAN, 900, 300),
        (MACHINE, EIGHT_HOURS, 75 * 60),
        (MACHINE, 2 * HOUR, 40 * 60),
        (MACHINE, HOUR, 20 * 60),
        (MACHINE, 45 * 60 - 3, 20 * 60),
        (MACHINE, 900, 300),
    ],
)
def test_window(policy: RefreshPolicy, life: float, window: float) -> None:
    """New credentials are wanted 20 minutes (75, where nobody is asked) or a third of the life before the end.

    Of a life of 45 minutes 20 are kept, or there would be no time to answer before clients have less than 15.
    """
    assert window == issued(life).window_seconds(policy)


@pytest.mark.parametrize(("jitter", "earlier"), [(0, 0), (17.5, 17.5), (60, 60), (3600, 60)])
def test_jitter_only_makes_it_earlier(jitter: float, earlier: float) -> None:
    """Jitter widens the window by a minute at most."""
    assert 75 * 60 + earlier == issued(EIGHT_HOURS, jitter_seconds=jitter).window_seconds(MACHINE)


def test_jitter_never_eats_a_short_life() -> None:
    """Credentials of a minute are not due when they come, with any jitter."""
    assert Phase.FRESH is issued(60, jitter_seconds=60).phase(MACHINE, NOON)


@pytest.mark.parametrize(
    ("second", "phase"),
    [
        (0, Phase.FRESH),
        (EIGHT_HOURS - 1201, Phase.FRESH),
        (EIGHT_HOURS - 1200, Phase.DUE),
        (EIGHT_HOURS - 0.001, Phase.DUE),
        (EIGHT_HOURS, Phase.EXPIRED),
        (30 * EIGHT_HOURS, Phase.EXPIRED),
    ],
)
def test_phase(second: float, phase: Phase) -> None:
    """FRESH before the window, DUE in it, EXPIRED from the very end on."""
    assert phase is issued().phase(HUMAN, at(second))


def test_a_new_session_is_empty() -> None:
    """Without credentials there is no life, no window, nothing to hand out."""
    empty = Session()
    assert (Phase.EMPTY, 0, 0, None) == (
        empty.phase(HUMAN, NOON),
        empty.left_seconds(NOON),
        empty.life_seconds(),
        empty.usable(NOON),
    )


@pytest.mark.parametrize(("second", "is_usable"), [(0, True), (99.999, True), (100, False), (101, False)])
def test_an_expired_session_is_never_served(second: float, is_usable: bool) -> None:
    """Law 4: what is usable ends with the credentials."""
    assert is_usable == (issued(100).usable(at(second)) is not None)


@pytest.mark.parametrize("skew", [-3600, -30, 0, 30, 3600])
def test_skew_is_added_to_the_clock_that_judges(skew: float) -> None:
    """However wrong our clock is, the credentials have the life that AWS gave, and end when AWS ends them."""
    session = Session().issued(credentials(at(EIGHT_HOURS + skew)), skew_seconds=skew, jitter_seconds=0, now=NOON)
    assert (EIGHT_HOURS, 1, Phase.EXPIRED) == (
        session.life_seconds(),
        session.left_seconds(at(EIGHT_HOURS - 1)),
        session.phase(HUMAN, at(EIGHT_HOURS)),
    )


def test_in_use_means_fetched_in_this_life() -> None:
    """A fetch counts for the credentials that were handed out, not for those after them."""
    used = issued().fetched(at(100))
    renewed = used.issued(credentials(at(2 * EIGHT_HOURS)), skew_seconds=0, jitter_seconds=0, now=at(200))
    assert (True, False, True) == (used.is_in_use(), renewed.is_in_use(), renewed.fetched(at(201)).is_in_use())


# Whom to disturb


def phased(phase: Phase, *, used: bool) -> tuple[Session, float]:
    """A session, and a second at which it is in `phase`."""
    seconds = {Phase.EMPTY: 0.0, Phase.FRESH: 0.0, Phase.DUE: EIGHT_HOURS - 600, Phase.EXPIRED: EIGHT_HOURS + 1}
    return (Session() if phase is Phase.EMPTY else issued(used=used)), seconds[phase]


# Who asks, in which mode of which kind, in front of whom, in which phases of a session in use gets new credentials.
ALL, NONE = "EMPTY FRESH DUE EXPIRED", ""
WHO_MAY = [
    (PERSON, mode, asks, scene, NONE if asks and scene is LOCKED else ALL)
    for mode in ("always", "while-used", "on-demand")
    for asks in (True, False)
    for scene in (HERE, AWAY, LOCKED)
] + [
    (CLIENT, "while-used", True, HERE, "EMPTY DUE EXPIRED"),
    (CLIENT, "while-used", True, AWAY, "EMPTY EXPIRED"),
    (CLIENT, "while-used", True, LOCKED, NONE),
    (CLIENT, "on-demand", True, HERE, "EMPTY DUE EXPIRED"),
    (CLIENT, "on-demand", True, LOCKED, NONE),
    (CLIENT, "always", False, HERE, "EMPTY DUE EXPIRED"),
    (CLIENT, "always", False, AWAY, "EMPTY DUE EXPIRED"),
    (CLIENT, "always", False, LOCKED, "EMPTY DUE EXPIRED"),
    (CLIENT, "on-demand", False, LOCKED, "EMPTY DUE EXPIRED"),
    (CLOCK, "always", True, HERE, "EMPTY DUE EXPIRED"),
    (CLOCK, "always", True, AWAY, NONE),
    (CLOCK, "always", True, LOCKED, NONE),
    (CLOCK, "while-used", True, HERE, "DUE EXPIRED"),
    (CLOCK, "while-used", True, AWAY, NONE),
    (CLOCK, "while-used", True, LOCKED, NONE),
    (CLOCK, "while-used", False, LOCKED, "DUE EXPIRED"),
    (CLOCK, "on-demand", True, HERE, NONE),
    (CLOCK, "on-demand", False, HERE, NONE),
    (CLOCK, "always", False, HERE, "EMPTY DUE EXPIRED"),
    (CLOCK, "always", False, AWAY, "EMPTY DUE EXPIRED"),
    (CLOCK, "always", False, LOCKED, "EMPTY DUE EXPIRED"),
]


@pytest.mark.parametrize(("trigger", "mode", "asks_human", "scene", "phases"), WHO_MAY)
def test_whom_to_disturb(trigger: Trigger, mode: str, asks_human: bool, scene: Scene, phases: str) -> None:
    """A person may at any time, a client when something is due, the clock only what is kept; nobody through a lock."""
    policy = RefreshPolicy(mode=mode, asks_human=asks_human)
    wanted = []
    for phase in Phase:
        session, second = phased(phase, used=True)
        if session.may_renew(policy, trigger, scene, at(second)):
            wanted.append(phase.name)
    assert phases == " ".join(wanted)


@pytest.mark.parametrize("trigger", Trigger)
def test_through_a_lock_only_a_person_may_be_asked(trigger: Trigger) -> None:
    """`--through-lock` counts for a person, and never for a client or the clock."""
    wanted = issued().may_renew(HUMAN, trigger, LOCKED, at(EIGHT_HOURS), through_lock=True)
    assert (trigger is PERSON) == wanted


@pytest.mark.parametrize("phase", Phase)
def test_what_nobody_used_is_not_renewed_by_itself(phase: Phase) -> None:
    """In mode `while-used` a session that nobody fetched is not renewed."""
    session, second = phased(phase, used=False)
    assert not session.may_renew(HUMAN, CLOCK, HERE, at(second))


def test_what_was_due_behind_a_lock_is_asked_for_at_the_unlock() -> None:
    """A session in use was due behind a lock: the clock prompts at the first look after the unlock."""
    morning = at(20 * HOUR)
    assert (False, True) == (
        issued().may_renew(HUMAN, CLOCK, LOCKED, morning),
        issued().may_renew(HUMAN, CLOCK, Scene(unlocked_at=morning), morning),
    )


def test_forgotten_comes_back_only_when_asked_for() -> None:
    """The clock does not renew a forgotten session, even in mode `always`, until a client fetches it."""
    forgotten = issued().forgot()
    assert (False, True, True) == (
        forgotten.may_renew(MACHINE, CLOCK, HERE, at(1)),
        forgotten.may_renew(MACHINE, CLIENT, HERE, at(1)),
        forgotten.fetched(at(1)).may_renew(MACHINE, CLOCK, HERE, at(1)),
    )


def test_rejected_credentials_are_gone_and_wanted() -> None:
    """Rejected credentials are dropped at once, and wanted again."""
    rejected = issued().rejected(OVER, HUMAN, at(HOUR))
    assert (None, True, True, False) == (
        rejected.usable(at(HOUR)),
        rejected.may_renew(HUMAN, CLIENT, HERE, at(HOUR)),
        rejected.may_renew(HUMAN, CLOCK, HERE, at(HOUR)),
        rejected.may_renew(HUMAN, CLOCK, LOCKED, at(HOUR)),
    )


@pytest.mark.parametrize(("policy", "waits"), [(HUMAN, [300, 600, 1200, 1800, 1800]), (MACHINE, [5, 10, 20, 40, 80])])
def test_who_is_rejected_again_and_again_waits(policy: RefreshPolicy, waits: list[float]) -> None:
    """The first session rejected soon after its issue is replaced at once; from the second on there is a delay."""
    session, now, found = issued().rejected(OVER, policy, NOON), NOON, []
    assert session.may_renew(policy, CLIENT, HERE, NOON)
    session = session.issued(credentials(at(EIGHT_HOURS)), skew_seconds=0, jitter_seconds=0, now=now)
    for _ in waits:
        session = session.rejected(OVER, policy, now + timedelta(seconds=1))
        retry_at = session.retry_not_before_at()
        assert retry_at
        found.append(session.retry_after_seconds)
        assert [False, True] == [session.may_renew(policy, CLIENT, HERE, at) for at in (now, retry_at)]
        now = retry_at
        fresh = credentials(now + timedelta(hours=8))
        session = session.issued(fresh, skew_seconds=0, jitter_seconds=0, now=now)
    assert waits == found


def test_a_rejection_after_a_good_life_starts_anew() -> None:
    """A session that AWS accepted for a while, or a renewal in time, resets the count of rejections."""
    again = (
        issued()
        .rejected(OVER, HUMAN, at(1))
        .issued(credentials(at(EIGHT_HOURS)), skew_seconds=0, jitter_seconds=0, now=at(300))
    )
    renewed = again.issued(credentials(at(EIGHT_HOURS)), skew_seconds=0, jitter_seconds=0, now=at(400))
    assert (2, 0, 1) == (
        again.rejected(OVER, HUMAN, at(301)).rejections,
        again.rejected(OVER, HUMAN, at(900)).rejections,
        renewed.rejected(OVER, HUMAN, at(401)).rejections,
    )


def test_a_person_wipes_out_rejections() -> None:
    """`mayfly login` resets the count of rejections."""
    assert Session(issued_at=NOON) == issued(used=False).rejected(OVER, HUMAN, at(1)).asked_by_person()


@pytest.mark.parametrize(
    ("error", "second", "heeds"),
    [
        (None, 0, False),
        (None, EIGHT_HOURS - 600, True),
        (NO, EIGHT_HOURS - 600, True),
        (OnePasswordHung("no end"), EIGHT_HOURS - 600, True),
        (AwsFailed("500"), EIGHT_HOURS - 600, True),
        (AwsFailed("500"), EIGHT_HOURS + 600, False),
        (AwsUnreachable("no network"), EIGHT_HOURS + 600, True),
        (ItemNotFound("no item"), EIGHT_HOURS - 600, False),
    ],
)
def test_the_desk_is_asked_only_when_it_matters(error: MayflyError | None, second: float, heeds: bool) -> None:
    """Presence matters where the clock may prompt now, or when somebody returns."""
    session = issued().failed(error, HUMAN, jitter=0, now=NOON) if error else issued()
    assert heeds == session.needs_presence(HUMAN, at(second))


@pytest.mark.parametrize("session", [Session(), issued(used=False)])
def test_what_is_not_kept_does_not_look_who_is_there(session: Session) -> None:
    """An idle profile costs no look at the desk."""
    assert not session.needs_presence(HUMAN, at(EIGHT_HOURS + 1))


# After a no

DUE = EIGHT_HOURS - 1200  # the second at which eight hours become due
HUMAN_ERRORS = [
    NO,
    ApprovalIgnored("a minute went by"),
    OnePasswordLocked("the app is locked"),
    OnePasswordHung("no end"),
]


@pytest.mark.parametrize("error", HUMAN_ERRORS)
def test_after_a_no_nothing_happens_by_itself(error: MayflyError) -> None:
    """After a refusal inside the window the clock does not prompt until five minutes before the end, nor after it."""
    refused = failing(issued(), error, after=DUE)
    seconds = [
        second
        for second in range(int(DUE), int(EIGHT_HOURS) + 7200)
        if refused.may_renew(HUMAN, CLOCK, HERE, at(second))
    ]
    assert (EIGHT_HOURS - 300, EIGHT_HOURS - 1) == (seconds[0], seconds[-1])


@pytest.mark.parametrize("error", HUMAN_ERRORS)
def test_the_last_chance_is_one(error: MayflyError) -> None:
    """The prompt five minutes before the end is not repeated."""
    twice = failing(failing(issued(), error, after=DUE), error, after=EIGHT_HOURS - 290)
    assert not any(twice.may_renew(HUMAN, CLOCK, HERE, at(EIGHT_HOURS - left)) for left in range(290))


def test_the_last_chance_is_not_missed_because_clients_have_to_wait() -> None:
    """However long clients must wait after refusals, the clock prompts once more five minutes before the end."""
    pestered = failing(issued(), NO, times=9, after=EIGHT_HOURS - 400)
    now = at(EIGHT_HOURS - 300)
    assert (False, True) == (pestered.may_renew(HUMAN, CLIENT, HERE, now), pestered.may_renew(HUMAN, CLOCK, HERE, now))


def test_the_last_chance_leaves_a_breath() -> None:
    """A refusal seconds before the last five minutes is not followed by another prompt at once."""
    refused = failing(issued(), NO, after=EIGHT_HOURS - 301)
    wanted = [left for left in range(300, 0, -1) if refused.may_renew(HUMAN, CLOCK, HERE, at(EIGHT_HOURS - left))]
    assert 271 == wanted[0]


def test_the_last_chance_is_not_for_the_absent() -> None:
    """No prompt while nobody is present, or the screen is locked."""
    refused = failing(issued(), NO, after=DUE)
    assert [False, False] == [refused.may_renew(HUMAN, CLOCK, scene, at(EIGHT_HOURS - 200)) for scene in (AWAY, LOCKED)]


@pytest.mark.parametrize(
    ("error", "is_asked"),
    [
        (NO, False),
        (ApprovalIgnored("a minute went by"), True),
        (OnePasswordLocked("the app is locked"), True),
        (OnePasswordHung("no end"), True),
    ],
)
def test_what_nobody_saw_is_shown_once_more_at_the_unlock(error: MayflyError, is_asked: bool) -> None:
    """A prompt that nobody saw is shown once more after an unlock; a dismissed one is not."""
    unlocked, later = Scene(unlocked_at=at(DUE + 500)), Scene(unlocked_at=at(DUE + 700))
    once = failing(issued(), error, after=DUE)
    twice = once.failed(error, HUMAN, jitter=0, now=at(DUE + 560), unlocked_at=unlocked.unlocked_at)
    assert [False, is_asked, False, False] == [
        once.may_renew(HUMAN, CLOCK, HERE, at(DUE + 500)),
        once.may_renew(HUMAN, CLOCK, unlocked, at(DUE + 500)),
        twice.may_renew(HUMAN, CLOCK, unlocked, at(DUE + 600)),
        twice.may_renew(HUMAN, CLOCK, later, at(DUE + 700)) and is_asked,
    ]


def test_what_was_ignored_before_the_unlock_is_shown_at_it_however_often() -> None:
    """Only the clock's prompt after an unlock counts as shown again; new credentials reset that."""
    error, unlocked_at = ApprovalIgnored("a minute went by"), at(EIGHT_HOURS + 600)
    ignored = failing(issued(), error, times=3, after=EIGHT_HOURS + 60)
    shown = ignored.failed(error, HUMAN, jitter=0, now=at(EIGHT_HOURS + 660), unlocked_at=unlocked_at)
    renewed = shown.issued(credentials(at(20 * HOUR)), skew_seconds=0, jitter_seconds=0, now=at(9 * HOUR))
    assert (True, [False, True, False, False]) == (
        ignored.may_renew(HUMAN, CLOCK, Scene(unlocked_at=unlocked_at), unlocked_at),
        [session.was_reshown for session in (ignored, shown, renewed, shown.asked_by_person())],
    )


def test_a_no_of_hours_ago_does_not_count() -> None:
    """A person dismissed their own early login: the renewal is prompted for in time all the same."""
    refused = failing(issued(), NO, after=HOUR)
    assert (False, True) == (
        refused.may_renew(HUMAN, CLOCK, HERE, at(DUE - 1)),
        refused.may_renew(HUMAN, CLOCK, HERE, at(DUE)),
    )


def test_a_no_of_minutes_ago_counts_until_an_hour_is_over() -> None:
    """A session whose shared login was dismissed ten minutes before it was due is not prompted for when it is."""
    refused = failing(issued(16 * HOUR), NO, after=16 * HOUR - 1800)
    first = next(
        second for second in range(0, 1800, 10) if refused.may_renew(HUMAN, CLOCK, HERE, at(16 * HOUR - 1800 + second))
    )
    long_ago = failing(issued(16 * HOUR), NO, after=16 * HOUR - 1200 - 3601)
    assert (1500, True) == (first, long_ago.may_renew(HUMAN, CLOCK, HERE, at(16 * HOUR - 1200)))


def test_the_last_chance_of_a_role_is_its_base_s_once() -> None:
    """A base that expired after a refusal is prompted for once, five minutes before the role above it ends."""
    refused = failing(issued(), NO, after=DUE)
    end = at(9 * HOUR)
    twice = failing(refused, NO, after=9 * HOUR - 299)

    def wanted(session: Session) -> list[int]:
        return [
            left
            for left in range(3600, -100, -1)
            if session.may_renew(HUMAN, CLOCK, HERE, at(9 * HOUR - left), needed_until=end)
        ]

    assert (300, 1, 300) == (wanted(refused)[0], wanted(refused)[-1], len(wanted(refused)))
    assert [] == wanted(twice)


def test_clients_after_a_no_wait_twice_as_long_each_time() -> None:
    """30 s, doubling to 30 min."""
    session, waits = issued(), []
    for _ in range(9):
        session = session.failed(NO, HUMAN, jitter=0.9, now=at(EIGHT_HOURS + 1))
        waits.append(session.retry_after_seconds)
    assert [30, 60, 120, 240, 480, 960, 1800, 1800, 1800] == waits


@pytest.mark.parametrize(("after", "is_wanted"), [(0, False), (29.9, False), (30, True), (9999, True)])
def test_clients_wait_out_the_delay(after: float, is_wanted: bool) -> None:
    """A client's attempt is made when the delay is over, and not before."""
    refused = failing(Session(), NO, after=0)
    assert is_wanted == refused.may_renew(HUMAN, CLIENT, HERE, at(after))


def test_a_person_tries_at_once_and_starts_anew() -> None:
    """`mayfly login` tries at once, and earlier failures no longer count."""
    refused = failing(issued().forgot(), NO, times=5, after=0)
    anew = refused.asked_by_person()
    assert (True, 30, False, None) == (
        refused.may_renew(HUMAN, PERSON, HERE, at(1)),
        failing(anew, NO, after=1).retry_after_seconds,
        anew.forgotten,
        anew.retry_not_before_at(),
    )


def test_success_starts_anew() -> None:
    """New credentials reset the failures, but not the use."""
    again = failing(issued(), NO, times=3, after=DUE).issued(
        credentials(at(2 * EIGHT_HOURS)), skew_seconds=0, jitter_seconds=0, now=at(DUE + 60)
    )
    assert (0, None, None, NOON) == (
        again.consecutive_failures,
        again.last_error,
        again.failed_at,
        again.last_fetched_at,
    )


# After anything else


def test_what_is_set_up_wrong_is_tried_again_on_demand() -> None:
    """60 s, doubling to 30 min, and never by the clock where that may be a prompt."""
    session, waits = issued(), []
    for _ in range(7):
        session = session.failed(AccessDenied("no"), HUMAN, jitter=0.5, now=at(DUE))
        waits.append(session.retry_after_seconds)
    assert ([60, 120, 240, 480, 960, 1800, 1800], False, True) == (
        waits,
        session.may_renew(HUMAN, CLOCK, HERE, at(EIGHT_HOURS + 9999)),
        session.may_renew(HUMAN, CLIENT, HERE, at(EIGHT_HOURS + 9999)),
    )


SET_UP_WRONG = [AccessDenied("no"), ItemNotFound("no item"), OnePasswordUnknown("?"), ClockSkewed("an hour late")]


@pytest.mark.parametrize("error", SET_UP_WRONG)
def test_where_nobody_is_asked_the_clock_retries_after_every_error(error: MayflyError) -> None:
    """A service account is retried after every kind of error: 60 s, doubling to 30 min."""
    session, waits = Session(), []
    for _ in range(7):
        session = session.failed(error, MACHINE, jitter=0.5, now=NOON)
        waits.append(session.retry_after_seconds)
    assert ([60, 120, 240, 480, 960, 1800, 1800], False, True) == (
        waits,
        session.may_renew(MACHINE, CLOCK, LOCKED, at(1799)),
        session.may_renew(MACHINE, CLOCK, LOCKED, at(1800)),
    )


def test_what_nobody_has_recorded_is_tried_again_on_demand() -> None:
    """The clock does not retry after an unknown text of op."""
    session = failing(issued(), OnePasswordUnknown("?"), after=DUE)
    assert (False, False, True) == (
        session.may_renew(HUMAN, CLOCK, HERE, at(DUE + 9999)),
        session.may_renew(HUMAN, CLIENT, HERE, at(DUE + 29)),
        session.may_renew(HUMAN, CLIENT, HERE, at(DUE + 30)),
    )


@pytest.mark.parametrize(("policy", "first"), [(MACHINE, 5), (HUMAN, 30)])
def test_what_may_pass_is_retried_by_itself(policy: RefreshPolicy, first: float) -> None:
    """The delay after a retryable error begins at 5 s without a prompt, at 30 s with one, and grows to 30 min."""
    session, waits = Session(), []
    for _ in range(12):
        session = session.failed(AwsThrottled("slow down"), policy, jitter=0, now=NOON)
        waits.append(session.retry_after_seconds)
    assert ([first * 2**n for n in range(6)], 1800) == (waits[:6], waits[-1])


@pytest.mark.parametrize(
    ("error", "policy", "longest"),
    [
        (AwsUnreachable("no network"), HUMAN, 60),
        (AwsUnreachable("no network"), MACHINE, 60),
        (AwsFailed("500"), MACHINE, 60),
        (AwsFailed("500"), HUMAN, 1800),
    ],
)
def test_an_outage_is_over_within_a_minute(error: MayflyError, policy: RefreshPolicy, longest: float) -> None:
    """An attempt without a prompt is made every minute during an outage, so that its end is noticed."""
    session = issued()
    for _ in range(12):
        session = session.failed(error, policy, jitter=0, now=at(EIGHT_HOURS + 5))
    assert longest == session.retry_after_seconds


@pytest.mark.parametrize(("jitter", "wait"), [(0, 30), (0.5, 22.5), (1, 15)])
def test_what_nobody_waits_for_is_spread(jitter: float, wait: float) -> None:
    """Jitter takes up to half of a retryable error's delay."""
    assert wait == failing(Session(), AwsThrottled("slow down"), after=0, jitter=jitter).retry_after_seconds


@pytest.mark.parametrize(
    ("error", "policy", "left"),
    [(AwsThrottled("slow down"), MACHINE, left) for left in (1200, 600, 100, 10, 2)]
    + [(AwsThrottled("slow down"), HUMAN, left) for left in (1200, 600, 301)]
    + [(AwsUnreachable("no network"), HUMAN, left) for left in (100, 10, 2)],
)
def test_a_retry_always_comes_before_the_end(error: MayflyError, policy: RefreshPolicy, left: float) -> None:
    """However often it failed, the delay is at most half of the remaining life."""
    session = issued()
    for _ in range(12):
        session = session.failed(error, policy, jitter=0, now=at(EIGHT_HOURS - left))
    assert left / 2 == session.retry_after_seconds


def test_the_last_five_minutes_are_not_filled_with_prompts() -> None:
    """An attempt in the last five minutes was the last before the end: the delay goes on doubling."""
    assert 240 == failing(issued(), AwsFailed("500"), times=4, after=EIGHT_HOURS - 290).retry_after_seconds


@pytest.mark.parametrize("error", [OnePasswordGarbled("?"), AwsFailed("500"), AwsThrottled("slow down")])
def test_what_comes_after_a_prompt_is_tried_by_the_clock_while_anything_lives(error: MayflyError) -> None:
    """Each attempt may raise a prompt: after the end only a client's request makes one."""
    session = failing(issued(), error, after=EIGHT_HOURS - 200)
    wanted = [left for left in range(200, -7200, -10) if session.may_renew(HUMAN, CLOCK, HERE, at(EIGHT_HOURS - left))]
    assert (170, 10, True) == (wanted[0], wanted[-1], session.may_renew(HUMAN, CLIENT, HERE, at(EIGHT_HOURS + 1)))


def test_a_network_that_is_down_costs_no_prompt() -> None:
    """An unreachable AWS is found out before `op` runs, so the clock retries also after the end."""
    session = failing(issued(), AwsUnreachable("no network"), after=EIGHT_HOURS + 5)
    assert session.may_renew(HUMAN, CLOCK, HERE, at(EIGHT_HOURS + 65))


def test_after_the_end_a_retry_takes_its_time() -> None:
    """After the end the delay is not cut."""
    assert 60 == failing(issued(), AwsThrottled("slow down"), times=2, after=EIGHT_HOURS + 5).retry_after_seconds


@pytest.mark.parametrize("error", [OnePasswordRateLimited, AwsThrottled])
def test_a_party_that_says_when_is_listened_to(error: type[MayflyError]) -> None:
    """retry_after_seconds is kept to the second, even beyond the end."""
    session = failing(issued(), error("later", retry_after_seconds=4000), times=3, after=DUE)
    assert (4000, at(DUE + 4000)) == (session.retry_after_seconds, session.retry_not_before_at())


def test_a_party_that_is_impatient_is_not_heard() -> None:
    """ "Again in a second", again and again, is answered ever more seldom."""
    session, waits = Session(), []
    for _ in range(6):
        session = session.failed(OnePasswordRateLimited("?", retry_after_seconds=1), MACHINE, jitter=0, now=NOON)
        waits.append(session.retry_after_seconds)
    assert [5, 10, 20, 40, 80, 160] == waits


def test_a_changed_config_is_no_error_once_it_is_taken_over() -> None:
    """ConfigChanged is cleared by the reload; an error of 1Password is not."""
    changed, refused = failing(Session(), ConfigChanged("it is"), after=0), failing(Session(), NO, after=0)
    assert (Session(), refused) == (changed.config_adopted(), refused.config_adopted())


def test_why_nothing_can_be_done() -> None:
    """A client is told that the screen is locked where that is the reason, or else the last failure."""
    refused = failing(Session(), NO, after=0)
    through_lock = refused.refusal(HUMAN, LOCKED)
    assert (ScreenLocked, NO, NO, None) == (
        type(through_lock),
        refused.refusal(HUMAN, HERE),
        refused.refusal(MACHINE, LOCKED),
        Session().refusal(HUMAN, AWAY),
    )


# Company


@pytest.mark.parametrize(
    ("life", "second", "comes"),
    [
        (EIGHT_HOURS, DUE - 3601, False),
        (EIGHT_HOURS, DUE - 3600, True),
        (EIGHT_HOURS, DUE, True),
        (EIGHT_HOURS, EIGHT_HOURS + 60, True),
        (HOUR, 299, False),
        (HOUR, 300, True),
        (1000, 99, False),
        (1000, 100, True),
    ],
)
def test_who_comes_along(life: float, second: float, comes: bool) -> None:
    """A session joins if it is in use, due within the hour, and not new."""
    assert comes == issued(life).may_join_login(HUMAN, at(second))


@pytest.mark.parametrize(
    "session", [Session(), issued(used=False), issued().forgot(), failing(issued(), NO, after=DUE)]
)
def test_who_stays_at_home(session: Session) -> None:
    """A session does not join if it is not in use, or if its delay is not over."""
    assert not session.may_join_login(HUMAN, at(DUE))


# Doubt and alarm


def test_doubts_are_seldom() -> None:
    """AWS is asked about fresh credentials every five minutes at most."""
    doubted = issued().verified(at(10))
    assert [True, False, True, False] == [
        issued().may_verify(HUMAN, at(10)),
        doubted.may_verify(HUMAN, at(309)),
        doubted.may_verify(HUMAN, at(310)),
        doubted.may_verify(HUMAN, at(DUE)),
    ]


def test_doubts_are_as_seldom_of_the_next_ones() -> None:
    """Neither new nor rejected credentials reset the five minutes."""
    doubted = issued().verified(at(10))
    renewed = doubted.issued(credentials(at(9 * HOUR)), skew_seconds=0, jitter_seconds=0, now=at(20))
    replaced = doubted.rejected(OVER, HUMAN, at(15)).issued(
        credentials(at(9 * HOUR)), skew_seconds=0, jitter_seconds=0, now=at(20)
    )
    assert [False, True] * 2 == [
        session.may_verify(HUMAN, at(second)) for session in (renewed, replaced) for second in (309, 310)
    ]


def test_what_aws_has_refused_is_doubted_while_it_lives() -> None:
    """Credentials that AWS refused are verified, also when due, but not after their end."""
    seconds = (10, DUE, EIGHT_HOURS)
    assert [True, True, False] == [issued().may_verify(HUMAN, at(second), is_refused=True) for second in seconds]


def test_the_end_is_told_twice() -> None:
    """Credentials in use are announced 15 and 5 minutes before the end, each once."""
    session, told = issued(), []
    for left in range(1200, -60, -10):
        mark = session.warning_seconds(HUMAN, at(EIGHT_HOURS - left))
        if mark is not None:
            told.append((left, mark))
            session = session.warned(mark)
    assert [(900, 900), (300, 300)] == told


def test_a_slept_over_alarm_is_one() -> None:
    """After a sleep until three minutes before the end there is one warning."""
    assert 300 == issued().warning_seconds(HUMAN, at(EIGHT_HOURS - 180))


@pytest.mark.parametrize(
    ("session", "mode", "is_told"),
    [
        (issued(), "on-demand", False),
        (failing(issued(), NO, after=DUE), "on-demand", True),
        (issued(used=False), "while-used", False),
    ],
)
def test_the_end_is_announced_if_more_is_expected(session: Session, mode: str, is_told: bool) -> None:
    """No warning for credentials that are unused, or renewed on demand, unless a renewal failed."""
    policy = attrs.evolve(HUMAN, mode=mode)
    assert is_told == (session.warning_seconds(policy, at(EIGHT_HOURS - 600)) is not None)


# Looking again


@pytest.mark.parametrize(
    ("session", "second", "seconds"),
    [
        (Session(), 0, 30),
        (issued(), 0, 30),
        (issued(), DUE - 7, 7),
        (issued(), DUE, 30),
        (issued(), EIGHT_HOURS - 303, 3),
        (issued(), EIGHT_HOURS - 2.5, 2.5),
        (issued(), EIGHT_HOURS + 10, 30),
        (failing(issued(), NO, times=2, after=EIGHT_HOURS + 1), EIGHT_HOURS + 57, 4),
        (failing(issued(), NO, times=2, after=EIGHT_HOURS + 1), EIGHT_HOURS + 21, 10),
        (failing(issued(), NO, after=1000), 4591, 9),
    ],
)
def test_look_again(session: Session, second: float, seconds: float) -> None:
    """The next look is at the next boundary, or in half a minute."""
    assert seconds == pytest.approx(session.look_again_seconds(HUMAN, at(second)))


# Codes


@pytest.mark.parametrize(("last", "now", "first"), [(None, 7, 7), (5, 7, 7), (6, 7, 7), (7, 7, 8), (9, 7, 10)])
def test_a_code_goes_out_once(last: int | None, now: int, first: int) -> None:
    """The next code is of a later step than the last one sent, even where the clock was set back."""
    assert first == first_usable_step(last, now)


def test_presence_has_three_words() -> None:
    """Presence has three values; unknown counts as PRESENT."""
    assert Scene().presence is Presence.PRESENT
