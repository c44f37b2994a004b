"""Files to send to, as the API shows them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.sending import csv_send as domain_csv
from domain.sending import file_job
from domain.sending import messages as domain_messages
from domain.sending.text import Encoding
from resolvers.sending import sending
from resolvers.sending import sends as lookups
from schema import errors
from schema.fields import described, resolved_field
from schema.sending.recipients import RejectedRecipient
from schema.values import PhoneNumber, Units, represents


@strawberry.type(description="The columns of a file that were used to send to its rows.")
@represents(domain_messages.FileColumns)
class FileColumns:
    number: str = described("The column with the phone numbers.")
    text: str | None = described("The column with the texts. Null if all rows have the same text.")
    placeholders: list[str] = described("The columns whose values are in the text.")
    sheet: str | None = described(
        "The sheet that was read. Null if the file was not a spreadsheet."
    )


@strawberry.type(description="The text for one row of a file, with its values filled in.")
@represents(file_job.TextSample)
class TextSample:
    line: int = described(
        "The line on which the row begins, from 1; the row's number in a spreadsheet."
    )
    number: PhoneNumber = described("The number that the text would go to.")
    text: str = described("The text as it would be sent.")
    encoding = resolved_field(
        lookups.encoding_of, Encoding, description="The encoding that the text needs."
    )
    segments = resolved_field(
        lookups.segments_of, int, description="The number of SMS segments that the text takes."
    )


@strawberry.type(description="What csvSend would do and cost. Nothing is sent or charged.")
@represents(domain_csv.CsvQuote)
class CsvQuote:
    accepted: int = described("Messages that would be sent.")
    rejected: list[RejectedRecipient] = described(
        "Rows that would not be sent to, with the line and the reason; the first 1,000."
    )
    rejected_count: int = described("How many rows would not be sent to.")
    columns: FileColumns = described("The columns that would be used.")
    samples: list[TextSample] = described(
        "The texts for the first five rows that would be sent to."
    )
    cost: Units = described("Units that would be charged.")
    balance: Units = described("Units that the account holds now.")
    affordable: bool = described("Whether the balance covers the cost.")
    held: int = described("How many messages would be held during quiet hours.")
    held_until: datetime | None = described("When the last of these is due. Null if none is held.")
    problem = resolved_field(
        errors.problem_of,
        errors.UserError | None,
        description="The error that csvSend would return for this input, of the same type and with "
        "the same message. Null if it would be accepted. If the file, the columns or the texts "
        "cannot be used, quoteCsv returns a top-level error instead.",
    )


@strawberry.type
class FileQuery:
    quote_csv = resolved_field(
        sending.quote_csv,
        CsvQuote,
        description="What csvSend of this file would do and cost, without doing it.",
    )
