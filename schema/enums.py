"""The domain's closed lists, as enums of the API: imported before any type that shows one."""

from __future__ import annotations

import strawberry

from domain.access import Role
from domain.people import ClientStatus
from domain.recipients import RejectionReason

for _enum in (Role, ClientStatus, RejectionReason):
    strawberry.enum(_enum)
