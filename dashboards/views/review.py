"""The monthly review: what changed since the month before, what is calibrated, what to change."""

import datetime as dt
from typing import Final

import streamlit as st

from thinkmeter.dashboards import reading, states, wording
from thinkmeter.dashboards.clock import zone
from thinkmeter.dashboards.filters import Choice
from thinkmeter.dashboards.pages import bar
from thinkmeter.schema.metrics import wording as metric_wording
from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.metrics.wording import NOTHING, interval, usd, value
from thinkmeter.schema.query.review import Review

MONTHS: Final = 6
"""How many months can be chosen."""
REFRESH: Final = dt.timedelta(minutes=5)
SHORT: Final = {"cpq": "CPQ", "ttr": "TTR", "escr": "EscR", "vrate": "VRate"}


def draw() -> None:
    """Draw the page; of the filters, project and task class hold, and the month in place of the window."""
    choice = bar()
    states.when_ready(lambda: st.fragment(_live, run_every=REFRESH)(choice))


def _live(choice: Choice) -> None:
    with states.told("This page"):
        states.behind()
        month = st.segmented_control(
            "Month", _months(), default=_months()[0], required=True, key="month", label_visibility="collapsed"
        )
        with st.spinner("Reading two months"):
            found = reading.review(str(month), choice.slices.get("project"), choice.slices.get("task"))
        if not found.reviews:
            st.subheader(f":material/search_off: No calls in {month}", anchor=False)
            return
        so_far = "" if found.month.elapsed == 1 else f", {found.month.elapsed:.0%} of it so far"
        against = f"{found.month.name}{so_far}, against {found.month.before().name}."
        st.caption(wording.plain(f"{against} Of the filters above, project and task class hold."))
        for one in found.reviews:
            with st.container(border=True):
                _task(one)


def _months() -> list[str]:
    first = reading.now().astimezone(zone()).replace(day=1)
    months = [first]
    while len(months) < MONTHS:
        months.append((months[-1] - dt.timedelta(days=1)).replace(day=1))
    return [f"{month:%Y-%m}" for month in months]


def _task(one: Review) -> None:
    st.markdown(f"##### {wording.plain(one.task or 'not known')}")
    shown = [(name, row) for name in SHORT for row in one.now[name]]
    st.dataframe(
        {
            "Metric": [" ".join(filter(None, (SHORT[name], row.key.get("verifier")))) for name, row in shown],
            "Value": [value(METRICS[name], row.value) for name, row in shown],
            "95% interval": [interval(METRICS[name], row.low, row.high) for name, row in shown],
            "n": [row.n for _, row in shown],
            "State": [metric_wording.state(row.state, row.detail) for _, row in shown],
        },
        hide_index=True,
        placeholder=NOTHING,
        key=f"review_{one.task}",
        alt=f"The four metrics of {one.task} in the month",
    )
    told = []
    if one.repriced is not None:
        same = one.repriced
        told.append(
            f"Thinking a request: {usd(same.before_usd)} → {usd(same.now_usd)}; prices "
            f"{_signed(same.price_effect_usd)}, mix of models {_signed(same.mix_effect_usd)}, "
            f"length {_signed(same.length_effect_usd)}"
        )
    if one.change.ratio is not None and one.change.low is not None and one.change.high is not None:
        told.append(
            f"One more correct answer, same prices and mix: {usd(one.change.before_usd)} → {usd(one.change.now_usd)}, "
            f"{one.change.ratio:.2f} times ({one.change.low:.2f} to {one.change.high:.2f})"
        )
    for sentence in told:
        st.markdown(wording.plain(sentence))
    st.markdown("**What to change**")
    st.markdown(
        "\n".join(f"- {wording.plain(sentence)}" for sentence in one.advice or ("Nothing that the numbers show.",))
    )


def _signed(amount: float) -> str:
    return usd(amount) if amount < 0 else f"+{usd(amount)}"
