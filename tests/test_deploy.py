"""The ways to run it for good: Docker Compose and systemd. No daemon runs here, so their files are read."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
UNIT = (ROOT / "deploy" / "clinic-faq.service").read_text()
ANALYZE = shutil.which("systemd-analyze")


def option(name: str) -> list[str]:
    """Return what the unit sets, in order."""
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


# --- compose.yaml ----------------------------------------------------------------------------------------------------


def test_the_database_is_pinned_and_must_be_healthy_before_the_bot_starts():
    database = COMPOSE["services"]["database"]
    assert re.fullmatch(r"postgres:\d+\.\d+-\w+", database["image"])
    assert "pg_isready" in database["healthcheck"]["test"]
    assert COMPOSE["services"]["bot"]["depends_on"] == {"database": {"condition": "service_healthy"}}


def test_what_must_last_lies_in_named_volumes():
    mounted = [volume.partition(":")[0] for service in COMPOSE["services"].values() for volume in service["volumes"]]
    assert sorted(mounted) == sorted(COMPOSE["volumes"]) == ["bot", "database"]


def test_no_secret_stands_in_the_file_and_a_missing_one_is_told():
    bot, database = COMPOSE["services"]["bot"], COMPOSE["services"]["database"]
    assert bot["env_file"] == ".env"
    for secret in (database["environment"]["POSTGRES_PASSWORD"], bot["environment"]["STORAGE_KEY"]):
        assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", secret)
    assert bot["environment"]["DATABASE_URL"].startswith("postgresql://clinic:${POSTGRES_PASSWORD:?")


def test_the_bot_may_do_no_more_than_it_must():
    bot = COMPOSE["services"]["bot"]
    assert (bot["read_only"], bot["cap_drop"]) == (True, ["ALL"])
    assert bot["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in bot
    assert "ports" not in COMPOSE["services"]["database"]


def test_every_service_comes_back_by_itself_and_fills_no_disk_with_its_log():
    for service in COMPOSE["services"].values():
        assert service["restart"] == "unless-stopped"
        assert service["logging"]["options"]["max-size"]


def test_the_image_brings_a_cache_that_its_user_may_write_and_keeps_its_data_in_a_volume():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "RUN XDG_CACHE_HOME=/cache /venv/bin/clinic-faq ask hello" in dockerfile
    assert "COPY --from=build --chown=clinic:clinic /cache/clinic-faq /var/cache/clinic-faq" in dockerfile
    assert "XDG_CACHE_HOME=/var/cache " in dockerfile
    assert "DATABASE_URL=sqlite:////data/clinic-faq.sqlite" in dockerfile
    assert "ENV HOST=0.0.0.0" in dockerfile
    assert "VOLUME /data" in dockerfile
    assert "bot:/var/cache/clinic-faq" in COMPOSE["services"]["bot"]["volumes"]


# --- systemd ---------------------------------------------------------------------------------------------------------


def test_the_unit_is_watched_and_always_restarted():
    assert (option("Type"), option("Restart"), option("StartLimitIntervalSec")) == (["notify"], ["always"], ["0"])
    assert 30 <= int(option("WatchdogSec")[0]) <= 120
    assert option("ExecStart") == ["/opt/clinic-faq/.venv/bin/clinic-faq run"]


def test_the_unit_keeps_its_data_and_has_no_user_of_its_own_nor_a_secret():
    assert (option("StateDirectory"), option("DynamicUser")) == (["clinic-faq"], ["yes"])
    assert option("EnvironmentFile") == ["/etc/clinic-faq.env"]
    assert "TOKEN" not in UNIT


@pytest.fixture
def unit(tmp_path) -> Path:
    """The unit as it would be on a machine where the bot is installed."""
    program = tmp_path / "clinic-faq"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "clinic-faq.service"
    unit.write_text(UNIT.replace("/opt/clinic-faq/.venv/bin/clinic-faq", str(program)))
    return unit


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed here")
@pytest.mark.parametrize(
    "arguments",
    [["verify", "--man=no", "--recursive-errors=no"], ["security", "--offline=true", "--threshold=20", "--no-pager"]],
    ids=lambda arguments: arguments[0],
)
def test_systemd_itself_finds_the_unit_sound_and_hardened(unit, arguments):
    done = subprocess.run([ANALYZE, *arguments, str(unit)], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
