"""From queued messages to outcomes: claim, call, record, and what follows for the money."""
