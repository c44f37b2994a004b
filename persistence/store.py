"""All ports of the domain, filled: one name for each need, whatever module it lives in."""

from persistence.audit import audit as audit
from persistence.database import transaction as transaction
from persistence.ledger import find_answers as find_answers
from persistence.ledger import held as held
from persistence.ledger import keep_answers as keep_answers
from persistence.ledger import lock_accounts as lock_accounts
from persistence.ledger import take_key as take_key
from persistence.ledger import try_keys as try_keys
from persistence.ledger import write_book as write_book
from persistence.pools import begin_reading as begin_reading
from persistence.pools import end_reading as end_reading
from persistence.pools import fail_reading as fail_reading
from persistence.pools import find_allocation_target as find_allocation_target
from persistence.pools import find_provider_account as find_provider_account
from persistence.pools import find_transfer as find_transfer
from persistence.pools import lift_pause as lift_pause
from persistence.pools import lock_reading as lock_reading
from persistence.pools import open_calls as open_calls
from persistence.pools import pool_figures as pool_figures
from persistence.sends import copy_messages as copy_messages
from persistence.sends import find_sends as find_sends
from persistence.sends import write_sends as write_sends
