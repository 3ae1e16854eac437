"""Colours and type, in light and in dark: one meaning, one colour, on every chart."""

import dataclasses
from typing import Literal

Name = Literal["light", "dark"]


@dataclasses.dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one theme, as `#rrggbb`.

    Chosen for contrast (3:1 and more against the ground) and so that no two are alike in any of the three common
    deficiencies of colour vision. Charts repeat what a colour says by order, pattern or dash.
    """

    ground: str
    text: str
    muted: str
    line: str
    thinking: str
    answer: str
    input: str
    cache: str
    verifier: str
    unsplit: str
    good: str
    bad: str


LIGHT = Palette(
    ground="#ffffff",
    text="#1a212b",
    muted="#5b6673",
    line="#dde2e8",
    thinking="#c65200",
    answer="#0072b2",
    input="#009e73",
    cache="#cc79a7",
    verifier="#1f1f1f",
    unsplit="#8c96a1",
    good="#0b7a4b",
    bad="#b3261e",
)
DARK = Palette(
    ground="#10151c",
    text="#e7ebf0",
    muted="#9aa5b1",
    line="#2b343f",
    thinking="#e69f00",
    answer="#56b4e9",
    input="#009e73",
    cache="#cc79a7",
    verifier="#f0e442",
    unsplit="#7d8894",
    good="#3ecf8e",
    bad="#ff7b72",
)


def palette(name: Name | None) -> Palette:
    """The palette of the viewer's theme; light where it is not known."""
    return DARK if name == "dark" else LIGHT


def options() -> dict[str, object]:
    """Streamlit's settings of the same colours."""
    shared: dict[str, object] = {
        "theme.baseRadius": "0.5rem",
        "theme.baseFontSize": 15,
        "theme.showWidgetBorder": True,
        "theme.metricValueFontSize": "1.9rem",
        "theme.metricValueFontWeight": 600,
        "theme.headingFontSizes": ["1.75rem", "1.35rem", "1.1rem", "1rem", "1rem", "1rem"],
        "theme.headingFontWeights": [650, 650, 600, 600, 600, 600],
    }
    for name, colours, raised in (("light", LIGHT, "#f5f7f9"), ("dark", DARK, "#19212a")):
        shared |= {
            f"theme.{name}.primaryColor": colours.answer,
            f"theme.{name}.backgroundColor": colours.ground,
            f"theme.{name}.secondaryBackgroundColor": raised,
            f"theme.{name}.textColor": colours.text,
            f"theme.{name}.borderColor": colours.line,
            f"theme.{name}.linkColor": colours.answer,
            f"theme.{name}.greenColor": colours.good,
            f"theme.{name}.redColor": colours.bad,
            f"theme.{name}.chartCategoricalColors": [
                colours.answer, colours.thinking, colours.input, colours.cache, colours.verifier,
            ],
        }  # fmt: skip
    return shared
