"""What `sniffer doctor` looks at: one function a subject, each yielding one `Check` a question."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import numpy as np

from sniffer.app.config import Config, read_secret
from sniffer.app.surroundings import own_addresses, why_silent
from sniffer.app.validation import problems
from sniffer.capture.live import interfaces
from sniffer.capture.live.interfaces import forwards
from sniffer.capture.live.live import LiveCapture
from sniffer.capture.live.netlink import Link, links
from sniffer.capture.live.privileges import may_capture, remedy
from sniffer.capture.settings import CaptureSettings
from sniffer.capture.source_settings import AnyPacketSource
from sniffer.capture.sources import open_source
from sniffer.decode import decode
from sniffer.diagnostics import offload
from sniffer.diagnostics.clock_state import REMEDY, doubt, read_clock_state
from sniffer.diagnostics.missing_bytes import HIDDEN_REMEDY, HiddenBytes
from sniffer.diagnostics.silence import Surroundings, missing
from sniffer.diagnostics.silence import cause as cause_of_silence
from sniffer.diagnostics.visibility import Sight
from sniffer.errors import CaptureError, ConfigError, SnifferError
from sniffer.model import Selection
from sniffer.model.clock import SystemClock
from sniffer.settings.base import Secret
from sniffer.settings.places import state_folder
from sniffer.sinks.delivery.http import authorities, cause
from sniffer.sinks.settings import AlertmanagerSettings, CollectorSettings, WebhookSettings

Status = Literal["ok", "warning", "fail", "skipped"]
#: This code is younger than any clock that shows less.
NOT_BEFORE = 1_763_000_000
#: Enough for names, verdicts and evidence; less than this is going to be a problem soon.
FREE_BYTES = 64 << 20
#: Seconds that a source or a receiver has to accept a connection.
REACH_SECONDS = 5.0
#: Packets of a sender after which it is not looked at longer.
ENOUGH_PACKETS = 50


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, how it is, and what to do about it."""

    name: str
    status: Status
    message: str
    remedy: str | None = None


def privilege() -> Iterator[Check]:
    if may_capture():
        yield Check("privilege", "ok", "this process may capture")
    else:
        yield Check("privilege", "fail", "this process may not capture", remedy())


def choice(configured: str | Sequence[str]) -> tuple[tuple[str, ...], list[Check]]:
    """The interfaces to look at, and what there is to say of them."""
    try:
        names, reason = interfaces.resolve(configured)
        others = interfaces.find_lan().others if reason else ()
    except CaptureError as error:
        return (), [Check("interface", "fail", str(error), "name one: `sniffer doctor -i NAME`, capture.interface")]
    there = {link.name: link for link in links()}
    checks = []
    for name in names:
        link = there.get(name)
        if link is None:
            known = ", ".join(sorted(there))
            checks.append(Check("interface", "fail", f"{name}: no such interface", f"there are {known}"))
        elif not link.up:
            checks.append(Check("interface", "fail", f"{name} is down", f"`ip link set {name} up`"))
        else:
            more = f"; not looked at: {', '.join(others)} (name several in capture.interface)" if others else ""
            checks.append(Check("interface", "ok", f"{name}: {reason or 'as configured'}{more}"))
        if link is not None and (whole := _bridge_of(link, names, there)):
            checks.append(
                Check(
                    "interface", "warning", f"{name} is a part of {whole}: its packets come twice", f"leave {name} out"
                )
            )
    if any(check.status == "fail" for check in checks):
        return (), checks
    return names, checks


def _bridge_of(link: Link, names: Sequence[str], there: dict[str, Link]) -> str | None:
    """The other chosen interface that the packets of this one pass as well."""
    above = {one.index: one.name for one in there.values() if one.name in names and one is not link}
    return above.get(link.master or -1)


def hidden(names: Sequence[str]) -> Iterator[Check]:
    """Offloads on the interfaces and on the ports of bridges."""
    found = links()
    wanted = {link.index for link in found if link.name in names}
    ports = [link.name for link in found if link.index in wanted or link.master in wanted]
    results = list(offload.findings(ports))
    for finding in results:
        yield Check("offload", "warning", finding.what, finding.remedy)
    if not any(finding.hides for finding in results):
        unknown = "" if offload.flowtables() is not None else "; nftables could not be asked (needs root and nft)"
        yield Check("offload", "ok", f"nothing is known to carry connections past {', '.join(names)}{unknown}")


