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
from thinkmeter.schema.metrics.wording import NOTHING, interval, rate, usd, value
from thinkmeter.schema.query.break_even import Gpus
from thinkmeter.schema.query.review import Review

MONTHS: Final = 6
"""How many months can be chosen."""
REFRESH: Final = dt.timedelta(minutes=5)
HELD: Final = ("project", "task")
"""The filters that hold; the month stands in place of the window."""
SHORT: Final = {"cpq": "CPQ", "ttr": "TTR", "escr": "EscR", "vrate": "VRate"}


def draw() -> None:
    """Draw the page; of the filters those of `HELD` hold, and the month in place of the window."""
    choice = bar(HELD)
    states.when_ready(lambda: st.fragment(_live, run_every=REFRESH)(choice))


def _live(choice: Choice) -> None:
    with states.told("This page"):
        states.behind()
        month = st.segmented_control(
            "Month", _months(), default=_months()[0], required=True, key="month", label_visibility="collapsed"
        )
        gpus = _hardware()
        with st.spinner("Reading two months"):
            found = reading.review(str(month), choice.slices.get("project"), choice.slices.get("task"), gpus)
        if not found.reviews:
            st.subheader(f":material/search_off: No calls in {month}", anchor=False)
            return
        so_far = "" if found.month.elapsed == 1 else f", {found.month.elapsed:.0%} of it so far"
        against = f"{found.month.name}{so_far}, against {found.month.before().name}."
        st.caption(wording.plain(against))
        if found.whole is not None and len(found.reviews) > 1:
            st.markdown(wording.plain(f"Self-hosting, all task classes together: {found.whole.said}."))
        for one in found.reviews:
            with st.container(border=True):
                _task(one)


def _hardware() -> Gpus | None:
    """Let the viewer name hardware; None while it is not named whole."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="hardware"):
        st.markdown("Break-even of self-hosting:", width="content")
        hour_usd = st.number_input(
            "USD an hour of one GPU", min_value=0.0, value=None, key="gpu_hour_usd", bind="query-params", width=190
        )
        count = st.number_input("GPUs", min_value=1, value=1, key="gpus", bind="query-params", width=130)
        speed = st.number_input(
            "Output tokens a second, all together",
            min_value=0.0,
            value=None,
            key="gpu_tokens_per_second",
            bind="query-params",
            width=250,
        )
    return None if not hour_usd or not speed else Gpus(hour_usd, int(count), speed)


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
    if one.break_even is not None:
        st.markdown(wording.plain(f"Self-hosting: {one.break_even.said}."))
    _calibration(one)
    st.markdown("**What to change**")
    st.markdown(
        "\n".join(f"- {wording.plain(sentence)}" for sentence in one.advice or ("Nothing that the numbers show.",))
    )


def _calibration(one: Review) -> None:
    """Whether the verifier's scores mean what they say, and whether requests enter at the tier that they need."""
    bands = [
        (" ".join(filter(None, (row.key.get("verifier"), row.key.get("version")))), band)
        for row in one.now["vrate"]
        for band in row.detail.get("reliability") or ()
    ]
    entries = [entry for row in one.now["routing"] for entry in row.detail.get("calibration") or ()]
    if not bands and not entries:
        st.caption("Neither the verifier nor the router can be calibrated: no labelled answer has a score or a tier.")
        return
    with st.expander("Calibration of verifier and router"):
        if bands:
            st.dataframe(
                {
                    "Verifier": [name for name, _ in bands],
                    "Mean score": [f"{band['score']:.2f}" for _, band in bands],
                    "Correct": [rate(band["correct"]) for _, band in bands],
                    "95% interval": [f"{rate(band['low'])} to {rate(band['high'])}" for _, band in bands],
                    "n": [band["n"] for _, band in bands],
                },
                hide_index=True,
                key=f"verifier_{one.task}",
                alt=f"How often answers of a score are correct, {one.task}",
            )
        if entries:
            st.dataframe(
                {
                    "Entered at tier": [entry["entry_tier"] for entry in entries],
                    "Right there": [rate(entry["right_there"]) for entry in entries],
                    "95% interval": [f"{rate(entry['low'])} to {rate(entry['high'])}" for entry in entries],
                    "Needed a higher tier": [rate(entry["needed_higher"]) for entry in entries],
                    "Right nowhere": [rate(entry["right_nowhere"]) for entry in entries],
                    "n": [entry["n"] for entry in entries],
                },
                hide_index=True,
                key=f"router_{one.task}",
                alt=f"Whether requests are right at the tier at which they enter, {one.task}",
            )


def _signed(amount: float) -> str:
    return usd(amount) if amount < 0 else f"+{usd(amount)}"
