"""Which messages went to a number: what the three views of `persistence.closing` are asked for.

`open_sent_to` has the messages of the months that go on, and `closed_sent_to` those before. Each
has them by number and client in the order of their IDs. So what needs the first or last messages
reads a page of each. What needs all of them reads `all_sent_to`.
"""

from __future__ import annotations


def is_to(number: str, client: str | None = None) -> str:
    """The condition for rows of a view, named `sent_to`: to this number, of this client if given.

    The index of the closed months has hashes instead of numbers and clients.
    """
    found = f"sent_to.number_hash = hashtext({number}) AND sent_to.number = {number}"
    if client is not None:
        found += f" AND sent_to.client_hash = uuid_hash({client}) AND sent_to.client_id = {client}"
    return found
