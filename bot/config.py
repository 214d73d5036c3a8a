"""The settings, read from the environment and from .env."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from dotenv.parser import Binding, parse_stream
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import UserError

TELEGRAM = "https://api.telegram.org"
# What Telegram takes as a secret: https://core.telegram.org/bots/api#setwebhook
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
# Where the webhook is served when nothing else is said; balancers and containers expect it there.
_USUAL_PORT = 8080
# Three months of questions show what patients miss; then a question is old enough to be forgotten.
RETENTION_DAYS = 90
PRODUCT_ANSWERS = Path(__file__).parent.parent / "faq"
_DOTENV, _ENCODING = Path(".env"), "utf-8-sig"
# Docker Compose reads the same .env; docs/running.md has the database's password written there.
_OF_OTHERS = "POSTGRES_PASSWORD"
# A key or a token that stands where a name should be is longer, or has other signs in it.
_NAME = re.compile(r"[A-Za-z_]\w{,31}")


class Settings(BaseSettings):
    """What whoever runs the bot may set; .env.example explains each."""

    model_config = SettingsConfigDict(
        env_file=_DOTENV, env_file_encoding=_ENCODING, env_ignore_empty=True, extra="ignore", frozen=True
    )

    telegram_bot_token: SecretStr | None = None
    telegram_api_url: str = Field(
        TELEGRAM, pattern=r"^https?://[^\s/]+(/\S*)?$", description="a server's address, as .env.example shows"
    )
    webhook_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="an address without ? and # that begins with https://, as Telegram itself calls no other",
    )
    webhook_secret: SecretStr | None = Field(None, description="up to 256 of A-Z a-z 0-9 _ and -")
    host: str = "127.0.0.1"
    port: int | None = Field(None, ge=1, le=65535, description="a whole number from 1 to 65535")
    answers: Path = PRODUCT_ANSWERS
    # A secret, as the password of a PostgreSQL stands in it.
    database_url: SecretStr = SecretStr("sqlite:///data/clinic-faq.sqlite")
    storage_key: SecretStr | None = None
    retention_days: int = Field(RETENTION_DAYS, ge=1, le=3650, description="a whole number from 1 to 3650")
    chat_limit: int = Field(20, ge=0, description="a whole number, or 0 for no limit")
    send_limit: int = Field(30, ge=0, description="a whole number, or 0 for no limit")
    log_format: Literal["plain", "json"] = Field("plain", description="plain or json")

    @field_validator("webhook_url")
    @classmethod
    def _telegram_calls_by_https_only(cls, url: str | None, settings: ValidationInfo) -> str | None:
        if url and url.startswith("http://") and settings.data.get("telegram_api_url") == TELEGRAM:
            raise ValueError
        return url

    @field_validator("webhook_secret")
    @classmethod
    def _telegram_takes_the_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and not _SECRET.fullmatch(secret.get_secret_value()):
            raise ValueError
        return secret

    @property
    def serving_port(self) -> int | None:
        """Where to serve over HTTP; a webhook needs that, else it is done on demand."""
        return self.port or (_USUAL_PORT if self.webhook_url else None)

    def token(self) -> str:
        """Return the bot's token, or raise UserError that tells where to get one."""
        if self.telegram_bot_token is None:
            what = "TELEGRAM_BOT_TOKEN is not set. Get a token from @BotFather and write it into .env."
            raise UserError("\n".join([what, *remarks_on_dotenv()]))
        return self.telegram_bot_token.get_secret_value()


def read_settings() -> Settings:
    """Return the settings, or raise UserError with a line for each that can't be used, without its value."""
    try:
        return Settings()
    except ValidationError as error:
        names = sorted({str(problem["loc"][0]) for problem in error.errors()})
        # What pydantic itself has to say might hold the value.
        wanted = {name: Settings.model_fields[name].description or "what .env.example says" for name in names}
        told = [f"{name.upper()}: not a value I can use. Write {what}." for name, what in wanted.items()]
        raise UserError("\n".join(told)) from None
    except UnicodeDecodeError:
        raise UserError(".env is not UTF-8 text. Save it as UTF-8.") from None
    except OSError as error:
        raise UserError(f".env can't be read: {error.strerror}. Let the bot's user read it.") from None


def remarks_on_dotenv() -> list[str]:
    """Return a sentence for each line of .env that sets nothing, such as a misspelt name, without its value."""
    if _DOTENV.is_dir():
        return [".env is a folder, from which nothing is read. Write the settings into a file of that name."]
    if not _DOTENV.exists():
        return []
    with _DOTENV.open(encoding=_ENCODING) as lines:
        return list(_remarks(parse_stream(lines)))


def _remarks(bindings: Iterator[Binding]) -> Iterator[str]:
    from difflib import get_close_matches

    names = [name.upper() for name in Settings.model_fields]
    for binding in bindings:
        written = binding.original.string
        blank_lines = written[: -len(written.lstrip())].count("\n")
        place = f".env, line {binding.original.line + blank_lines}"
        name = binding.key or ""
        if binding.error or (name and (binding.value is None or not _NAME.fullmatch(name))):
            yield f"{place}: this is no NAME=value. Write it so, or begin the line with #."
        elif name and name.upper() not in (*names, _OF_OTHERS):
            nearest = get_close_matches(name.upper(), names, n=1)
            remedy = f"Did you mean {nearest[0]}?" if nearest else "The settings are in .env.example."
            yield f"{place}: {name} is no setting. {remedy}"
