"""`ibiki check-provider`: what is wrong with a provider, without sending anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from domain import ids
from domain.errors import ProviderUnavailable, units_in_words
from domain.identity.access import Everything
from domain.ids import Kind
from domain.provider import Provider, SupportsBalance, SupportsStatus
from ibiki.cli.options import DEFAULT_DIRECTORY, Data, Json
from ibiki.cli.running import print_result, with_installation
from ibiki.errors import CommandError, WrongArguments
from ibiki.local.command_context import CommandContext
from ibiki.wiring import Components
from persistence import store
from providers.kannel_check import Finding, check_configuration, read_configuration
from providers.kannel_status import admin_address, check_status, read_status, status_path
from providers.registry import PROVIDERS

NO_MESSAGE = "00000000000000000000000000000000"
"""The reference of a message that no provider has."""


PROBLEM_FOUND = 4
"""The exit code."""

app = typer.Typer()


@app.command("check-provider")
def check_provider(
    provider: Annotated[str, typer.Argument(help="The name of the provider, such as kannel.")],
    config: Annotated[
        Path | None, typer.Option(help="For Kannel: its configuration file.", dir_okay=False)
    ] = None,
    address: Annotated[
        str,
        typer.Option(help="For Kannel elsewhere: its admin-port, such as http://10.0.0.5:13000."),
    ] = "",
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
) -> None:
    """Say what is wrong with a provider. Sends nothing. Exits with 4 if something is wrong.

    For Kannel, this checks the configuration and the status. For others, it reads the balance.
    """
    if provider not in PROVIDERS:
        raise WrongArguments(f"No such provider. These can be checked: {', '.join(PROVIDERS)}.")
    if provider == "kannel":
        findings = _check_kannel(config, address)
    else:
        findings = with_installation(data, partial(_check_accounts, provider), must_exist=True)
    _print(provider, findings, as_json=json)
    raise typer.Exit(0 if all(each.is_advice for each in findings) else PROBLEM_FOUND)


def _check_kannel(config: Path | None, address: str) -> list[Finding]:
    if config is None:
        raise WrongArguments("Name Kannel's configuration: --config /etc/kannel/kannel.conf.")
    try:
        groups = read_configuration(config)
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be read: {error.strerror}.") from error
    try:
        page = asyncio.run(read_status(address or admin_address(groups), status_path(groups)))
    except ValueError as error:
        raise WrongArguments("--address must have the form http://host:port.") from error
    return [*check_configuration(groups), *check_status(page)]


async def _check_accounts(
    provider: str, context: CommandContext, parts: Components
) -> list[Finding]:
    """Opens each account and asks its provider something that sends nothing."""
    accounts = await store.read_provider_accounts(Everything())
    own = [each for each in accounts if each.provider == provider]
    if not own:
        others = ", ".join(sorted({each.provider for each in accounts})) or "none"
        raise CommandError(
            f"There is no account at {provider}. Providers with an account: {others}."
            " You can add one on the console's page of providers."
        )
    findings = []
    for each in own:
        try:
            await try_account(await parts.installation.providers.of(each.id))
        except ProviderUnavailable as unavailable:
            name = each.name or ids.encode(Kind.PROVIDER_ACCOUNT, each.id)
            findings.append(_of_account(name, unavailable))
    return findings


async def try_account(account: Provider) -> None:
    """Reads the balance, or the status of a message that does not exist.

    Raises ProviderUnavailable if the address or the credentials are wrong.
    """
    if isinstance(account, SupportsBalance):
        await account.balance()
    elif isinstance(account, SupportsStatus):
        await account.status(NO_MESSAGE)


def _of_account(name: str, unavailable: ProviderUnavailable) -> Finding:
    return Finding(
        group=f"account {name}",
        problem=unavailable.for_operator,
        consequence="Messages of this account wait.",
        fix="Check the address and the secrets of the account, and the network.",
    )


def _print(provider: str, findings: Sequence[Finding], *, as_json: bool) -> None:
    lines = [line for each in findings for line in _lines(each)]
    harmful = sum(not each.is_advice for each in findings)
    lines.append(f"{units_in_words(harmful, 'problem')} found." if harmful else "Nothing is wrong.")
    figures = {
        "provider": provider,
        "problems": harmful,
        "findings": [asdict(each) for each in findings],
    }
    print_result(as_json, figures, *lines)


def _lines(finding: Finding) -> list[str]:
    label = "Advice" if finding.is_advice else "Problem"
    fix = finding.fix.replace("\n", "\n    ")
    return [
        f"{label} in {finding.group}: {finding.problem}",
        f"  {finding.consequence}",
        f"    {fix}",
        "",
    ]
