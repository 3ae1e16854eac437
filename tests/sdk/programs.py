"""Programs of their own, for what only a whole process shows."""

import os
import subprocess
import sys
import textwrap


def run(
    script: str, python: str = sys.executable, warnings: str = "error", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "THINKMETER_"))}
    return subprocess.run(
        [python, "-W", warnings, "-c", textwrap.dedent(script)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
