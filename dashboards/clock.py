"""The viewer's time zone."""

import datetime as dt
import zoneinfo

import streamlit as st


def zone() -> dt.tzinfo:
    """The zone of the viewer's browser; UTC where it does not say one that is known."""
    try:
        return zoneinfo.ZoneInfo(st.context.timezone or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return dt.UTC


def zone_name() -> str:
    """Its IANA name."""
    return str(zone())
