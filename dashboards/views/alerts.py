"""Alerts: which rules on metrics fire, what each of them sees, and what fired before."""

import datetime as dt
from typing import Final

import pandas as pd
import streamlit as st

from thinkmeter.dashboards import alert_tables, reading, states, wording
from thinkmeter.dashboards.clock import zone, zone_name
from thinkmeter.dashboards.filters import Choice, Selection
from thinkmeter.dashboards.pages import Pages, bar
from thinkmeter.schema.metrics.wording import NOTHING
from thinkmeter.schema.query import RuleAlerts

LIMIT: Final = 200
LOOKS_AWAY_S: Final = 300.0
"""An engine that has not looked for so long does not run, or cannot."""
HOW: Final = "`[[alerts.rules]]` of the configuration says what is watched: docs/alerts.md."


def draw(pages: Pages) -> None:
    """Draw the page, and keep it current."""
    choice = bar(("window", "project", "task"))
    states.when_ready(lambda: st.fragment(_live, run_every=choice.window.refresh)(choice, pages))


def _live(choice: Choice, pages: Pages) -> None:
    with states.told("This page"):
        states.behind()
        selection = choice.at(reading.now())
        found = reading.rule_alerts(selection, LIMIT)
        with st.container(border=True):
            st.markdown("##### Rules on metrics")
            st.markdown(summary(found, reading.now()))
            _rules(found)
        with st.container(border=True):
            st.markdown("##### Alerts")
            _alerts(found, choice)
        st.page_link(
            pages.runaways,
            label="Single requests that ran away need no rule: see Runaways",
            icon=":material/local_fire_department:",
            query_params=choice.query,
        )


def listed(choice: Choice, selection: Selection, pages: Pages, *, first: bool) -> None:
    """Say in a block of another page what fires; nothing where no rule is watched."""
    with states.told("Alerts"):
        with states.filling(first=first, height_px=80):
            found = reading.rule_alerts(selection, LIMIT)
        if not found.readings and not found.firing:
            return
        st.markdown("##### Alerts")
        st.markdown(summary(found, reading.now()))
        if found.firing:
            told = f"{len(found.firing)} alerts of rules that fire"
            _table(alert_tables.rule_alerts(found, firing=True), "alerts_firing", told)
        st.page_link(pages.alerts, label="All rules", icon=":material/arrow_forward:", query_params=choice.query)


def summary(found: RuleAlerts, now: dt.datetime) -> str:
    """How many rules there are, how they stand, and when they were looked at."""
    if found.looked is None:
        firing = f"**:red[{len(found.firing)} firing]**, as last known. " if found.firing else ""
        return f"{firing}:gray[No rule on a metric was looked at in the last day. {HOW}]"
    counted = {state: sum(one.state == state for one in found.readings) for state in alert_tables.READING_STATES}
    parts = [f"**:red[{counted['firing']} firing]**" if counted["firing"] else ":green[none] firing"]
    parts += [
        f"{counted[state]} {words}"
        for state, words in (
            ("pending", "beyond the limit, not for long enough yet"),
            ("doubtful", "beyond the limit, not for certain"),
            ("insufficient_data", "without enough data"),
            ("error", "not to be judged"),
            ("ok", "within the limit"),
        )
        if counted[state]
    ]
    age_s = (now - found.looked).total_seconds()
    looked = f"looked at {wording.clock(found.looked, zone(), now=now)}"
    if age_s > LOOKS_AWAY_S:
        looked = f":orange[not looked at since {wording.clock(found.looked, zone(), now=now)}: do the alerts run?]"
    rules = len({one.rule for one in found.readings})
    return f"{rules} {'rule' if rules == 1 else 'rules'}: {', '.join(parts)}; {looked}."


def _rules(found: RuleAlerts) -> None:
    if not found.readings:
        return
    told = "Rules with what each of them sees: value, limit, interval, sample, and since when it fires"
    _table(alert_tables.rule_readings(found), "rule_readings", told)
    if len(found.readings) == LIMIT:
        st.caption(f"The first {LIMIT} are shown.")


def _table(rows: pd.DataFrame, key: str, told: str) -> None:
    st.dataframe(
        rows,
        hide_index=True,
        column_config=alert_tables.alert_columns(zone_name()),
        placeholder=NOTHING,
        key=key,
        alt=told,
    )


def _alerts(found: RuleAlerts, choice: Choice) -> None:
    if not found.alerts:
        st.caption(f"None fires, and none did in the last {choice.window.words}.")
        return
    told = f"{len(found.alerts)} alerts that fire or fired in the last {choice.window.words}"
    _table(alert_tables.rule_alerts(found), "rule_alerts", told)
    failed = {(one.channel, one.last_error) for alert in found.alerts for one in alert.told if one.state != "sent"}
    for channel, error in sorted(failed):
        if error:
            st.warning(
                f"{wording.plain(channel)} was not told of all of them: {wording.plain(error)}",
                icon=":material/notification_important:",
            )
