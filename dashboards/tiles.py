"""A metric's tile: value, interval, sample, change; where there is no value, why there is none."""

import dataclasses
from collections.abc import Sequence
from typing import Final, Literal

import streamlit as st

from thinkmeter.dashboards import charts
from thinkmeter.dashboards.theme import Palette
from thinkmeter.dashboards.wording import change, count, percent, plain
from thinkmeter.schema.metrics import wording
from thinkmeter.schema.metrics.catalogue import METRICS, Metric
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.query import ReportRow


@dataclasses.dataclass(frozen=True, slots=True)
class Tile:
    """How one metric is shown.

    Attributes:
        metric: its definition.
        short: what it is called in short.
        of: what the sample consists of.
        unit: what stands beside the value, where the value does not say it.
        judged: whether a change by itself is good or bad; the metric says which.
        compared: what is said of a comparison with the period before.
    """

    metric: Metric
    short: str
    of: str
    unit: str = ""
    judged: bool = True
    compared: str = ""

    @property
    def title(self) -> str:
        """What stands above the value."""
        return f"{self.short} · {self.metric.title.lower()}"

    @property
    def is_share(self) -> bool:
        """Whether its values end at 1."""
        return self.metric.unit.startswith("share")

    @property
    def lower_is_better(self) -> bool:
        """Which way is better."""
        return self.metric.direction == "lower"

    def tick(self, value: float) -> str:
        """A value on an axis."""
        return percent(value) if self.is_share else wording.value(self.metric, value).removesuffix("/pt")


TILES: Final = (
    Tile(METRICS["cpq"], "CPQ", "labelled requests", compared=" · compared at equal traffic"),
    # thinking longer is bad only where quality does not rise with it
    Tile(METRICS["ttr"], "TTR", "requests", "tokens a request", judged=False),
    Tile(METRICS["escr"], "EscR", "tier-1 verdicts"),
    Tile(METRICS["vrate"], "VRate", "labelled passes"),
)


def decisive(rows: Sequence[ReportRow]) -> ReportRow | None:
    """The row that stands for all: of the verifier with the most labels, where there are several."""
    return max(rows, key=lambda row: row.n, default=None)


def draw(
    tile: Tile, rows: Sequence[ReportRow], rows_before: Sequence[ReportRow], period: str, palette: Palette
) -> None:
    """Draw a tile.

    Args:
        tile: which.
        rows: of the report on the window: one, or one a verifier.
        rows_before: of the report on the window before.
        period: the window in words.
        palette: colours of the viewer's theme.
    """
    now = decisive(rows)
    before = at_equal_traffic(decisive([row for row in rows_before if row.state is State.OK]), now)
    delta = _change(tile, now, before)
    st.metric(
        tile.title,
        plain(headline(tile, now)) + (f" :small[:gray[{tile.unit}]]" if tile.unit and now and now.value else ""),
        delta=delta[1] if delta else None,
        delta_arrow="off" if delta is None or delta[0] == 0 else "up" if delta[0] > 0 else "down",
        delta_color=_colour(tile, delta, may_be_chance=_overlap(now, before)),
        delta_description=f"to the {period} before" if delta else None,
        help=tile.metric.why,
    )
    if now is not None and now.value is not None:
        st.plotly_chart(
            charts.standing(
                now.value,
                now.low,
                now.high,
                before.value if before else None,
                now.detail.get("target"),
                lower_is_better=tile.lower_is_better,
                is_share=tile.is_share,
                show=tile.tick,
                palette=palette,
            ),
            theme=None,
            config=charts.CONFIG,
            key=f"standing-{tile.short}",
            alt=f"{tile.title}: {headline(tile, now)}, {sentence(tile, now)}",
        )
    st.caption(plain(sentence(tile, now) + _verifier(rows) + (tile.compared if delta else "")))


def headline(tile: Tile, row: ReportRow | None) -> str:
    """The value as it stands in large type, or a word in its place."""
    if row is not None and row.state in (State.NO_GAIN, State.WORSE):
        return "no gain" if row.state is State.NO_GAIN else "worse"
    return wording.value(tile.metric, row.value if row else None)


def sentence(tile: Tile, row: ReportRow | None) -> str:
    """Interval and sample of a value; or why there is none, in words."""
    if row is None:
        return "Nothing to measure in this window."
    said = []
    if row.value is not None:
        said.append(f"95% interval {wording.interval(tile.metric, row.low, row.high)}")
    if row.state is not State.INSUFFICIENT_DATA:
        said.append(f"n = {count(row.n)} {tile.of}")
    if (words := wording.state(row.state, row.detail)) != "ok":
        said.append(words.removeprefix("ok; "))
    if "improvement_pp" in row.detail and row.state is not State.OK:
        change_pp, spent_usd = row.detail["improvement_pp"], row.detail["thinking_cost_usd"]
        said.append(f"{wording.points(change_pp)} for {wording.usd(spent_usd)} of thinking")
    text = " · ".join(said)
    return text if text.startswith("n =") else text[0].upper() + text[1:]


def at_equal_traffic(before: ReportRow | None, now: ReportRow | None) -> ReportRow | None:
    """What the period before would have come to with as many requests as there are now.

    CPQ is a total over a gain, so it grows with traffic; cost per extra correct answer, which stands beside it, does
    not, and tells how much of a change is more than that. Other metrics are the same at any traffic.
    """
    per_answer = "cost_per_extra_correct_usd"
    if before is None or now is None or not (now.value and before.value) or per_answer not in before.detail:
        return before
    if now.detail.get(per_answer) is None:
        return None
    factor = (before.detail[per_answer] / before.value) / (now.detail[per_answer] / now.value)
    low, high = (None if end is None else end * factor for end in (before.low, before.high))
    return dataclasses.replace(before, value=before.value * factor, low=low, high=high)


def _verifier(rows: Sequence[ReportRow]) -> str:
    """Whose precision it is."""
    row = decisive(rows)
    if row is None or not row.key.get("verifier"):
        return ""
    name = " ".join(filter(None, (row.key["verifier"], row.key.get("version"))))
    return f" · {name}" + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")


def _change(tile: Tile, now: ReportRow | None, before: ReportRow | None) -> tuple[float, str] | None:
    if now is None or now.state is not State.OK or before is None or now.value is None or before.value is None:
        return None
    return change(now.value, before.value, is_share=tile.is_share)


def _colour(tile: Tile, delta: tuple[float, str] | None, *, may_be_chance: bool) -> Literal["off", "green", "red"]:
    """Good or bad only where the change is more than chance."""
    if delta is None or delta[0] == 0 or may_be_chance or not tile.judged:
        return "off"
    return "green" if (delta[0] < 0) == tile.lower_is_better else "red"


def _overlap(now: ReportRow | None, before: ReportRow | None) -> bool:
    """Whether the intervals meet, so that the change may be chance."""
    if now is None or before is None:
        return True
    ends = now.low, now.high, before.low, before.high
    low, high, low_before, high_before = (float("nan") if end is None else end for end in ends)
    return not (low > high_before or low_before > high)
