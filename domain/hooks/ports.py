"""What client webhooks need from the outside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from domain.hooks.deliveries import (
    DeliveryStatus,
    DueDelivery,
    EventType,
    HookAnswer,
    HookRequest,
    HookRules,
    Recorded,
)
from domain.hooks.endpoints import Delivery, Endpoint, EndpointChange
from domain.identity.access import Scope
from domain.ids import Kind
from domain.inbox.messages import AnyMessage
from domain.pages import Page, Window
from domain.sending.messages import Send
from domain.transactions import Transaction, Transactional


class HookQueue(Protocol):
    """The deliveries that wait. All functions raise TryAgain if the database is unavailable."""

    async def claim_endpoints(self, holder: UUID, *, lease_seconds: float, most: int) -> set[UUID]:
        """The endpoints with pending deliveries that this worker holds for the lease from now.

        An endpoint is held by one worker at a time, which knows what is in flight and keeps the
        order. Endpoints that wait after failures, or are paused, are not claimed.
        """

    async def release_endpoints(self, holder: UUID) -> None:
        """Lets other workers claim the endpoints of this one at once."""

    async def pick_deliveries(
        self,
        holder: UUID,
        wanted: Mapping[UUID, int],
        *,
        in_flight: Collection[UUID],
        most: int,
    ) -> list[DueDelivery]:
        """Deliveries that are due, at most `wanted` of each endpoint, the oldest first.

        Only the first pending one of each subject: the next one waits until it is recorded.
        """

    async def record_deliveries(self, results: Sequence[Recorded], rules: HookRules) -> None:
        """Stores attempts, and what they say about their endpoints. Safe to repeat.

        A failure also makes the later deliveries of the same subject wait.
        """


class HookUpkeep(Protocol):
    """The upkeep of deliveries."""

    async def queue_finished_sends(self) -> bool:
        """Writes the deliveries of sends that were finished since the last call."""

    async def fail_overdue_deliveries(self, *, age_seconds: float, most: int) -> int:
        """Gives up deliveries that have been due for this long: their endpoint does not answer."""

    async def purge_deliveries(self, *, age_seconds: float, most: int) -> int:
        """Deletes old deliveries, callbacks, and endpoints that were deleted and have none."""


class HookSubjects(Protocol):
    """What events are about."""

    async def find_messages(
        self, scope: Scope, ids: Collection[UUID]
    ) -> Mapping[UUID, AnyMessage]: ...

    async def find_sends_by_id(
        self, scope: Scope, send_ids: Sequence[UUID]
    ) -> Mapping[UUID, Send]: ...


class HookStore(HookQueue, HookUpkeep, HookSubjects, Protocol):
    """What the worker needs from the store."""


class HookSender(Protocol):
    """Posts to the URLs of clients. It cannot reach private networks."""

    async def post(self, url: str, request: HookRequest) -> HookAnswer:
        """Posts. Never raises because of what the receiver does."""


class HookCipher(Protocol):
    """Encrypts signing secrets with the keys of the installation."""

    def encrypt_secret(self, endpoint_id: UUID, secret: str) -> bytes:
        """The encrypted secret. It can be decrypted for this endpoint only."""

    def decrypt_secret(self, endpoint_id: UUID, encrypted: bytes) -> str:
        """The secret of this endpoint. Raises CredentialsUnreadable."""


class HookFormat(Protocol):
    """How an event is written and signed."""

    async def request(
        self, delivery: DueDelivery, subject: Any, secrets: Sequence[str]
    ) -> HookRequest:
        """The signed request. `subject`: see `domain.hooks.subjects`."""


class EndpointStore(Transactional, Protocol):
    """What these operations need."""

    async def list_endpoints(
        self, scope: Scope, *, client_id: UUID | None = None, callbacks: bool = False
    ) -> Sequence[Endpoint]:
        """The endpoints of a client, the oldest first; of all clients for an admin, up to 100.

        `callbacks`: the hosts of status callbacks instead.
        """

    async def find_endpoint(
        self,
        scope: Scope,
        endpoint_id: UUID,
        *,
        callbacks: bool = False,
        tx: Transaction | None = None,
    ) -> Endpoint:
        """An endpoint; in a transaction, FOR UPDATE. Raises NotFound.

        `callbacks`: it may also be a host of status callbacks, which nobody can change.
        """

    async def add_endpoint(
        self,
        tx: Transaction,
        endpoint_id: UUID,
        client_id: UUID,
        *,
        url: str,
        description: str | None,
        events: Sequence[EventType],
        secret: bytes,
        most: int,
    ) -> bool:
        """Adds an endpoint; False if the client has `most`. Raises NotFound for the client."""

    async def write_endpoint(
        self, tx: Transaction, endpoint_id: UUID, change: EndpointChange, *, pause_reason: str
    ) -> None:
        """Changes an endpoint. Resuming it also clears its failures."""

    async def replace_secret(
        self, tx: Transaction, endpoint_id: UUID, secret: bytes, *, overlap_hours: float
    ) -> None:
        """Sets a new secret. The previous one also signs, for these hours."""

    async def drop_endpoint(self, tx: Transaction, endpoint_id: UUID) -> None:
        """Deletes an endpoint. Its pending deliveries end."""

    async def queue_test(self, tx: Transaction, endpoint: Endpoint) -> UUID:
        """Writes a delivery of a test event. Returns its ID."""

    async def queue_again(self, tx: Transaction, delivery: Delivery) -> UUID:
        """Writes a delivery of the same event. Returns its ID."""

    async def find_delivery(
        self, scope: Scope, delivery_id: UUID, *, tx: Transaction | None = None
    ) -> Delivery:
        """A delivery. Raises NotFound."""

    async def read_deliveries(
        self,
        scope: Scope,
        endpoint_id: UUID,
        window: Window[UUID],
        *,
        status: DeliveryStatus | None = None,
    ) -> Page[Delivery]:
        """The deliveries of an endpoint, the newest first."""


SecretOwner: TypeAlias = tuple[Kind, UUID]
"""A provider account or an endpoint."""


class SecretStore(Transactional, Protocol):
    """What the rotation of encryption keys needs."""

    async def owners_of_secrets(self) -> list[SecretOwner]:
        """The provider accounts that have credentials, and the endpoints that have a secret."""

    async def replace_secrets(
        self, tx: Transaction, owner: SecretOwner, change: Callable[[bytes], bytes]
    ) -> None:
        """Writes what `change` makes of each encrypted value of an owner, which is locked."""
