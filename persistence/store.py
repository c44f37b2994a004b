"""The functions of every area in one namespace: wiring passes this module as the ports.

mypy compares the module with the ports: docs/decisions/0095. Add a line for a new module only.
"""

from persistence.database import transaction as transaction
from persistence.dispatch.backlog import *
from persistence.dispatch.cancels import *
from persistence.dispatch.clock import *
from persistence.dispatch.delays import *
from persistence.dispatch.jobs import *
from persistence.dispatch.queue import *
from persistence.dispatch.restored import *
from persistence.dispatch.settlement import *
from persistence.dispatch.unknowns import *
from persistence.hooks.callbacks import *
from persistence.hooks.deliveries import *
from persistence.hooks.endpoints import *
from persistence.hooks.upkeep import *
from persistence.identity.actors import *
from persistence.identity.clients import *
from persistence.identity.sessions import *
from persistence.identity.tree import *
from persistence.identity.users import *
from persistence.inbox.capture import *
from persistence.inbox.contacts import *
from persistence.inbox.conversations import *
from persistence.inbox.erasing import *
from persistence.inbox.events import *
from persistence.inbox.messages import *
from persistence.inbox.opt_outs import *
from persistence.inbox.receiving import *
from persistence.inbox.reports import *
from persistence.inbox.routes import *
from persistence.ledger.audit import *
from persistence.ledger.balances import *
from persistence.ledger.checkpoints import *
from persistence.ledger.credentials import *
from persistence.ledger.imported import *
from persistence.ledger.low_balances import *
from persistence.ledger.pools import *
from persistence.ledger.provider_accounts import *
from persistence.ledger.reconcile import *
from persistence.ledger.reconcile_imported import *
from persistence.ledger.singles import *
from persistence.ledger.statement import *
from persistence.ledger.transfers import *
from persistence.live.changes import *
from persistence.partitions import *
from persistence.retention.dropping import *
from persistence.sending.accept import *
from persistence.sending.archive import *
from persistence.sending.batches import *
from persistence.sending.messages import *
from persistence.sending.routes import *
from persistence.sending.stats import *
from persistence.sending.tallies import *
from persistence.sending.templates import *
from persistence.sending.uploads import *
