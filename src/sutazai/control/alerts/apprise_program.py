"""Sends letters through Apprise: a program of its own, for that library takes 36 MiB, imports for a
quarter of a second, and blocks as long as a target likes.

Letters come in as a JSON list on stdin, with their URLs, which are secrets and so no arguments. For
each one that was taken its id goes out as a JSON line at once.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

AT_ONCE = 8


def main() -> None:
    """Sends what stdin holds."""
    import apprise

    asset = apprise.AppriseAsset(app_id="SutazAI", app_desc="SutazAI", async_mode=False)

    def send(letter: dict[str, Any]) -> str | None:
        target = apprise.Apprise(asset=asset)
        taken = target.add(letter["url"]) and target.notify(
            title=letter["title"], body=letter["body"], notify_type=letter["kind"]
        )
        return letter["id"] if taken else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for taken in pool.map(send, json.load(sys.stdin)):
            if taken is not None:
                print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    main()
