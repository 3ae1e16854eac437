"""Programs that are run to their end, by an interpreter of another environment or by this one."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
OTHERS = ("OTEL_", "THINKMETER_", "PYTHON", "AWS_", "XAI_")
"""What is set for this process and not meant for them."""


def program(module: str, *arguments: str, python: str = sys.executable, **environment: str) -> str:
    """What a module of the tests says when it is run as a program."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [python, "-P", "-m", module, *arguments],
        env={**inherited, "PYTHONPATH": paths, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
