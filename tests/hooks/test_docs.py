"""The code of docs/api/webhooks.md checks real deliveries."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import db
from tests.hooks.conftest import HookSetup, change_status, message_ids
from tests.hooks.receiver import Received

PAGE = (Path(__file__).parents[2] / "docs/api/webhooks.md").read_text(encoding="utf-8")
IN_PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
IN_JAVASCRIPT = re.findall(r"^```js\n(.*?)^```", PAGE, re.M | re.S)


async def delivered(setup: HookSetup) -> tuple[str, dict[str, str], bytes]:
    """The secret, the headers in lower case and the body of a delivery."""
    endpoint_id = await setup.endpoint()
    [message_id] = await message_ids((await db.accept(setup.tenant, text="Grüße")).id)
    await change_status(message_id, "SUBMITTING", "SENT")
    async with setup.worker():
        received: Received = (await setup.receiver.wait_for("/", 1))[0]
    headers = {name.lower(): value for name, value in received.headers.items()}
    return setup.secrets[endpoint_id], headers, received.body


@pytest.mark.parametrize("code", IN_PYTHON, ids=["with the library", "without a library"])
async def test_the_python_code_accepts_what_is_ours_alone(setup: HookSetup, code: str) -> None:
    secret, headers, body = await delivered(setup)
    module: dict[str, Any] = {}
    exec(code, module)
    event_of = module["event_of"]
    assert event_of(secret, headers, body) == json.loads(body)
    assert event_of(secret, headers, body.replace(b"SENT", b"LOST")) is None
    assert event_of(secret, {**headers, "webhook-id": "hev_0"}, body) is None
    assert event_of(secret, {**headers, "webhook-timestamp": "1000000000"}, body) is None
    assert event_of("whsec_" + "A" * 44, headers, body) is None


@pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed")
async def test_the_javascript_code_accepts_what_is_ours_alone(
    setup: HookSetup, tmp_path: Path
) -> None:
    secret, headers, body = await delivered(setup)
    given = json.dumps([secret, headers, body.decode()])
    (tmp_path / "check.js").write_text(
        f"{IN_JAVASCRIPT[0]}\n"
        f"const [secret, headers, body] = {given};\n"
        "const wrong = body.replace('SENT', 'LOST');\n"
        "const found = [body, wrong].map((each) => eventOf(secret, headers, Buffer.from(each)));\n"
        "console.log(JSON.stringify(found));\n"
    )
    ran = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        ["node", tmp_path / "check.js"], capture_output=True, text=True, check=True, timeout=30
    )
    assert json.loads(ran.stdout) == [json.loads(body), None]
