"""Optional dependencies: which extra brings which module, and the command that installs it here."""

from __future__ import annotations

from collections.abc import Mapping

DISTRIBUTION = "speaker-sniffer"

#: The first part of a module's name -> the extra of pyproject.toml that installs it.
EXTRA_OF: Mapping[str, str] = {
    "anyio": "serve",
    "httpx": "serve",
    "jinja2": "serve",
    "markupsafe": "serve",
    "segno": "serve",
    "starlette": "serve",
    "uvicorn": "serve",
    "paho": "mqtt",
    "apprise": "notify",
    "websockets": "homeassistant",
    "pymicro_wakeword": "listen",
    "pymicro_vad": "listen",
    "sounddevice": "listen",
    "pyarrow": "parquet",
    "distributed": "cluster",
    "fsspec": "cluster",
    "pyshark": "deep",
    "scapy": "pcap",
    "matplotlib": "plot",
}

#: What stands in dist-info/INSTALLER where Debian's package manager installed the program (PEP 376).
DEBIAN_INSTALLER = "debian"
#: Extra -> the packages of Debian 13 that bring it. An extra that is missing here has none.
DEBIAN_PACKAGES: Mapping[str, str] = {
    "serve": "python3-starlette python3-uvicorn python3-httpx python3-jinja2 python3-segno",
    "mqtt": "python3-paho-mqtt",
    "notify": "apprise",
    "homeassistant": "python3-websockets",
    "pcap": "python3-scapy",
    "plot": "python3-matplotlib",
}


def install_command(extra: str) -> str:
    """Return the shell command that adds an extra to this installation.

    The package is not on a public index, so the command names the folder or archive that it was installed from
    (PEP 610, direct_url.json); where that is unknown, the clone of the repository stands for it.
    """
    import shlex  # only where something is missing: each of these imports would slow every start
    import sys

    url, editable = origin()
    target = f"{url or '.'}[{extra}]"
    python = sys.executable or "python3"
    # uv's environments have no pip of their own.
    pip = ["uv", "pip", "install", "--python", python] if _installer() == "uv" else [python, "-m", "pip", "install"]
    words = [*pip, *(["-e"] if editable else []), target]
    return shlex.join(words) + ("" if url else "   (in a clone of the repository)")


def missing(module: str, purpose: str) -> str:
    """Return one line that says what is missing, what for, and how to install it."""
    extra = EXTRA_OF[module.partition(".")[0]]
    if _installer() == DEBIAN_INSTALLER:
        if packages := DEBIAN_PACKAGES.get(extra):
            return f"{purpose} needs packages that are missing. Install them with:  apt-get install {packages}"
        return (
            f"{purpose} needs the extra '{extra}', which Debian has no packages for: "
            "install sniffer from its wheel in a virtual environment (docs/install.md)"
        )
    return f"{purpose} needs the extra '{extra}'. Install it with:  {install_command(extra)}"


def _installer() -> str:
    """Return the name of the program that installed this package, "" where it is unknown."""
    from importlib import metadata

    try:
        return (metadata.distribution(DISTRIBUTION).read_text("INSTALLER") or "").strip()
    except metadata.PackageNotFoundError:
        return ""


def origin() -> tuple[str | None, bool]:
    """Return where the package was installed from, and whether as an editable install."""
    import json
    from importlib import metadata
    from urllib.parse import unquote, urlsplit

    try:
        text = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        found = json.loads(text) if text else {}
    except (metadata.PackageNotFoundError, ValueError):
        return None, False
    url = str(found.get("url", ""))
    if url.startswith("file:"):
        url = unquote(urlsplit(url).path)
    return url or None, bool(found.get("dir_info", {}).get("editable"))
