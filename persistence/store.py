"""All ports of the domain, filled: one name for each need, whatever module it lives in."""

from persistence.database import transaction as transaction
from persistence.ledger import find_answers as find_answers
from persistence.ledger import held as held
from persistence.ledger import keep_answers as keep_answers
from persistence.ledger import lock_accounts as lock_accounts
from persistence.ledger import take_key as take_key
from persistence.ledger import try_keys as try_keys
from persistence.ledger import write_book as write_book
from persistence.sends import copy_messages as copy_messages
from persistence.sends import find_sends as find_sends
from persistence.sends import write_sends as write_sends
