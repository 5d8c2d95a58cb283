"""Each mistake a person can make in the configuration, and the one line that answers it."""

import re
from pathlib import Path

import pytest

from sniffer.app.config import Config, load_config, parse_config, read_secret
from sniffer.errors import ConfigError
from sniffer.settings.base import Secret

MISTAKES = {
    "unknown key": ("capture:\n  interfase: br-lan\n", "2:3: unknown key 'interfase'; did you mean 'interface'?"),
    "unknown section": ("captures: {}\n", "1:1: unknown key 'captures'; did you mean 'capture'?"),
    "bad MAC": ("devices:\n  - mac: zz\n    name: a\n", "2:10: devices.0.mac: not a MAC or IP address: 'zz'"),
    "missing key": ("devices:\n  - mac: 00:11:22:33:44:55\n", "2:5: the key 'name' is missing in devices.0"),
    "out of range": (
        "http:\n  port: 70000\n",
        "2:9: http.port: input should be less than or equal to 65535",
    ),
    "indented too far": (
        "capture:\n  interface: lan\n   snap_length: 96\n",
        "3:15: a `:` is not expected here: this line",
    ),
    "indented too little": ("http:\n  port: 1\n host: a\n", "3:2: this does not belong to what is above it"),
    "text with a colon": ("http:\n  host: a: b\n", "2:10: a `:` is not expected here"),
    "a tab": ("http:\n\tport: 1\n", "2:1: a tab is not allowed here: indent with spaces"),
    "a quote that is not closed": ('http:\n  host: "a\n', "3:1: the file ends within quotes"),
    "a brace that is not closed": (
        "http: {port: 1\nstore: {}\n",
        "2:6: a `,` or the closing `}` is missing before this",
    ),
    "a section that is not indented": (
        "capture:\ninterface: lan\n",
        "2:1: unknown key 'interface'; it belongs below 'capture'",
    ),
    "alias": ("a: &x [1]\nb: *x\n", "2:4: aliases (*name) are not supported"),
    "twice": ("http: {}\nhttp: {}\n", "2:1: the key 'http' is given twice"),
    "not a mapping": ("- a\n- b\n", "1:1:"),
    "two documents": ("http: {}\n---\nhttp: {}\n", "2:1:"),
    "not YAML": ("capture: [\n", "2:1:"),
    "tag": ("http: !!python/object/apply:os.system ['true']\n", "1:7:"),
    "name with a newline": ('devices:\n  - {mac: "00:11:22:33:44:55", name: "a\\nb"}\n', "2:38: devices.0.name: "),
    "same name": (
        "devices:\n  - {mac: 00:11:22:33:44:55, name: a}\n  - {mac: 00:11:22:33:44:56, name: a}\n",
        "3:36: devices.1.name: the device 'a' has this name already: each needs its own",
    ),
    "same name but for case": (
        "devices:\n  - {mac: 00:11:22:33:44:55, name: Hall}\n  - {mac: 00:11:22:33:44:56, name: hall}\n",
        "3:36: devices.1.name: the device 'Hall' has this name already",
    ),
    "same MAC": (
        "devices:\n  - {mac: 00:11:22:33:44:aa, name: a}\n  - {mac: 00-11-22-33-44-AA, name: b}\n",
        "3:11: devices.1.mac: the device 'a' has this mac already",
    ),
    "a name that means every device": (
        "devices:\n  - {mac: 00:11:22:33:44:55, name: All}\n",
        "2:36: devices.0.name: 'all' is reserved: `sniffer mute all` means every device",
    ),
    "text for a mapping": ("http: yes please\n", "1:7: http: a mapping is needed here (`key: value`)"),
    "text for everything": ("just text\n", "1:1: a mapping is needed here (`key: value`)"),
    "mapping for a list": (
        "devices: {kitchen: a}\n",
        "1:10: devices: a list is needed here (`- one`",
    ),
    "number for text": ("http:\n  host: 1\n", "2:9: http.host: text is needed here"),
    "text for a number": ("http:\n  port: abc\n", "2:9: http.port: a whole number is needed here"),
    "no interface": ("capture: {interface: []}\n", "1:22: capture.interface: "),
    "unknown type": (
        "wake:\n  sources:\n    - {type: htttp, name: a}\n",
        "3:7: wake.sources.0: unknown type 'htttp'; did you mean 'http'?",
    ),
    "key of another type": (
        "capture:\n  sources:\n    - {type: interface, name: lan}\n",
        "3:25: unknown key 'name'; known here: interface, type",
    ),
    "misspelt key of a type": (
        "capture:\n  sources:\n    - {type: tzsp, sender: 192.168.1.1, prot: 37008}\n",
        "3:41: unknown key 'prot'; did you mean 'port'?",
    ),
    "one interface twice": (
        "capture:\n  sources:\n    - {type: interface, interface: eth0}\n    - {type: interface, interface: eth0}\n",
        "capture: two sources are called 'eth0': give one of them a `name`, or leave it out",
    ),
    "no type": ("wake:\n  sources:\n    - {name: a}\n", "3:7: the key 'type' is missing in wake.sources.0"),
    "missing in a source": (
        "wake:\n  sources:\n    - {type: file, name: a}\n",
        "the key 'path' is missing in wake.sources.0",
    ),
    "a time that is none": (
        "judge:\n  quiet_hours:\n    - {start: 25:00, end: 06:00}\n",
        "3:15: judge.quiet_hours.0.start: a time is needed here, such as '08:00'",
    ),
    "an hour for a time": (
        "alerts: {digest_at: 8}\n",
        "1:21: alerts.digest_at: a time is needed here",
    ),
    "a secret that is written": (
        "http:\n  tokens: [{source: ear, secret: hunter2}]\n",
        "2:34: http.tokens.0.secret: a secret is not written here: `{file: PATH}` or `{env: NAME}` says where it is",
    ),
    "secret twice": (
        "http:\n  tokens:\n    - source: ear\n      secret: {file: a, env: b}\n",
        "4:15: http.tokens.0.secret: give either `file` (a path) or `env` (the name of an environment variable)",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_place(mistake: str) -> None:
    text, message = MISTAKES[mistake]
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "sniffer.yaml")
    assert "\n" not in str(caught.value)
    assert message in str(caught.value)
    assert re.match(r"sniffer\.yaml:\d+:\d+: ", str(caught.value))


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "{}"])
def test_everything_has_a_default(text: str) -> None:
    assert parse_config(text, "sniffer.yaml") == Config()


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ConfigError, match="nested deeper than"):
        parse_config("[" * 5000 + "]" * 5000, "sniffer.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe", "UTF-8"), (b"#" * (1 << 20) + b"##", "exceeds 1048576 bytes"), (None, "No such file")],
)
def test_an_unreadable_file_is_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "sniffer.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_secrets_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text(" s3cret\n")
    monkeypatch.setenv("SNIFFER_TEST_TOKEN", "other")
    assert read_secret(Secret(file=path)) == "s3cret"
    assert read_secret(Secret(env="SNIFFER_TEST_TOKEN")) == "other"
    path.write_text("\n")
    for missing in (Secret(file=path), Secret(file=tmp_path / "absent"), Secret(env="SNIFFER_TEST_ABSENT")):
        with pytest.raises(ConfigError):
            read_secret(missing)
