"""The settings: from the environment and .env, never shown."""

from pathlib import Path

import pytest

from bot.config import PRODUCT_ANSWERS, Settings, read_settings, remarks_on_dotenv
from bot.errors import UserError

TOKEN = "123456:never-to-be-seen"  # noqa: S105  # it opens nothing


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A folder to start in, with nothing set."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_need_be_set_to_talk_to_the_products_own_faq():
    settings = read_settings()
    assert settings.answers == PRODUCT_ANSWERS
    assert (PRODUCT_ANSWERS / "answers.yaml").exists()
    assert (settings.telegram_api_url, settings.log_format) == ("https://api.telegram.org", "plain")
    assert (settings.chat_limit, settings.send_limit) == (20, 30)


def test_settings_come_from_dotenv_and_the_environment_counts_for_more(folder, monkeypatch):
    (folder / ".env").write_text("ANSWERS=from-dotenv\nLOG_FORMAT=json\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("ANSWERS", "from-the-environment")
    assert (read_settings().answers, read_settings().log_format) == (Path("from-the-environment"), "json")


def test_a_setting_that_is_left_empty_is_not_set(folder, monkeypatch):
    (folder / ".env").write_text("TELEGRAM_BOT_TOKEN=\nLOG_FORMAT=\n")
    monkeypatch.setenv("ANSWERS", "")
    assert read_settings() == Settings()


def test_dotenv_as_windows_saves_it_is_read_from_its_first_line_on(folder):
    (folder / ".env").write_bytes(b"\xef\xbb\xbfLOG_FORMAT=json\r\nANSWERS=here\r\n")
    assert (read_settings().log_format, read_settings().answers) == ("json", Path("here"))


def test_a_dotenv_that_is_no_text_is_told_in_a_sentence(folder):
    (folder / ".env").write_bytes("ANSWERS=café".encode("latin-1"))
    with pytest.raises(UserError, match=r"\.env is not UTF-8"):
        read_settings()


NO_PAIR = "this is no NAME=value. Write it so, or begin the line with #."


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("CHAT_LIMT=3", "CHAT_LIMT is no setting. Did you mean CHAT_LIMIT?"),
        ("export webhook=https://clinic.example", "webhook is no setting. Did you mean WEBHOOK_URL?"),
        ("HTTPS_PROXY=http://proxy", "HTTPS_PROXY is no setting. The settings are in .env.example."),
        ("CHAT LIMIT=3", NO_PAIR),
        ("CHAT_LIMIT", NO_PAIR),
        (TOKEN, NO_PAIR),
        ("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=", NO_PAIR),
        ('ANSWERS="here', NO_PAIR),
    ],
)
def test_a_line_of_dotenv_that_sets_nothing_is_told_by_its_number_without_its_value(folder, line, told):
    (folder / ".env").write_text(f"# {line}\n\nPOSTGRES_PASSWORD=x\n\nchat_limit=3\n\n\n{line}\n", newline="\r\n")
    assert remarks_on_dotenv() == [f".env, line 8: {told}"]


def test_who_misspelt_the_token_is_told_that_too(folder):
    (folder / ".env").write_text(f"TELEGRAM_TOKEN={TOKEN}\n")
    with pytest.raises(UserError, match=r"\n\.env, line 1: .* Did you mean TELEGRAM_BOT_TOKEN\?$"):
        read_settings().token()


def test_of_names_in_the_environment_nothing_is_told(monkeypatch):
    monkeypatch.setenv("CHAT_LIMT", "3")
    assert remarks_on_dotenv() == []


def test_a_folder_in_the_place_of_dotenv_is_told(folder):
    (folder / ".env").mkdir()
    assert read_settings() == Settings()
    assert remarks_on_dotenv() == [
        ".env is a folder, from which nothing is read. Write the settings into a file of that name."
    ]


