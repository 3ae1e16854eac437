"""What surrounds every page: name, navigation and type."""

from typing import Final

import streamlit as st

from thinkmeter.dashboards import theme
from thinkmeter.dashboards.pages import Pages
from thinkmeter.dashboards.views import (
    alerts,
    budget,
    cost,
    metrics,
    overview,
    request,
    requests,
    review,
    routing,
    runaways,
    thinking,
    verifier,
)

REPORTS: Final = (
    ("Cost", "payments", cost.draw),
    ("Thinking", "psychology", thinking.draw),
    ("Routing", "alt_route", routing.draw),
    ("Verifier", "fact_check", verifier.draw),
    ("Budget", "savings", budget.draw),
    ("Review", "event_note", review.draw),
    ("Metrics", "monitoring", metrics.draw),
)
"""Pages of their own beside the five that link to each other: title, icon, and what draws it."""

STYLE = """
<style>
  [data-testid="stMainBlockContainer"] { max-width: 1480px; padding: 4.2rem 2rem 3rem; }
  [data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; }
</style>
"""


def draw() -> None:
    """Draw the frame and the page in it."""
    palette = theme.palette(st.context.theme.type)
    # before the navigation, which would have the browser fetch an icon from the internet
    st.set_page_config(page_icon=mark(theme.LIGHT), layout="wide")
    st.html(STYLE)
    st.logo(mark(palette, with_name=True), size="large")
    pages = Pages(
        overview=st.Page(
            lambda: overview.draw(pages),
            title="Overview",
            icon=":material/dashboard:",
            url_path="overview",
            default=True,
        ),
        requests=st.Page(lambda: requests.draw(pages), title="Requests", icon=":material/list:", url_path="requests"),
        runaways=st.Page(
            lambda: runaways.draw(pages), title="Runaways", icon=":material/local_fire_department:", url_path="runaways"
        ),
        alerts=st.Page(lambda: alerts.draw(pages), title="Alerts", icon=":material/notifications:", url_path="alerts"),
        request=st.Page(lambda: request.draw(pages), title="Request", url_path="request", visibility="hidden"),
    )
    reports = [
        st.Page(draw_page, title=title, icon=f":material/{icon}:", url_path=title.lower())
        for title, icon, draw_page in REPORTS
    ]
    sections = {"": [pages.overview, pages.alerts, pages.runaways, pages.requests, pages.request], "Reports": reports}
    page = st.navigation(sections, position="top")
    st.set_page_config(page_title=f"{page.title} · thinkmeter")
    pages.follow()
    page.run()


def mark(palette: theme.Palette, *, with_name: bool = False) -> str:
    """A gauge as SVG, with or without the name beside it."""
    gauge = (
        f'<path d="M5 23a11 11 0 1 1 22 0" fill="none" stroke="{palette.line}" stroke-width="4.5"/>'
        f'<path d="M5 23a11 11 0 0 1 15.2-10.2" fill="none" stroke="{palette.thinking}" stroke-width="4.5"/>'
        f'<path d="M16 23l6-9.5" stroke="{palette.text}" stroke-width="2.6" stroke-linecap="round"/>'
        f'<circle cx="16" cy="23" r="2.8" fill="{palette.text}"/>'
    )
    name = (
        f'<text x="38" y="23" font-family="Helvetica, Arial, sans-serif" font-size="20" font-weight="700"'
        f' fill="{palette.text}">thinkmeter</text>'
    )
    width = 152 if with_name else 32
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="32" viewBox="0 0 {width} 32">'
        f"{gauge}{name if with_name else ''}</svg>"
    )
