"""A good configuration of Kannel has no findings, and each defect has exactly its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.kannel_check import check_configuration, read_configuration
from providers.kannel_status import admin_address, check_status, status_path
from tests.kannel.gateway import documented_configuration

GOOD = documented_configuration()
ROUTE = "group = smsbox-route\nsmsbox-id = box1\nsmsc-id = network\n\n"
BOX = "group = smsbox\n"
USER = "group = sendsms-user\n"

# What is written instead of what, the group and the line of the one finding.
DEFECTS: list[tuple[str, str, str, str]] = [
    ("store-type = spool", "store-type = file", "core", "store-type is file."),
    ("store-type = spool\n", "", "core", "store-type is not set."),
    ("dlr-storage = spool", "dlr-storage = internal", "core", "dlr-storage is internal."),
    ("dlr-storage = spool\n", "", "core", "dlr-storage is not set."),
    ("sms-resend-retry = 1440\n", "", "core", "sms-resend-retry is not set."),
    ("sms-resend-retry = 1440", "sms-resend-retry = -1", "core", "sms-resend-retry is -1."),
    ("http-request-retry = 8640\n", "", "smsbox", "http-request-retry is not set."),
    ("http-request-retry = 8640", "http-request-retry = 0", "smsbox", "http-request-retry is 0."),
    (BOX, BOX + "global-sender = 12345\n", "smsbox", "global-sender is 12345."),
    (BOX, BOX + "immediate-sendsms-reply = yes\n", "smsbox", "immediate-sendsms-reply is yes."),
    (BOX, BOX + "smsbox-id = box1\n", "smsbox", "smsbox-id is box1, and no smsbox-route names it."),
    (BOX, ROUTE + BOX + "smsbox-id = box2\n", "smsbox",
     "smsbox-id is box2, and no smsbox-route names it."),
    ("mo-recode = true\n", "", "smsbox", "mo-recode is not set."),
    ("max-messages = 10\n", "", "sendsms-user ibiki", "max-messages is not set."),
    ("max-messages = 10", "max-messages = 9", "sendsms-user ibiki", "max-messages is 9."),
    ("max-messages = 10", "max-messages = many", "sendsms-user ibiki", "max-messages is many."),
    ("concatenation = true\n", "", "sendsms-user ibiki", "concatenation is not set."),
    ("concatenation = true", "concatenation = false", "sendsms-user ibiki",
     "concatenation is false."),
    (USER, USER + 'faked-sender = "123"\n', "sendsms-user ibiki", "faked-sender is 123."),
    ("keyword = default", "keyword = hello", "sms-service", "keyword is hello."),
    ("catch-all = true\n", "", "sms-service", "catch-all is not set."),
    ("max-messages = 0\n", "", "sms-service", "max-messages is not set."),
    ("max-messages = 0", "max-messages = 1", "sms-service", "max-messages is 1."),
    ("text=%b", "text=%a", "sms-service", "The get-url has no text=%b."),
    ("&charset=%C", "", "sms-service", "The get-url has no charset=%C."),
    ("id=%I&", "", "sms-service", "The get-url has no id=%I."),
    ("from=%p&to=%P", "from=%P&to=%p", "sms-service", "The get-url has no from=%p, to=%P."),
    ("/webhooks/kannel/", "/webhooks/other/", "sms-service",
     "There is no group sms-service for Ibiki."),
    ("group = sms-service", "group = ota-setting", "sms-service",
     "There is no group sms-service for Ibiki."),
    (USER, "group = ota-setting\n", "sendsms-user", "There is no group sendsms-user for Ibiki."),
    (BOX, "group = other\n", "smsbox", "There is no group smsbox for Ibiki."),
]  # fmt: skip
ADVICE = {"mo-recode is not set.", "catch-all is not set."}


def written(directory: Path, text: str) -> Path:
    path = directory / "kannel.conf"
    path.write_text(text)
    return path


def test_the_documented_configuration_has_no_finding(tmp_path: Path) -> None:
    assert check_configuration(read_configuration(written(tmp_path, GOOD))) == []


@pytest.mark.parametrize(("good", "bad", "group", "problem"), DEFECTS)
def test_each_defect_has_exactly_its_finding(
    tmp_path: Path, good: str, bad: str, group: str, problem: str
) -> None:
    assert GOOD.count(good) >= 1
    found = check_configuration(read_configuration(written(tmp_path, GOOD.replace(good, bad, 1))))
    assert [(each.group, each.problem) for each in found] == [(group, problem)]
    (finding,) = found
    assert finding.consequence.endswith(".")
    assert finding.fix
    assert finding.is_advice == (problem in ADVICE)


def test_the_proposed_line_repairs_the_configuration(tmp_path: Path) -> None:
    for good, bad, _, _ in DEFECTS:
        broken = read_configuration(written(tmp_path, GOOD.replace(good, bad, 1)))
        for finding in check_configuration(broken):
            if finding.fix.startswith("group"):
                continue
            removed = finding.fix.removeprefix("Remove the line ").removesuffix(".")
            lines = dict(line.split(" = ", 1) for line in finding.fix.splitlines() if " = " in line)
            for group in broken:
                if group["group"] == finding.group.split(" ")[0]:
                    group.pop(removed, None)
                    group.update({name: value.strip('"') for name, value in lines.items()})
        repaired = [each for each in check_configuration(broken) if "no group" not in each.problem]
        assert repaired == [], (good, bad)


def test_a_file_can_include_files_and_folders(tmp_path: Path) -> None:
    core, rest = GOOD.split("\n\n", 1)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "rest.conf").write_text(f"# a comment\n{rest}")
    text = f'{core}\n\ninclude = "more"\n'
    assert check_configuration(read_configuration(written(tmp_path, text))) == []


def test_a_file_that_includes_itself_is_read(tmp_path: Path) -> None:
    assert read_configuration(written(tmp_path, 'include = "kannel.conf"\n')) == []


def test_other_users_of_the_gateway_are_left_alone(tmp_path: Path) -> None:
    text = f"{GOOD}\n\ngroup = sendsms-user\nusername = other\npassword = x\n"
    assert check_configuration(read_configuration(written(tmp_path, text))) == []


def test_the_status_page_is_at_the_address_and_with_the_password_of_the_file(
    tmp_path: Path,
) -> None:
    text = GOOD.replace("status-password = CHANGE-STATUS", 'status-password = "a&b %"')
    groups = read_configuration(written(tmp_path, text))
    assert admin_address(groups) == "http://127.0.0.1:13000"
    assert status_path(groups) == "/status.xml?password=a%26b%20%25"


PAGE = """<?xml version="1.0"?>
<gateway><status>running, uptime 0d 0h 0m 3s</status>
<sms><storesize>0</storesize></sms><dlr><storage>spool</storage></dlr>
<boxes><box><type>smsbox</type></box></boxes>
<smscs><count>1</count><smsc><name>SMPP</name><id>network</id><status>online 3s</status></smsc>
</smscs></gateway>"""


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [
        ("running", "suspended", "Kannel is suspended, not running."),
        ("running", "isolated", "Kannel is isolated, not running."),
        ("<storesize>0", "<storesize>-1", "Kannel runs without a store."),
        ("spool", "internal", "Kannel keeps delivery reports in memory."),
        ("<type>smsbox", "<type>wapbox", "No smsbox is connected."),
        ("online 3s", "re-connecting", "The connection network is re-connecting."),
        ("online 3s", "dead", "The connection network is dead."),
        (
            PAGE,
            '<?xml version="1.0"?>\n<gateway>Denied</gateway>',
            "Kannel refuses the password of status.xml.",
        ),
        (PAGE, "Denied", "Kannel refuses the password of status.xml."),
        (PAGE, "<html>nginx</html>", "Kannel refuses the password of status.xml."),
    ],
)
def test_each_defect_of_a_running_gateway_has_exactly_its_finding(
    good: str, bad: str, problem: str
) -> None:
    assert check_status(PAGE) == []
    assert [each.problem for each in check_status(PAGE.replace(good, bad))] == [problem]


def test_a_gateway_that_does_not_answer_is_one_finding() -> None:
    assert [each.problem for each in check_status(None)] == [
        "status.xml cannot be read at the admin-port."
    ]