def test_a_dotenv_that_must_not_be_read_is_told_in_a_sentence(folder):
    (folder / ".env").symlink_to("/proc/self/mem")  # what even root can't read from its beginning
    with pytest.raises(UserError, match=r"^\.env can't be read: Input/output error\. Let the bot's user read it\.$"):
        read_settings()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8081", "https://bots.example/api", "https://api.telegram.org/"])
def test_another_bot_api_server_may_be_named(url, monkeypatch):
    monkeypatch.setenv("TELEGRAM_API_URL", url)
    assert read_settings().telegram_api_url == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELEGRAM_API_URL", "secret.example"),
        ("TELEGRAM_API_URL", "ftp://secret.example"),
        ("TELEGRAM_API_URL", "https://"),
        ("TELEGRAM_API_URL", "https://secret.example/a b"),
        ("CHAT_LIMIT", "-1"),
        ("SEND_LIMIT", "secret"),
        ("LOG_FORMAT", "secret"),
        ("WEBHOOK_URL", "secret.example"),
        ("WEBHOOK_URL", "http://secret.example"),
        ("WEBHOOK_URL", "https://secret.example/?a=b"),
        ("WEBHOOK_SECRET", "a secret"),
        ("WEBHOOK_SECRET", "x" * 257),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "secret"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_without_its_value(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as told:
        read_settings()
    assert str(told.value).startswith(f"{name}: ")
    assert value == "0" or value not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("WEBHOOK_URL", "http://clinic.example", "begins with https://, as Telegram itself calls no other."),
        ("WEBHOOK_SECRET", "a secret", "Write up to 256 of A-Z a-z 0-9 _ and -."),
        ("PORT", "abc", "Write a whole number from 1 to 65535."),
        ("RETENTION_DAYS", "-1", "Write a whole number from 1 to 3650."),
        ("CHAT_LIMIT", "many", "Write a whole number, or 0 for no limit."),
        ("LOG_FORMAT", "xml", "Write plain or json."),
    ],
)
def test_of_a_setting_that_cannot_be_used_it_is_told_what_to_write(name, value, wanted, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as told:
        read_settings()
    assert str(told.value).startswith(f"{name}: not a value I can use. Write ")
    assert str(told.value).endswith(wanted)


def test_a_webhook_needs_a_port_and_has_one_unless_another_is_chosen(monkeypatch):
    assert read_settings().serving_port is None
    monkeypatch.setenv("WEBHOOK_URL", "https://clinic.example")
    assert (read_settings().serving_port, read_settings().host) == (8080, "127.0.0.1")
    monkeypatch.setenv("PORT", "80")
    assert read_settings().serving_port == 80


def test_a_bot_api_server_of_ones_own_may_call_without_https(monkeypatch):
    monkeypatch.setenv("WEBHOOK_URL", "http://bot:8080/telegram")
    monkeypatch.setenv("TELEGRAM_API_URL", "http://telegram:8081")
    assert read_settings().webhook_url == "http://bot:8080/telegram"


def test_all_settings_that_cannot_be_used_are_named_at_once(monkeypatch):
    monkeypatch.setenv("TELEGRAM_API_URL", "nowhere")
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(UserError, match=r"^LOG_FORMAT: .*\nTELEGRAM_API_URL: [^\n]*$"):
        read_settings()


def test_token_and_passwords_are_hidden_wherever_the_settings_are_shown(monkeypatch):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("WEBHOOK_SECRET", "never-to-be-seen-either")
    settings = read_settings()
    assert settings.token() == TOKEN
    monkeypatch.setenv("DATABASE_URL", f"postgresql://clinic:{TOKEN}@db/clinic")
    settings = read_settings()
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert TOKEN not in shown
        assert "never-to-be-seen" not in shown


def test_without_a_token_one_is_told_where_to_get_it():
    with pytest.raises(UserError, match=r"TELEGRAM_BOT_TOKEN is not set.*@BotFather"):
        read_settings().token()
