"""One module a command, or a few that belong together."""

from typing import Final

MODULES: Final = {
    "alerts": "alerting",
    "backfill": "backfill",
    "backup": "backup",
    "collector": "parts",
    "dashboard": "dashboard",
    "demo": "demo",
    "doctor": "doctor",
    "forget": "forget",
    "import": "importing",
    "jobs": "parts",
    "labels": "labels",
    "migrate": "parts",
    "policy": "policy",
    "prices": "prices",
    "reconcile": "reconcile",
    "replay": "replay",
    "report": "report",
    "reprice": "reprice",
    "restore": "backup",
    "sql": "sql",
    "store": "parts",
    "up": "up",
    "version": "line",
}
"""Command -> its module: one command runs without loading what the others need, which takes seconds."""
