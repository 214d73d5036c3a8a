"""The bot: speaks on Telegram and in a terminal what `faq` decides."""

import os
import sys

# A single question is matched fastest by one thread; several make it slower, with a long tail (docs/matching.md).
# numpy reads this when it is first imported, so it stands here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# From 1.29 on, onnxruntime numbers the device and reports each start to Microsoft unless this stands before its import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# Without it python-telegram-bot warns, at each duration it reads, that their type will change to timedelta.
os.environ.setdefault("PTB_TIMEDELTA", "1")

# httpx comes with a command line, which no bot needs: loading it, and Rich with it, takes a tenth of every start.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # such an entry means: not to be imported
