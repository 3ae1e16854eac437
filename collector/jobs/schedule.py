"""The clock: which job runs how often, one at a time, on one of the processes of a store, and what is known of it."""

import dataclasses
import datetime as dt
import logging
import threading
import time
from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from thinkmeter.collector.jobs.baselines import refresh_baselines
from thinkmeter.collector.jobs.merging import let_merges_go_on
from thinkmeter.collector.jobs.pricing import refresh_prices
from thinkmeter.collector.jobs.requests import refresh_requests
from thinkmeter.collector.jobs.rollups import refresh_rollups
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.logs import event
from thinkmeter.schema.prices import PriceSettings
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.failure import reason
from thinkmeter.schema.store.lease import Lease

log = logging.getLogger(__name__)

SETTLING_INTERVAL_S = 1.0
REQUESTS_INTERVAL_S = 2.0
ROLLUPS_INTERVAL_S = 10.0
PRICING_INTERVAL_S = 2.0
LEASE_S = 6.0
"""How long after the end of a process that was killed another takes the jobs over."""
RENEWAL_INTERVAL_S = LEASE_S / 3
CLOCK_INTERVAL_S = 1.0
BACK_S = 0.5
"""How far the machine's clock is set back until the jobs are told: they wait for a time by it."""
OVERLAP_S = 60.0
"""How far a frequent run looks back: longer than a collector's clock may be off or an insert may take."""


@dataclasses.dataclass(slots=True)
class JobState:
    """What is known of a job; times in UTC."""

    runs: int = 0
    failures: int = 0
    last_success: dt.datetime | None = None
    last_duration_s: float = 0.0
    last_error: str = ""


class Schedule:
    """Runs the jobs in the background until stopped; a job that fails is told once a change and tried again.

    Several processes may have one on the same store: the one that holds the lease runs the jobs, another takes over
    when it ends.

    Attributes:
        states: what is known of each job, by name.
        leads: whether this process runs the jobs.
    """

    def __init__(self, address: StoreAddress, prices: PriceSettings) -> None:
        """Prepare the jobs; nothing runs before `start`."""
        self._address = address
        self._prices = prices
        self._client: Client | None = None
        self._lock = threading.Lock()
        # A run that falls into another one's time is no matter: the next comes at once.
        clock_log = log.getChild("clock")
        clock_log.setLevel(logging.ERROR)
        self._scheduler = BackgroundScheduler(
            timezone=dt.UTC,
            logger=clock_log,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 30},
        )
        self._lease = Lease("jobs", LEASE_S)
        self._renewed = -LEASE_S
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._watch_clock, name="jobs clock", daemon=True)
        self.states: dict[str, JobState] = {}
        self.leads = False

    def start(self) -> None:
        """Run every job once where no other process does, compare everything while at it, then go by the clock."""
        self.run("settling", settle_calls)
        self.run("requests", refresh_requests)
        self.run("pricing", lambda client: refresh_prices(client, self._prices))
        self.run("baselines", refresh_baselines)
        self._scheduler.add_job(self.run, "interval", ("settling", settle_calls), seconds=SETTLING_INTERVAL_S)
        self._scheduler.add_job(self.run, "interval", ("requests", refresh_requests), seconds=REQUESTS_INTERVAL_S)
        self._scheduler.add_job(self.run, "interval", ("rollups", refresh_rollups), seconds=ROLLUPS_INTERVAL_S)
        self._scheduler.add_job(self._price, "interval", seconds=PRICING_INTERVAL_S)
        self._scheduler.add_job(self.run, "cron", ("baselines", refresh_baselines), second=0)
        self._scheduler.add_job(self.run, "cron", ("merging", let_merges_go_on), second=30)
        self._scheduler.start()
        self._clock.start()

    def close(self) -> None:
        """Let the running job end, stop the clock and let another process take over; safe without `start`."""
        if self._scheduler.running:
            self._ended.set()
            self._clock.join()
            self._scheduler.shutdown(wait=True)
        if self._client is not None:
            try:
                self._lease.release(self._client)
            except ClickHouseError as error:
                why = reason(error)
                log.info(
                    "the lease of the jobs ends by itself, as the store is away: %s",
                    why,
                    extra=event("jobs.lease_left", reason=why),
                )
            self._client.close()

    def run(self, name: str, job: Callable[[Client], object]) -> None:
        """Run one job now; a failure is kept in its state, since the clock will bring it round again."""
        state = self.states.setdefault(name, JobState())
        started = time.monotonic()
        with self._lock:  # a client serialises its calls
            try:
                if self._client is None:
                    self._client = connect(self._address)
                if not self._lead(self._client):
                    return
                state.runs += 1
                job(self._client)
            except Exception as error:  # whatever it is, the clock must go on; the state tells it
                state.failures += 1
                why = reason(error)
                if why != state.last_error:
                    expected = isinstance(error, ThinkmeterError | ClickHouseError)
                    log.log(
                        logging.WARNING if expected else logging.ERROR,
                        "job %s failed: %s",
                        name,
                        why,
                        exc_info=not expected,
                        extra=event("jobs.failed", job=name, reason=why),
                    )
                state.last_error = why
                return
        state.last_success, state.last_error = dt.datetime.now(dt.UTC), ""
        state.last_duration_s = time.monotonic() - started

    def _lead(self, client: Client) -> bool:
        """Whether this process runs the jobs, after having renewed the lease where it was time to."""
        if time.monotonic() - self._renewed >= RENEWAL_INTERVAL_S:
            self._renewed = time.monotonic()
            self.leads = False  # where the store does not say so
            self.leads = self._lease.acquire(client)
        return self.leads

    def _watch_clock(self) -> None:
        """Where the machine's clock goes back, let every job run now, and not when the clock comes there once more."""
        ahead_s = time.time() - time.monotonic()
        while not self._ended.wait(CLOCK_INTERVAL_S):
            before_s, ahead_s = ahead_s, time.time() - time.monotonic()
            if ahead_s < before_s - BACK_S:
                for job in self._scheduler.get_jobs():
                    job.modify(next_run_time=dt.datetime.now(dt.UTC))

    def _price(self) -> None:
        state = self.states["pricing"]
        # After a failure nothing is known of what arrived meanwhile: compare all.
        complete = state.last_success is None or state.last_error != "" or state.last_success > dt.datetime.now(dt.UTC)
        since = None if complete or state.last_success is None else state.last_success - dt.timedelta(seconds=OVERLAP_S)
        self.run("pricing", lambda client: refresh_prices(client, self._prices, since=since))
