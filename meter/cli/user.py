"""`meter user`: who is who: the names of a user, and what kind of user it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli import Lazy
from meter.cli.options import (
    form,
    form_options,
    ledger_option,
    put_list,
    reading,
    settings_for,
    writing,
)

if TYPE_CHECKING:
    from meter.reports.directory import Known


@click.group(cls=Lazy, lazy={}, epilog="Example: meter user alias u_4127 cus_9x alice@example.com")
def user() -> None:
    """Say who is who: names of one user, kinds of users."""


@user.command(epilog="Example: meter user alias u_4127 cus_9x alice@example.com")
@click.argument("user")
@click.argument("names", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="They stand for the user no longer.")
@ledger_option
def alias(user: str, names: tuple[str, ...], ledger: str | None, *, remove: bool) -> None:
    """Have other NAMES stand for USER: a customer's number, an e-mail address, a host's id.

    What was recorded stays as it is: reports put the calls and subscriptions of all names on one line, and take each
    of them as --user.
    """
    from meter.cli.owner import users_known
    from meter.reports.render import visible

    settings = settings_for(ledger)
    there = users_known(settings)
    for name in names:
        (there.check_is_alias if remove else there.claim)(user, name)
    with writing(settings) as opened:
        if remove:
            opened.remove_aliases(user, names)
        else:
            opened.add_aliases(user, names)
        now = opened.users()
    others = now.names(user)[1:]
    text = f"also {', '.join(map(visible, others))}" if others else "known by no other name"
    click.echo(f"{visible(now.resolve(user))} is {text}.")


@user.command(epilog="Example: meter user kind u_1 internal")
@click.argument("user")
@click.argument("kind")
@ledger_option
def kind(user: str, kind: str, ledger: str | None) -> None:
    """Say what KIND of user USER is: customer, internal, free, trial or shared.

    What is set here wins over what a plan says: one of price 0 is free, a trial is one while it lasts, everybody else
    is a customer. Users of the kind shared are nobody's, like a nightly job: one line has what they cost together.
    """
    from meter.reports.render import visible
    from meter.users import check_kind, name_kept

    user = name_kept("user", user)
    meant = check_kind(kind)
    with writing(settings_for(ledger)) as opened:
        opened.set_kind(user, meant)
        now = opened.users()
    click.echo(f"{visible(now.resolve(user))} is {meant}.")


@user.command("list", epilog="Example: meter user list --json")
@click.option("--user", metavar="ID", help="Only this user, by any name.")
@ledger_option
@form_options
def list_(user: str | None, ledger: str | None) -> None:
    """List the users: kind, teams, other names, plan, first and last call."""
    from meter.reports.directory import known_users
    from meter.reports.render import Column

    with reading(settings_for(ledger)) as opened:
        records = [_record(each, opened.zone) for each in known_users(opened, user)]
    some = [name for name in ("teams", "aliases", "plan") if any(record[name] for record in records)]
    columns = [Column(name) for name in ("user", "kind", *some, "first_call", "last_call")]
    absent = f'No user is known as "{user}".' if user else "There is no user yet: the first call makes one."
    put_list(columns, [_shown(each) for each in records] if form() in {"table", "md"} else records, absent)


def _record(each: Known, zone: str) -> dict[str, Any]:
    from meter.period import show

    return {
        "user": each.user,
        "kind": each.kind,
        "teams": list(each.teams),
        "aliases": list(each.aliases),
        "plan": each.plan,
        "first_call": each.first_call and show(each.first_call.replace(microsecond=0), zone),
        "last_call": each.last_call and show(each.last_call.replace(microsecond=0), zone),
        "first_call_utc": each.first_call,
        "last_call_utc": each.last_call,
    }


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    return {name: (", ".join(value) or None) if isinstance(value, list) else value for name, value in record.items()}
