"""The notice of a record: its headline, the page it is about, and what its buttons do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

from sniffer.explain.headline import headline
from sniffer.explain.question import ANSWER_WORDS
from sniffer.explain.times import local_time, shown, zone_named
from sniffer.model import Answer, Record
from sniffer.model.clock import SECOND, Clock
from sniffer.sinks.delivery.notice import Action, Notice, NoticeOf
from sniffer.sinks.storage.store import Store
from sniffer.web.links import KEY_BYTES, PATH, Purpose, SignedLink, sign

#: How long a button in a notification works.
LINK_HOURS = 24
#: How long the button mutes a device.
MUTE_HOURS = 1


def link_key(store: Store) -> bytes:
    """Return the key that signs links; it is made at the first start and kept in the store."""
    kept = store.state_get("links.key")
    if isinstance(kept, str) and len(kept) == 2 * KEY_BYTES:
        return bytes.fromhex(kept)
    made = secrets.token_bytes(KEY_BYTES)
    store.state_set("links.key", made.hex())
    return made


def notices(public_url: str | None, key: bytes, clock: Clock, time_zone: str | None = None) -> NoticeOf:
    """Return the function that makes notices. Without a `public_url` they have no links and no buttons."""

    def notice_of(record: Record) -> Notice:
        text = headline(record, time_zone)
        if public_url is None:
            return Notice(text)
        upload = record["id"] if record["event_type"] == "upload" else record.get("upload_id")
        link = f"{public_url}/uploads/{quote(str(upload), safe='')}" if upload else f"{public_url}/"
        return Notice(text, link, _actions(record, public_url, key, clock))

    return notice_of


class Acts(Protocol):
    """What signed links ask of the daemon."""

    def mute(self, request: Mapping[str, Any]) -> Record: ...

    def question(self, upload: str) -> str: ...

    def answer_link(self, upload: str, answer: str) -> str: ...


def purposes(daemon: Acts, time_zone: str | None = None) -> dict[str, Purpose]:
    """Return what signed links do: mute a device, and answer the question about an upload."""

    def mute_device(device: str) -> str:
        until = str(daemon.mute({"device": device, "seconds": MUTE_HOURS * 3600})["until"])
        return f"No alerts about {device} until {shown(local_time(until, zone_named(time_zone)))}."

    def answering(answer: Answer) -> Purpose:
        return Purpose(
            lambda upload: f"{daemon.question(upload)} Your answer: {ANSWER_WORDS[answer]}?",
            lambda upload: daemon.answer_link(upload, answer),
        )

    mute = Purpose(lambda device: f"Mute alerts about {device} for {MUTE_HOURS} hour?", mute_device)
    return {"mute": mute} | {f"answer-{answer}": answering(answer) for answer in Answer}


def _actions(record: Record, public_url: str, key: bytes, clock: Clock) -> tuple[Action, ...]:
    device = record.get("device")
    expires = clock.now_ns() // SECOND + LINK_HOURS * 3600
    if record["event_type"] == "question":
        upload = str(record["upload_id"])
        links = {answer: sign(key, SignedLink(f"answer-{answer}", upload, expires)) for answer in Answer}
        return tuple(
            Action(ANSWER_WORDS[answer], f"{public_url}{PATH}/{token}", "POST") for answer, token in links.items()
        )
    if record["event_type"] != "alert" or not device:
        return ()
    subject = str(device["mac"] or device["name"])
    token = sign(key, SignedLink("mute", subject, expires))
    return (Action(f"Mute for {MUTE_HOURS} hour", f"{public_url}{PATH}/{token}", "POST"),)
