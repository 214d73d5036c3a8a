"""What is kept, and how; only the doctor looks behind this door."""

from bot.storage.storage import Figures, Gap, Storage, open_storage

__all__ = ["Figures", "Gap", "Storage", "open_storage"]
