"""The console over HTTP: the page, compressed assets, the policy, and a missing build."""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.brand import Brand
from ibiki.http.console import Console, accepted_encodings
from ibiki.settings.logo import Logo
from tests.ibiki.http_server import RunningServer, running_server

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
LOGO = Logo(b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', "image/svg+xml")
BRAND = Brand("Ben & Co", "#ffcc00", LOGO.path)
PAGE = """<meta nonce="CSP_NONCE"><title>BRAND_NAME</title>
BRAND_ICON BRAND_LOGO BRAND_MANIFEST BRAND_COLOR"""
SCRIPT = b"console.log('a script that is worth compressing');"


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[RunningServer]:
    """A server with a small built console."""
    assets = tmp_path / "assets"
    assets.mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (assets / "main-1a2b.js").write_bytes(SCRIPT)
    (assets / "main-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    (assets / "secret.txt").write_text("not a type that is served")
    async with running_server(routes=Console(BRAND, LOGO, tmp_path).routes()) as web:
        yield web


@pytest.mark.parametrize("path", ["/", "/inbox", "/sends/send_1", "/no/such/page"])
async def test_a_browser_gets_the_page_at_every_address(web: RunningServer, path: str) -> None:
    answer = await web.http.get(path, headers=BROWSER)
    assert answer.status_code == 200
    assert "<title>Ben &amp; Co</title>" in answer.text
    assert answer.headers["cache-control"] == "no-cache"


async def test_each_page_has_its_own_nonce_and_no_other_host(web: RunningServer) -> None:
    nonces = set()
    for _ in range(2):
        answer = await web.http.get("/", headers=BROWSER)
        policy = answer.headers["content-security-policy"]
        (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
        assert f'nonce="{nonce}"' in answer.text
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        nonces.add(nonce)
    assert len(nonces) == 2


async def test_only_the_editor_s_page_may_use_style_attributes(web: RunningServer) -> None:
    editor = await web.http.get("/developers/explorer", headers=BROWSER)
    policy = editor.headers["content-security-policy"]
    assert "style-src-attr 'unsafe-inline'" in policy
    assert "script-src 'self';" in policy
    other = await web.http.get("/developers", headers=BROWSER)
    assert "unsafe" not in other.headers["content-security-policy"]


async def test_the_page_names_the_colour_and_pictures_of_the_brand(web: RunningServer) -> None:
    page = (await web.http.get("/", headers=BROWSER)).text
    assert "BRAND_" not in page
    assert "#ffcc00" in page
    icon, logo = re.findall(r"/brand/\S+\.svg", page)
    for path in (icon, logo):
        answer = await web.http.get(path)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == LOGO.content


async def test_no_picture_of_the_brand_can_run_a_script(web: RunningServer) -> None:
    answer = await web.http.get(LOGO.path)
    rules = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "sandbox"} <= set(rules)
    assert not any(rule.startswith(("script-src", "sandbox ")) for rule in rules)


async def test_the_manifest_lets_a_phone_install_the_console(web: RunningServer) -> None:
    answer = await web.http.get("/brand/manifest.webmanifest")
    assert answer.headers["content-type"] == "application/manifest+json"
    manifest = answer.json()
    assert manifest["name"] == "Ben & Co"
    assert manifest["theme_color"] == "#ffcc00"
    assert manifest["display"] == "standalone"
    (icon,) = manifest["icons"]
    assert icon["sizes"] == "any"
    assert b64encode(LOGO.content).decode() in (await web.http.get(icon["src"])).text


@pytest.mark.parametrize(
    ("path", "key"),
    [("/nowhere", "errors"), ("/api/v9", "error"), ("/assets/main-1a2b.css", "errors")],
)
async def test_a_program_that_asks_for_a_wrong_path_gets_404_in_json(
    web: RunningServer, path: str, key: str
) -> None:
    answer = await web.http.get(path, headers={"accept": "application/json"})
    assert answer.status_code == 404
    assert answer.json()[key]


async def test_a_post_to_a_wrong_path_is_404_and_never_the_page(web: RunningServer) -> None:
    answer = await web.http.post("/nowhere", headers=BROWSER)
    assert answer.status_code == 404


async def test_an_asset_is_compressed_beforehand_and_kept_for_a_year(web: RunningServer) -> None:
    answer = await web.http.get("/assets/main-1a2b.js", headers={"accept-encoding": "gzip, br"})
    assert answer.content == SCRIPT
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["vary"] == "accept-encoding"


async def test_an_asset_is_plain_for_a_caller_that_accepts_nothing_else(web: RunningServer) -> None:
    answer = await web.http.get("/assets/main-1a2b.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.content == SCRIPT


@pytest.mark.parametrize(
    "name",
    ["secret.txt", "missing.js", "..%2findex.html", "%2e%2e/index.html", ".js", "main-1a2b.js.gz"],
)
async def test_nothing_else_is_served(web: RunningServer, name: str) -> None:
    answer = await web.http.get(f"/assets/{name}", headers={"accept": "*/*"})
    assert answer.status_code == 404


async def test_page_addresses_are_not_metric_labels(web: RunningServer) -> None:
    await web.http.get("/conversation-of-somebody", headers=BROWSER)
    exposed = web.metrics.exposition().decode()
    assert "conversation-of-somebody" not in exposed
    assert 'method="GET",route="/",status="200"' in exposed


async def test_without_built_files_the_page_says_why_and_the_api_answers(tmp_path: Path) -> None:
    (tmp_path / "not-built.txt").write_text("npm is <missing>")
    async with running_server(routes=Console(BRAND, None, tmp_path).routes()) as web:
        answer = await web.http.get("/", headers=BROWSER)
        assert answer.status_code == 503
        assert "npm is &lt;missing&gt;" in answer.text
        assert "make console" in answer.text
        assert (await web.ask("{ viewer { email } }"))["data"]


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip, deflate, br", {"gzip", "deflate", "br"}),
        ("GZIP;q=0.5", {"gzip"}),
        ("br;q=0, gzip", {"gzip"}),
        ("br; q=0.000", set()),
        ("", {""}),
    ],
)
def test_accepted_encodings_are_read(header: str, accepted: set[str]) -> None:
    assert accepted_encodings(header) == accepted
