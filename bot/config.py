"""The settings, read from the environment and from .env."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import UserError

PRODUCT_ANSWERS = Path(__file__).parent.parent / "faq"


class Settings(BaseSettings):
    """What whoever runs the bot may set; .env.example explains each."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8-sig", env_ignore_empty=True, extra="ignore", frozen=True
    )

    telegram_bot_token: SecretStr | None = None
    telegram_api_url: str = Field("https://api.telegram.org", pattern=r"^https?://[^\s/]+(/\S*)?$")
    answers: Path = PRODUCT_ANSWERS
    webhook_url: str | None = Field(None, pattern=r"^https?://[^\s/]+(/\S*)?$")
    # A secret, as the password of a PostgreSQL stands in it.
    database_url: SecretStr = SecretStr("sqlite:///data/clinic-faq.sqlite")
    chat_limit: int = Field(20, ge=0)
    send_limit: int = Field(30, ge=0)
    log_format: Literal["plain", "json"] = "plain"

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
        raise UserError(f"{', '.join(names)}: not a value I can use. See .env.example for what to write.") from None
    except UnicodeDecodeError:
        raise UserError(".env is not UTF-8 text. Save it as UTF-8.") from None
