"""What `deploy/` holds fits the program: commands, options, ports, paths and variables are those that there are."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
import yaml

from thinkmeter.__main__ import command_line
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.configuration import Configuration, load
from thinkmeter.schema.logs import LogFormat
from thinkmeter.schema.store.client import StoreAddress

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
GIVEN = {"STORE_PASSWORD": "for-the-store", "INGEST_KEY": "for-applications"}
OURS = {"THINKMETER_DATA", "THINKMETER_CONFIG", "THINKMETER_STORE_URL"}
"""Variables that stand for options."""


def filled(text: str) -> str:
    """Text with the variables that whoever starts it gives."""
    return re.sub(r"\$\{(\w+)(?::\?[^}]*)?\}", lambda found: GIVEN[found[1]], text)


COMPOSE: dict[str, Any] = yaml.safe_load(filled((DEPLOY / "compose.yaml").read_text()))
SERVICES: dict[str, Any] = COMPOSE["services"]
PARTS = {name: service for name, service in SERVICES.items() if service["image"] == "thinkmeter"}
CONTAINER = (DEPLOY / "Containerfile").read_text()


def parsed(arguments: list[str]) -> dict[str, Any]:
    """Parameters of a command, as the command line reads them; it runs nothing."""
    command: Any = typer.main.get_command(command_line())
    with click.Context(command) as context:
        name, found, rest = command.resolve_command(context, arguments)
        made: dict[str, Any] = found.make_context(name, rest, parent=context).params
    return made


def image_variables() -> dict[str, str]:
    found = re.search(r"^ENV ((?:.*\\\n)*.*)$", CONTAINER, re.MULTILINE)
    assert found
    return dict(part.split("=", 1) for part in shlex.split(found[1].replace("\\\n", " ")))


def configured(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Configuration:
    """The configuration that a part has with these variables; none is left that nothing reads."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
        section = name.removeprefix("THINKMETER_").partition("__")[0].lower()
        assert not name.startswith("THINKMETER_") or name in OURS or section in Configuration.model_fields, name
    return load(DEPLOY / "thinkmeter.toml")


@pytest.mark.parametrize("name", PARTS)
def test_each_part_of_compose_is_a_command_with_its_configuration(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = PARTS[name]
    assert service["command"][0] == name
    variables = {**image_variables(), **service["environment"]}
    parameters = parsed(service["command"])
    configuration = configured(variables, monkeypatch)
    assert configuration.log.format is LogFormat.JSON
    mounts = dict(mount.split(":")[:2] for mount in service["volumes"])
    assert mounts["./thinkmeter.toml"] == variables["THINKMETER_CONFIG"]
    assert configuration.store.url is not None
    address = StoreAddress.from_url(configuration.store.url)
    store = SERVICES[address.host]["environment"]
    assert (address.username, address.password) == (store["CLICKHOUSE_USER"], store["CLICKHOUSE_PASSWORD"])
    assert f"{address.port}/ping" in SERVICES[address.host]["healthcheck"]["test"][-1]
    assert name == "dashboard" or parameters.get("host") is None


def test_the_collector_of_compose_asks_for_keys_and_keeps_its_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = PARTS["collector"]
    variables = {**image_variables(), **collector["environment"]}
    configuration = configured(variables, monkeypatch)
    [key] = configuration.auth.keys
    assert key.key_env is not None
    assert variables[key.key_env] == GIVEN["INGEST_KEY"]
    settings = configuration.collector
    assert settings.host == "0.0.0.0"
    assert collector["ports"] == [f"{port}:{port}" for port in (settings.grpc_port, settings.http_port)]
    volumes = dict(volume.split(":")[:2] for volume in collector["volumes"])
    assert volumes["spool"] == variables["THINKMETER_DATA"]
    assert f":{settings.http_port}/readyz" in collector["healthcheck"]["test"][-1]
    grace_s = int(collector["stop_grace_period"].removesuffix("s"))
    assert grace_s > settings.drain_s
    assert set(COMPOSE["volumes"]) == {"store", "spool"}


def test_the_dashboard_of_compose_is_open_to_this_machine_alone() -> None:
    parameters = parsed(PARTS["dashboard"]["command"])
    assert parameters["host"] == "0.0.0.0"
    assert PARTS["dashboard"]["ports"] == [f"127.0.0.1:{parameters['port']}:{parameters['port']}"]
    alerts = PARTS["alerts"]["command"]
    assert alerts[alerts.index("--dashboard-url") + 1] == f"http://127.0.0.1:{parameters['port']}"


def test_parts_begin_once_the_store_is_migrated() -> None:
    waits = {name: service["depends_on"] for name, service in PARTS.items()}
    assert waits.pop("migrate") == {"store": {"condition": "service_healthy"}}
    assert set(waits) == {"collector", "jobs", "alerts", "dashboard"}
    assert all(one == {"migrate": {"condition": "service_completed_successfully"}} for one in waits.values())


def test_the_image_has_what_it_names() -> None:
    settings = CollectorSettings()
    exposed = re.search(r"^EXPOSE (.*)$", CONTAINER, re.MULTILINE)
    assert exposed
    assert exposed[1].split() == [str(settings.grpc_port), str(settings.http_port), "8501"]
    assert parsed(["dashboard"])["port"] == 8501
    data = image_variables()["THINKMETER_DATA"]
    assert f"VOLUME {data}\n" in CONTAINER
    assert f"install -d -o thinkmeter -m 0700 {data}\n" in CONTAINER
    project = (ROOT / "pyproject.toml").read_text()
    assert 'thinkmeter = "thinkmeter.__main__:main"' in project
    assert json.loads(re.findall(r"^ENTRYPOINT (.*)$", CONTAINER, re.MULTILINE)[0]) == ["thinkmeter"]
    assert f"python:{re.findall(r'requires-python = .>=([0-9.]+)', project)[0]}-slim" in CONTAINER


def test_the_unit_starts_everything_and_stops_it_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys as they are written
    unit.read(DEPLOY / "thinkmeter.service")
    service = unit["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert Path(program).name == "thinkmeter"
    parameters = parsed(arguments)
    assert parameters["data"] == Path("/var/lib") / service["StateDirectory"]
    assert str(parameters["config"]) in (DEPLOY / "thinkmeter.service").read_text().partition("[Unit]")[0]
    configuration = configured(dict([service["Environment"].split("=", 1)]), monkeypatch)
    assert configuration.log.format is LogFormat.JSON
    # else the store would be told to end together with the collector, which has yet to give it what it accepted
    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"]) > configuration.collector.drain_s


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = (DEPLOY / "thinkmeter.service").read_text().replace("/opt/thinkmeter/bin/thinkmeter", "/bin/true")
    (tmp_path / "thinkmeter.service").write_text(unit.replace("User=thinkmeter", "User=root"))
    told = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "thinkmeter.service")], capture_output=True, text=True, check=False
    )
    assert "thinkmeter.service" not in told.stderr