def traffic(names: Sequence[str], settings: CaptureSettings, seconds: float) -> Iterator[Check]:
    """Look at real packets for a while."""
    sight = Sight(*own_addresses(links()))
    hidden, holes = HiddenBytes(), 0
    dropped = 0
    try:
        with LiveCapture(names, settings, None) as capture:
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                for block in capture.poll(left):
                    batch = decode(block, Selection())[0]
                    sight.add(batch)
                    holes += hidden.add(batch, np.unique(batch.eth_src))
            dropped = sum(one.dropped for one in capture.statistics().values())
    except CaptureError as error:
        yield Check("traffic", "fail", str(error))
        return
    where = ", ".join(names)
    if not sight.packets:
        yield _blind(f"no packet on {where} in {seconds:g} s", names[0], "traffic")
        return
    yield Check("traffic", "ok", f"{sight.packets} packets of {sight.hosts} other hosts on {where} in {seconds:g} s")
    if dropped:
        yield Check(
            "drops", "warning", f"the kernel dropped {dropped} packets", "`sysctl -w net.core.rmem_max=8388608`"
        )
    yield _others(sight, where)
    yield _names(sight, seconds)
    if holes and not dropped:
        yield Check("hidden", "fail", f"{holes >> 10} KiB were sent that do not pass {where}", HIDDEN_REMEDY)
    if sight.merged:
        yield Check(
            "merging",
            "warning",
            f"{sight.merged} packets are longer than a frame can be ({sight.longest} bytes): merged on this machine",
            "bytes and times stay right; `ethtool -K` as above where sizes matter to you",
        )
    ahead = (sight.last_ns - time.time_ns()) / 1e9
    if abs(ahead) > seconds + 5:
        yield Check(
            "timestamps", "fail", f"packets are stamped {ahead:+.0f} s off the clock", "set the clock, then reboot"
        )


def sender(source: AnyPacketSource, settings: CaptureSettings, seconds: float) -> Iterator[Check]:
    """Connect to one source on another machine, and look at what it sends for a while."""
    sight = Sight(*own_addresses(links()))
    said: list[str] = []
    try:
        opened = open_source(source, settings, SystemClock(), read_secret)
    except SnifferError as error:
        yield Check("source", "fail", f"{source.label}: {error}", "correct it in capture.sources")
        return
    try:
        opened.watch(None)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not (sight.sees_others and sight.packets >= ENOUGH_PACKETS):
            for block in opened.poll(min(left, 0.5)):
                sight.add(decode(block, Selection())[0])
            said += opened.events()
        up = opened.up().get(source.label, False)
    finally:
        opened.close()
    for line in said:
        if "its clock is" in line:
            yield Check("clock", "warning", line, "set the clock there (NTP)")
    if not up and not sight.packets:
        why = (
            said[-1].removesuffix("; connecting again") if said else f"{source.label}: nothing arrived in {seconds:g} s"
        )
        yield Check("source", "fail", why, "docs/where.md has a section for this kind of router")
    elif not sight.sees_others:
        reason, remedy = cause_of_silence(Surroundings(remote=True))
        yield Check(
            "source", "fail", f"{source.label}: {missing(sight).rstrip(',')} in {seconds:g} s: {reason}", remedy
        )
    else:
        yield Check("source", "ok", f"{source.label}: {sight.packets} packets of {sight.hosts} hosts arrived")


def _others(sight: Sight, where: str) -> Check:
    if sight.sees_others:
        return Check("visibility", "ok", f"packets between other hosts pass {where}")
    if sight.behind_nat:
        return Check(
            "visibility",
            "fail",
            f"all traffic on {where} is with one neighbour: this is the outer side, where speakers have no address",
            "capture on the LAN side: the bridge (br-lan, br0), not the uplink",
        )
    seen = missing(sight).rstrip(",")
    return _blind(f"{seen} passed {where}", where.split(",")[0])


def _blind(what: str, interface: str, name: str = "visibility") -> Check:
    """Say that an interface sees nothing, with the probable cause and the remedy."""
    reason, remedy = why_silent(interface)
    return Check(name, "fail", f"{what}: {reason}", remedy)


def _names(sight: Sight, seconds: float) -> Check:
    if sight.dns:
        return Check("dns", "ok", f"{sight.dns} DNS packets")
    if sight.dot:
        return Check("dns", "warning", "only encrypted DNS: names of services come from TLS", "nothing to do")
    return Check("dns", "warning", f"no DNS in {seconds:g} s", "look longer: `sniffer doctor --seconds 60`")


