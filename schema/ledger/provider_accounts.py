"""Provider accounts that an admin manages, and the providers to choose from."""

from __future__ import annotations

import strawberry

from domain import provider as domain_provider
from resolvers.ledger import provider_accounts as accounts
from schema import errors
from schema.fields import described, mutation_field, resolved_field
from schema.identity.directory import Client
from schema.ledger.ledger import ProviderAccount
from schema.values import represents


@strawberry.type(description="A value of an account at a provider.")
@represents(domain_provider.ProviderField)
class ProviderField:
    name: str = described("Its name in a configuration.")
    description: str = described("What it is, in a sentence.")
    required: bool = described("Whether an account needs it.")
    secret: bool = described("Whether it is never returned.")
    default: str | None = described("What is used without it. Null if nothing is.")


@strawberry.type(description="A provider that the program supports.")
@represents(accounts.ProviderKind)
class ProviderKind:
    name: str = described("The name of the provider.")
    fields: list[ProviderField] = described("The values of an account there.")


@strawberry.type
class ProviderAccountQuery:
    provider_kinds = resolved_field(
        accounts.provider_kinds, list[ProviderKind], description="The supported providers, by name."
    )


@strawberry.type
class ProviderAccountMutation:
    create_provider_account = mutation_field(
        accounts.create_provider_account,
        ProviderAccount,
        refusals=(errors.InvalidInput,),
        description="Adds an account of the platform at a provider, with a pool that holds nothing "
        "until it is synced. A configuration that cannot work is refused, and nothing is stored.",
    )
    update_provider_account = mutation_field(
        accounts.update_provider_account,
        ProviderAccount,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Changes the given fields of an account of the platform. A new configuration "
        "is used for every call that starts a second later, without a restart.",
    )
    pause_provider_account = mutation_field(
        accounts.pause_provider_account,
        ProviderAccount,
        refusals=(errors.NotFound,),
        description="Pauses a provider account, or resumes it. While it is paused, no message is "
        "submitted to it: they wait as QUEUED. Calls that are open end as usual.",
    )
    move_client = mutation_field(
        accounts.move_client,
        Client,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Moves a client to the pool of another provider account. Refused while it "
        "holds units or has unfinished messages, or if its group is in another pool.",
    )
