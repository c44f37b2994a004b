"""Who gets what: contacts, and files of them."""

from __future__ import annotations

from tests.matrix.row import DATA, EVERYBODY, FORBIDDEN, NOT_FOUND, Row, senders
from tests.matrix.things import a_contact, a_template, all_have_a_template, an_upload

TO = "+12025550141"
NO_FILE = "InvalidFile"
UPLOAD = {"uploadId": an_upload}

ROWS: dict[str, list[Row]] = {
    "Query.contacts": [
        senders("owner", sibling="sibling", admin=EVERYBODY),
        senders(
            "owner",
            sibling="sibling",
            admin=EVERYBODY,
            given={"filter": {"optedOut": False}, "orderBy": "NAME"},
        ),
    ],
    "Mutation.saveContact": [
        senders("owner", sibling="sibling", admin=FORBIDDEN, given={"input": {"number": TO}})
    ],
    "Mutation.deleteContact": [
        senders("owner", sibling=NOT_FOUND, admin="owner", given={"input": {"id": a_contact}})
    ],
    "Mutation.importContacts": [
        senders(DATA, sibling=NO_FILE, admin=FORBIDDEN, given={"input": UPLOAD})
    ],
    "Query.templates": [
        senders("owner", sibling="sibling", admin=EVERYBODY, first=all_have_a_template)
    ],
    "Mutation.saveTemplate": [
        senders(
            "owner",
            sibling="sibling",
            admin=FORBIDDEN,
            given={"input": {"name": "Welcome", "text": "Hello {{name}}"}},
        )
    ],
    "Mutation.deleteTemplate": [
        senders("owner", sibling=NOT_FOUND, admin="owner", given={"input": {"id": a_template}})
    ],
    "Query.quoteCsv": [
        senders(
            DATA,
            sibling=NOT_FOUND,
            admin=FORBIDDEN,
            given={"input": {**UPLOAD, "text": "Good morning"}},
        )
    ],
    "Mutation.csvSend": [
        senders(
            "owner",
            sibling=NOT_FOUND,
            admin=FORBIDDEN,
            given={"input": {**UPLOAD, "text": "Good morning"}},
        )
    ],
}