def clock() -> Iterator[Check]:
    """Verdicts join packets with wake events from other machines: their clocks must agree. Quiet hours need the time of
    day."""
    now = time.time()
    if now < NOT_BEFORE:
        yield Check("clock", "fail", f"the clock shows {time.strftime('%Y-%m-%d', time.gmtime(now))}", "start NTP")
        return
    state = read_clock_state()
    doubtful = doubt(state)
    if doubtful is not None:
        yield Check("clock", "warning", doubtful, f"{REMEDY}: `timedatectl set-ntp true`, or another one")
    else:
        known = state.synchronised is not None
        yield Check("clock", "ok", "synchronised" if known else "plausible; whether it is synchronised cannot be asked")


def secrets(config: Config, path: Path | None) -> Iterator[Check]:
    """What keeps the daemon from starting here with this configuration."""
    for remark in problems(config, path):
        yield Check("start", "fail", remark.message, remark.remedy)


def store(config: Config) -> Iterator[Check]:
    path = config.store.path
    folder = path.parent if str(path.parent) else Path()
    if path.exists() and not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
        yield Check("store", "fail", f"{path} cannot be written by this user", "store.path, or `chown`")
    elif folder == state_folder() and not folder.exists():
        yield Check("store", "ok", f"{path} will be created by the daemon")
    elif not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Check("store", "fail", f"{folder} is no folder that this user can write to", "store.path, or `mkdir`")
    else:
        free = shutil.disk_usage(folder).free
        if free < FREE_BYTES:
            yield Check("store", "warning", f"{free >> 20} MiB are left for {path}", "make room, or move store.path")
        else:
            yield Check("store", "ok", f"{path} can be written")


def port(config: Config) -> Iterator[Check]:
    host, number = config.http.host, config.http.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trying:
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trying.bind((host, number))
    except OSError as error:
        if _is_ours(config.http.url):
            yield Check("http", "ok", f"a sniffer is running on {host}:{number}")
        else:
            yield Check("http", "fail", f"{host}:{number}: {error.strerror}", "choose another http.port or http.host")
        return
    yield Check("http", "ok", f"{host}:{number} is free")


def _is_ours(url: str) -> bool:
    import httpx

    try:
        answer = httpx.get(f"{url}/-/healthy", timeout=2, verify=False)  # noqa: S501 - nothing is told, nothing believed
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return answer.status_code == 200 and "sniffer" in answer.text.lower()


def receivers(config: Config) -> Iterator[Check]:
    """Open a connection to every receiver, with its certificate checked. Only `sniffer setup --test` sends."""
    sinks = config.sinks
    over_http: tuple[WebhookSettings | AlertmanagerSettings | CollectorSettings, ...] = (
        *sinks.webhooks,
        *sinks.alertmanager,
        *sinks.collectors,
    )
    for target in over_http:
        try:
            url = read_secret(target.url) if isinstance(target.url, Secret) else target.url
            parts = urlsplit(url)
            secure = parts.scheme == "https"
            port = parts.port or (443 if secure else 80)
        except (ConfigError, ValueError):
            continue  # said above
        yield reached("receiver", target.name, parts.hostname or "", port, secure, target.ca)
    for notify in sinks.notify:
        yield Check("receiver", "skipped", f"{notify.name}: only a message shows it", "`sniffer setup --test`")
    if sinks.mqtt is not None:
        mqtt = sinks.mqtt
        secure = mqtt.tls or mqtt.ca is not None
        yield reached("receiver", mqtt.name, mqtt.host, mqtt.port or (8883 if secure else 1883), secure, mqtt.ca)
    if not sinks.receivers:
        yield Check(
            "receiver", "warning", "no receiver of alerts is configured", "add one under `sinks` (docs/alerts.md)"
        )


def reached(subject: str, name: str, host: str, port: int, secure: bool, ca: Path | None) -> Check:
    """Connect, and where TLS is configured check the certificate."""
    place = f"{host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=REACH_SECONDS) as line:
            if secure:
                context = authorities(ca) if ca is not None else ssl.create_default_context()
                context.wrap_socket(line, server_hostname=host).close()
    except (OSError, ValueError, SnifferError) as error:
        why = cause(error, place, REACH_SECONDS) if not isinstance(error, SnifferError) else str(error)
        return Check(subject, "fail", f"{name}: {why}", "correct its address, or start it")
    return Check(subject, "ok", f"{name}: {place} answers" + (" with a trusted certificate" if secure else ""))


def devices(config: Config) -> Iterator[Check]:
    if config.devices:
        yield Check("devices", "ok", f"{len(config.devices)} devices are named in the configuration")
    else:
        yield Check(
            "devices", "ok", "no device is named: speakers are recognised by what they show; `sniffer setup` names them"
        )


def forwarding() -> Iterator[Check]:
    where = (
        "forwards: it is a router"
        if forwards()
        else "does not forward: it sees its own traffic, unless at a mirror port"
    )
    yield Check("place", "ok", f"this host {where}")
