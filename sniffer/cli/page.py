"""`sniffer page`: where the page is, a link that signs a phone in, and its passwords."""

from __future__ import annotations

import ipaddress
import sys
import time
from pathlib import Path

import click
import segno

from sniffer.app.config import Config
from sniffer.app.overlay import OverlaidConfig
from sniffer.capture.live.netlink import links
from sniffer.cli._common import config_option, effective_config
from sniffer.errors import ConfigError, UsageError
from sniffer.web.keys import Role, hash_password, keys_path, make_keys, make_link, write_keys


@click.command()
@config_option
@click.option("--store", "store_path", type=click.Path(path_type=Path), help="The store of the daemon (SQLite).")
@click.option("--url", help="The address under which the page is opened (default: found in the configuration).")
@click.option("--link", is_flag=True, help="Print a link, and its QR code, that signs one browser in. It works once.")
@click.option("--password", is_flag=True, help="Set the password. It is asked for, or read from standard input.")
@click.option("--look", is_flag=True, help="With --link or --password: to look only, and change nothing.")
def command(
    config_path: Path | None, store_path: Path | None, url: str | None, link: bool, password: bool, look: bool
) -> None:
    """Print the address of the page, a link that signs in, or set its password.

    The link and the password are for browsers on other machines. The daemon need not be restarted.

    \b
    Examples:
      sniffer page
      sniffer page --link
      sniffer page --password --look
    """
    base = effective_config(config_path, ())
    if store_path is not None:
        base = base.model_copy(update={"store": base.store.model_copy(update={"path": store_path})})
    config = OverlaidConfig(lambda: base).read()
    if not (config.http.enabled and config.http.page.enabled):
        raise UsageError("the page is switched off (http.enabled, http.page.enabled)")
    role = Role.LOOK if look else Role.CHANGE
    path = keys_path(config.store.path)
    if (link or password) and not path.exists() and not config.store.path.exists():
        raise UsageError(f"{config.store.path}: there is no store here; start `sniffer run` first, or give --store")
    address = (url or page_url(config)).rstrip("/")
    if password:
        keys, _ = make_keys(path)
        keys.passwords[role] = hash_password(_asked())
        write_keys(path, keys)
        click.echo(f"the password is set ({'look only' if look else 'look, answer and change'}); it is in force now")
    elif link:
        keys, _ = make_keys(path)
        for line in link_lines(f"{address}/link/{make_link(keys, role, int(time.time()))}"):
            click.echo(line)
    else:
        click.echo(address)
        if "127.0.0.1" in address or "[::1]" in address:
            click.echo(
                "This address works on this machine only; docs/page.md says how to open it from others.", err=True
            )


def link_lines(link: str) -> list[str]:
    """A link for people: the address, and on a terminal its QR code."""
    lines = [link, "It signs one browser in, works once, and ends in 24 hours."]
    if sys.stdout.isatty():
        from io import StringIO

        drawn = StringIO()
        segno.make(link, error="l", micro=False).terminal(drawn, compact=True)
        lines.append(drawn.getvalue())
    return lines


def page_url(config: Config) -> str:
    """The address under which other machines reach the page, as far as this machine can tell."""
    http = config.http
    if http.host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return http.url
    port, scheme = http.port, "https" if http.tls else "http"
    found = [ipaddress.ip_interface(str(address)).ip for one in links() if one.up for address in one.addresses]
    private = [ip for ip in found if ip.is_private and not ip.is_loopback and not ip.is_link_local]
    chosen = next((ip for ip in private if ip.version == 4), next(iter(private), None))
    if chosen is None:
        return http.url
    host = f"[{chosen}]" if chosen.version == 6 else str(chosen)
    return f"{scheme}://{host}:{port}"


def is_local(host: str) -> bool:
    """Whether only this machine can reach a server on this address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _asked() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    given = sys.stdin.readline().rstrip("\n")
    if not given:
        raise ConfigError("no password came on standard input")
    return given
