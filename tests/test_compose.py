"""docker-compose.yml, as far as it can be checked without a container."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
import yaml
from moto.server import ThreadedMotoServer

from recsys_batch import cli
from recsys_batch.config import SparkSettings, load_settings
from recsys_batch.setup.jars import spark_home

PROJECT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if "build" in each}
SECRET = re.compile(r"PASSWORD|SECRET|FERNET|PSEUDONYM_KEY|ACCESS_KEY|_CONN$")


@pytest.mark.parametrize("name", SERVICES)
def test_image_is_pinned_and_commands_are_lists(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.match(r"v?\d+\.\d+", tag)
    assert isinstance(SERVICES[name].get("command", []), list)


def test_dependencies_exist_and_can_be_met() -> None:
    for name, service in SERVICES.items():
        for other, wanted in service.get("depends_on", {}).items():
            assert other in SERVICES, f"{name} depends on {other}"
            condition = wanted["condition"]
            if condition == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            if condition == "service_completed_successfully":
                assert SERVICES[other]["restart"] == "on-failure"


def test_no_service_waits_for_itself() -> None:
    left = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    while ready := [name for name, waits in left.items() if not waits]:
        left = {name: waits - set(ready) for name, waits in left.items() if name not in ready}
    assert left == {}


def test_what_is_mounted_exists() -> None:
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source = re.sub(r"\$\{[^}]*\}", "$", mount).split(":")[0]
            if source.startswith("."):
                assert (PROJECT / source).is_file(), f"{name} mounts {source}"
            elif source != "$":
                assert source in COMPOSE["volumes"], f"{name} mounts {source}"


def test_what_the_image_copies_exists() -> None:
    assert {(each["build"]["context"], each["build"]["dockerfile"]) for each in OURS.values()} == {
        (".", "conf/docker/Dockerfile")
    }
    dockerfile = (PROJECT / "conf/docker/Dockerfile").read_text()
    ignored = (PROJECT / "conf/docker/Dockerfile.dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (PROJECT / source).exists()
            assert f"!{source.split('/')[0]}" in ignored


def test_secrets_come_from_the_environment_and_are_required() -> None:
    seen = 0
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key):
                assert ":?" in str(value), key
                seen += 1
    assert seen >= 10
    text = (PROJECT / "docker-compose.yml").read_text()
    assert all(
        ":?" in each for each in re.findall(r"\$\{[A-Z_]*(?:PASSWORD|KEY|SECRET)[^}]*\}", text)
    )


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)


@pytest.mark.parametrize("name", OURS)
def test_program_is_in_the_environment(name: str) -> None:
    program = OURS[name]["command"][0]
    assert program == "sh" or (Path(sys.executable).parent / program).exists()


@pytest.mark.parametrize("name", ["spark-master", "spark-worker"])
def test_spark_class_exists(name: str) -> None:
    (core,) = (spark_home() / "jars").glob("spark-core_*.jar")
    path = OURS[name]["command"][1].replace(".", "/") + ".class"
    assert path in zipfile.ZipFile(core).namelist()


def test_edge_command_is_understood() -> None:
    _, subcommand, *arguments = OURS["edge"]["command"]
    command = cli.main.commands[subcommand]
    with click.Context(command) as context:
        command.make_parser(context).parse_args(list(arguments))
        assert context.command.name == "serve"


def test_overlay_is_valid_and_agrees_with_the_services() -> None:
    settings = load_settings("sample", environment="compose")
    address = settings.spark.master.removeprefix("spark://")
    master, worker = OURS["spark-master"]["command"], OURS["spark-worker"]["command"]
    assert address == "spark-master:7077"
    assert "--host=spark-master" in master
    assert "--port=7077" in master
    assert settings.spark.master in worker
    assert settings.mlflow.tracking_uri == "http://mlflow:5000"
    assert "mlflow:5000" in next(a for a in OURS["mlflow"]["command"] if "allowed-hosts" in a)
    assert settings.spark != SparkSettings()
    for service in ("spark-worker", "airflow-scheduler", "edge"):
        assert OURS[service]["environment"]["RECSYS_BATCH_ENV"] == "compose"


def test_prometheus_scrapes_services_that_are_there() -> None:
    scrape = yaml.safe_load((PROJECT / "conf/prometheus/prometheus.yml").read_text())
    for job in scrape["scrape_configs"]:
        for target in (each for static in job["static_configs"] for each in static["targets"]):
            host, port = target.split(":")
            command = SERVICES[host]["command"]
            assert command[command.index("--port") + 1] == port


def test_bucket_is_made_once() -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for _ in range(2):
            command = [sys.executable, *OURS["bucket"]["command"][1:]]
            subprocess.run(command, env=environment, check=True, timeout=60)
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        assert [each["Name"] for each in client.list_buckets()["Buckets"]] == ["mlflow"]
    finally:
        server.stop()


def test_airflow_commands_exist() -> None:
    from airflow.cli.cli_parser import airflow_commands

    known = {command.name for command in airflow_commands}
    used = set()
    for service in OURS.values():
        text = " ".join(service["command"])
        used |= set(re.findall(r"\bairflow ([a-z-]+)", text))
    assert used == {"db", "pools", "api-server", "scheduler", "dag-processor"}
    assert used <= known
