"""Reading updates one by one, so that one which the library can't read does not keep the others from being fetched."""

import logging
from typing import Any

from telegram import Update
from telegram.request import HTTPXRequest

log = logging.getLogger(__name__)


class UpdatesRequest(HTTPXRequest):
    """Fetches updates; one that can't be read becomes an empty one, which no handler takes."""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Return Telegram's answer with updates that the library can read."""
        answer = HTTPXRequest.parse_json_payload(payload)
        if isinstance(updates := answer.get("result"), list):
            answer["result"] = [update if _is_readable(update) else _empty(update) for update in updates]
        return answer


def _is_readable(update: dict[str, Any]) -> bool:
    try:
        Update.de_json(update)
    except Exception as error:
        log.error("update=%d can't be read: %s", update["update_id"], type(error).__name__)
        return False
    return True


def _empty(update: dict[str, Any]) -> dict[str, Any]:
    return {"update_id": update["update_id"]}
