"""Whether the satellites and entities behind a Home Assistant could hear: a state machine over what it says of them.

Home Assistant shows a dead satellite as `idle`, for minutes or for ever. So its word that nothing is wrong is not
enough: `problem` says what is wrong for certain, and `unseen` names the satellites whose end it would not notice.
"""

from __future__ import annotations

from collections.abc import Mapping

from sniffer.model import WakeKind
from sniffer.wake.settings import HomeAssistantSource

#: States that Home Assistant gives an entity that it cannot reach, or of which it knows nothing yet.
UNAVAILABLE, UNKNOWN = "unavailable", "unknown"
#: Kinds of events whose absence means something: the entity that reports them must be there.
_HEARING = frozenset({WakeKind.CALL_START, WakeKind.CALL_END, WakeKind.VIEW_START, WakeKind.VIEW_END})
#: The state of Home Assistant once all integrations are set up.
RUNNING = "RUNNING"


class Satellites:
    """What is known of the configured entities of one Home Assistant, since the connection was made."""

    def __init__(self, settings: HomeAssistantSource) -> None:
        self._settings = settings
        self.configured = {*settings.satellites, *(entity.entity for entity in settings.entities)}
        self._hearing = {entity.entity for entity in settings.entities if WakeKind(entity.kind) in _HEARING}
        self.states: dict[str, str] = {}
        self.mutes: dict[str, str] = {}
        self.running = self.stands = False
        self.alive: dict[str, bool] = {}
        self._pipelines: str | None = None

    @property
    def wanted(self) -> frozenset[str]:
        """The entities whose states matter."""
        return frozenset({*self.configured, *self.mutes})

    def set(self, entity: str, state: object) -> None:
        """Take over the state of an entity; None if it is gone."""
        if isinstance(state, str):
            self.states[entity] = state
        else:
            self.states.pop(entity, None)

    def registry(self, entries: object) -> None:
        """Find the mute switches of the satellites' devices in the entity registry (in the form for display: `ei`
        entity, `di` device, `tk` translation key)."""
        found = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
        device_of = {entry.get("ei"): entry.get("di") for entry in found}
        own = {device_of.get(name): name for name in self._settings.satellites if device_of.get(name)}
        for entry in found:
            name = str(entry.get("ei", ""))
            mute = name.startswith("switch.") and (entry.get("tk") == "mute" or name.endswith("_mute"))
            if mute and entry.get("di") in own:
                self.mutes[name] = own[entry.get("di")]

    def pipelines(self, result: object) -> None:
        """Look for a pipeline that turns speech to text and text to speech: without both no satellite ever listens."""
        found = result.get("pipelines") if isinstance(result, Mapping) else None
        if not self._settings.satellites or not isinstance(found, list):
            return
        whole = any(isinstance(item, Mapping) and item.get("stt_engine") and item.get("tts_engine") for item in found)
        self._pipelines = None
        if not whole:
            self._pipelines = (
                "no Assist pipeline has both speech-to-text and text-to-speech, so no satellite ever starts to listen"
            )

    @property
    def problem(self) -> str | None:
        """Why something here would not be heard, in one line; None if nothing is known to be wrong."""
        if not self.running:
            return "Home Assistant is still starting"
        missing = sorted(self.configured - set(self.states))
        if missing:
            return f"Home Assistant has no entity {missing[0]}: was it renamed, or is it misspelt?"
        for name in sorted({*self._settings.satellites, *self._hearing}):
            if self.states[name] in (UNAVAILABLE, UNKNOWN):
                return f"{name} is {self.states[name]}"
        for name, satellite in sorted(self.mutes.items()):
            if self.states.get(name) == "on":
                return f"{satellite} is muted ({name})"
        dead = sorted(name for name, alive in self.alive.items() if not alive)
        if dead:
            return f"{dead[0]} does not answer at {self._settings.probes[dead[0]]}"
        return self._pipelines

    @property
    def unseen(self) -> list[str]:
        """The satellites that nobody would notice to be gone: without a probe that answered."""
        return sorted(name for name in self._settings.satellites if not self.alive.get(name))
