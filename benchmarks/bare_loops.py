"""What the requests cost without the harness: the other side of each ratio in `benchmarks.requests`.

`python -m benchmarks.bare_loops aiohttp|litellm --url U --requests N --concurrency C` sends the same requests in a loop
with nothing around them and prints one JSON line: CPU and wall seconds between the first and the last.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

PROMPT = "Which statement about crate 17 follows? " * 28
MESSAGES = [{"role": "user", "content": PROMPT}]

Ask = Callable[[], Awaitable[Any]]


async def loop(ask: Ask, *, n_requests: int, concurrency: int) -> dict[str, float]:
    """Ask from a pool of workers; the first request, which sets things up, is not measured."""
    await ask()
    waiting: Iterator[int] = iter(range(n_requests))

    async def work() -> None:
        for _ in waiting:
            await ask()

    gc.collect()
    gc.freeze()
    cpu_s, started = time.process_time(), time.monotonic()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return {"cpu_s": time.process_time() - cpu_s, "wall_s": time.monotonic() - started}


async def bare_aiohttp(url: str, n_requests: int, concurrency: int) -> dict[str, float]:
    """Send and parse with aiohttp and orjson."""
    import aiohttp
    import orjson
    from yarl import URL

    address = URL(f"{url}/chat/completions")
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def ask() -> Any:
            body = orjson.dumps({"model": "sim-direct", "messages": MESSAGES, "max_tokens": 4096})
            async with session.post(address, data=body, headers={"Content-Type": "application/json"}) as answer:
                return orjson.loads(await answer.read())

        return await loop(ask, n_requests=n_requests, concurrency=concurrency)


async def bare_litellm(url: str, n_requests: int, concurrency: int) -> dict[str, float]:
    """Call `litellm.acompletion` with its defaults."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    async def ask() -> Any:
        return await litellm.acompletion(
            model="openai/sim-direct", api_base=url, messages=MESSAGES, max_tokens=4096, max_retries=0, num_retries=0
        )

    return await loop(ask, n_requests=n_requests, concurrency=concurrency)


def main() -> None:
    """Run one loop: aiohttp on uvloop, litellm on asyncio's own loop (its default)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("client", choices=["aiohttp", "litellm"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    chosen = parser.parse_args()
    if chosen.client == "litellm":
        found = asyncio.run(bare_litellm(chosen.url, chosen.requests, chosen.concurrency))
    else:
        import uvloop

        found = uvloop.run(bare_aiohttp(chosen.url, chosen.requests, chosen.concurrency))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
