"""Files in the running program: they are uploaded, sent to and imported."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.end_to_end.program import SIGN_IN, Api, Program, eventually, signed_in

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

FILE = "\ufeffName;Telefon;Betrag\r\nZoë;(202) 555-0120;12,50 €\r\nBob;12;1\r\n".encode()
SEND = """mutation ($input: CsvSendInput!) { csvSend(input: $input) { __typename
    ... on Send { id accepted charged rejected { input position reason } } } }"""
MESSAGES = """query ($id: ID!) { send(id: $id) { finished messages {
    nodes { number text status } } } }"""
IMPORT = """mutation ($input: ImportContactsInput!) { importContacts(input: $input) { __typename
    ... on ContactsImported { created updated } ... on UserError { message } } }"""
CONTACTS = "query ($search: String) { contacts(search: $search) { nodes { number name } } }"


def upload(program: Program) -> Any:
    """What the running program reports about the file."""
    with httpx.Client(base_url=program.address, timeout=30) as http:
        given = {"input": {"email": "client@ibiki.test", "password": program.password}}
        signed = http.post("/graphql", json={"query": SIGN_IN, "variables": given}).json()
        token = signed["data"]["signIn"]["accessToken"]
        headers = {"authorization": f"Bearer {token}", "content-type": "text/csv"}
        answer = http.post("/uploads", content=FILE, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_file_is_uploaded_and_each_row_gets_its_own_text(program: Program, client: Api) -> None:
    answer = upload(program)
    assert (answer["rows"], answer["columns"]) == (2, ["Name", "Telefon", "Betrag"])
    given = {"uploadId": answer["uploadId"], "text": "{{name}}: {{betrag}}"}
    sent = client.ask(SEND, input=given)["csvSend"]
    assert (sent["accepted"], sent["charged"]) == (1, 1)
    assert sent["rejected"] == [{"input": "12", "position": 3, "reason": "INVALID"}]

    def submitted() -> Any:
        found = client.ask(MESSAGES, id=sent["id"])["send"]
        return found["messages"]["nodes"] if found["finished"] else None

    [message] = eventually(submitted)
    assert message == {"number": "+12025550120", "text": "Zoë: 12,50 €", "status": "SENT"}


def test_a_file_is_imported_into_the_contacts(program: Program, client: Api) -> None:
    given = {"uploadId": upload(program)["uploadId"]}
    answer = client.ask(IMPORT, input=given)["importContacts"]
    assert answer["__typename"] == "ContactsImported"
    [contact] = client.ask(CONTACTS, search="zoë")["contacts"]["nodes"]
    assert contact == {"number": "+12025550120", "name": "Zoë"}
    with signed_in(program, "other@ibiki.test") as other:
        foreign = other.ask(IMPORT, input=given)["importContacts"]
        assert foreign["__typename"] == "InvalidFile"
        assert "No such upload" in foreign["message"]
