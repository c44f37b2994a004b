#!/usr/bin/env bash
# broadcaster's Redis backend delivers nothing on a single channel with redis-py 8.
#
# Software:  broadcaster 0.3.1 (PyPI) with redis 8.1.0 and with redis 6.4.0 (PyPI), and the program
#            redis-server (Debian package redis-server).
# Seen:      2026-11, Python 3.11, Redis 7.
# Behaviour: Twenty messages are published to a channel that has a subscriber. With redis-py 8 none of
#            them arrives as long as this is the only channel, and no error is raised. They arrive if
#            another channel is subscribed too, and always with redis-py 6.
# Output seen:
#            redis 8.1.0, 1 channel: 0 of 20
#            redis 8.1.0, 2 channels: 20 of 20
#            redis 6.4.0, 1 channel: 20 of 20
#            redis 6.4.0, 2 channels: 20 of 20
# For us:    The event bus uses broadcaster with our own backend (ibiki/live/bus_backend.py).
#
# Starts a Redis on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
command -v redis-server >/dev/null || { echo "Install redis-server first." >&2; exit 2; }
folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --bind 127.0.0.1 --port "$port" --save '' --daemonize no >/dev/null &
redis=$!
trap 'kill $redis; wait $redis 2>/dev/null || true; rm -rf "$folder"' EXIT

cat >"$folder/observe.py" <<'PYTHON'
import asyncio
import sys
from importlib.metadata import version

from broadcaster import Broadcast

MESSAGES = 20


async def observe(url: str, channels: int) -> int:
    received = 0
    async with Broadcast(url) as broadcast:

        async def listen(channel: str, ready: asyncio.Event) -> None:
            nonlocal received
            async with broadcast.subscribe(channel) as subscriber:
                ready.set()
                async for _ in subscriber:
                    received += 1

        tasks = []
        for number in range(channels):
            ready = asyncio.Event()
            tasks.append(asyncio.create_task(listen(f"channel-{number}", ready)))
            await ready.wait()
        await asyncio.sleep(0.5)
        for number in range(MESSAGES):
            await broadcast.publish("channel-0", str(number))
        await asyncio.sleep(2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return received


async def main() -> None:
    for channels in (1, 2):
        received = await observe(sys.argv[1], channels)
        plural = "s" if channels > 1 else ""
        print(f"redis {version('redis')}, {channels} channel{plural}: {received} of {MESSAGES}")


asyncio.run(main())
PYTHON

for redis_py in 8.1.0 6.4.0; do
  python3 -m venv "$folder/venv-$redis_py"
  "$folder/venv-$redis_py/bin/pip" install --quiet --disable-pip-version-check \
    broadcaster==0.3.1 "redis==$redis_py"
  timeout 60 "$folder/venv-$redis_py/bin/python" "$folder/observe.py" \
    "redis://127.0.0.1:$port"
done | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
redis 8.1.0, 1 channel: 0 of 20
redis 8.1.0, 2 channels: 20 of 20
redis 6.4.0, 1 channel: 20 of 20
redis 6.4.0, 2 channels: 20 of 20
SEEN
