"""The settings, read from the environment and from .env."""

import re
from pathlib import Path
from typing import Literal

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


class Settings(BaseSettings):
    """What whoever runs the bot may set; .env.example explains each."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8-sig", env_ignore_empty=True, extra="ignore", frozen=True
    )

    telegram_bot_token: SecretStr | None = None
    telegram_api_url: str = Field(TELEGRAM, pattern=r"^https?://[^\s/]+(/\S*)?$")
    webhook_url: str | None = Field(None, pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")
    webhook_secret: SecretStr | None = None
    host: str = "127.0.0.1"
    port: int | None = Field(None, ge=1, le=65535)
    answers: Path = PRODUCT_ANSWERS
    # A secret, as the password of a PostgreSQL stands in it.
    database_url: SecretStr = SecretStr("sqlite:///data/clinic-faq.sqlite")
    storage_key: SecretStr | None = None
    retention_days: int = Field(RETENTION_DAYS, ge=1, le=3650)
    chat_limit: int = Field(20, ge=0)
    send_limit: int = Field(30, ge=0)
    log_format: Literal["plain", "json"] = "plain"

    @field_validator("webhook_url")
    @classmethod
    def _telegram_calls_by_https_only(cls, url: str | None, settings: ValidationInfo) -> str | None:
        if url and url.startswith("http://") and settings.data.get("telegram_api_url") == TELEGRAM:
            raise ValueError("Telegram itself calls a webhook by https:// only.")
        return url

    @field_validator("webhook_secret")
    @classmethod
    def _telegram_takes_the_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and not _SECRET.fullmatch(secret.get_secret_value()):
            raise ValueError("A webhook's secret is up to 256 of A-Z a-z 0-9 _ and -.")
        return secret

    @property
    def serving_port(self) -> int | None:
        """Where to serve over HTTP; a webhook needs that, else it is done on demand."""
        return self.port or (_USUAL_PORT if self.webhook_url else None)

    def token(self) -> str:
        """Return the bot's token, or raise UserError that tells where to get one."""
        if self.telegram_bot_token is None:
            raise UserError("TELEGRAM_BOT_TOKEN is not set. Get a token from @BotFather and write it into .env.")
        return self.telegram_bot_token.get_secret_value()


def read_settings() -> Settings:
    """Return the settings, or raise UserError naming each one that can't be used, without its value."""
    try:
        return Settings()
    except ValidationError as error:
        names = sorted({str(problem["loc"][0]).upper() for problem in error.errors()})
        # What pydantic itself has to say might hold the value.
        reasons = [str(problem["ctx"]["error"]) for problem in error.errors() if problem["type"] == "value_error"]
        told = [f"{', '.join(names)}: not a value I can use.", *reasons, "See .env.example for what to write."]
        raise UserError(" ".join(told)) from None
    except UnicodeDecodeError:
        raise UserError(".env is not UTF-8 text. Save it as UTF-8.") from None
