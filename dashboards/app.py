"""The script that Streamlit runs, from the top, for every viewer and every change."""

from thinkmeter.dashboards import frame

frame.draw()
