"""The agent's process: `python -m cityhub.lean`, which `cityhub edge run` becomes; small, for a gateway is."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the agent without what only a terminal needs."""
    # The log's library loads it where it is installed, for tracebacks that we print plain: 5 MB.
    sys.modules["rich"] = None  # type: ignore[assignment]
    from cityhub.afield import main as run  # noqa: PLC0415 -- after it is out of the way

    run()


if __name__ == "__main__":
    main()
