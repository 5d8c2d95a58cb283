"""What all tests share: where the real captures are, and whether this process may make network namespaces."""

import functools
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how busy this machine is.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In `make test`, a test that starts services or waits for packets is run again before it fails: a machine that is
    shared may stand still for seconds. Each one that was is listed as RERUN."""
    if os.environ.get("SNIFFER_RERUN"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))


def _shared_data() -> Path | None:
    named = os.environ.get("SNIFFER_SHARED_DATA")
    if named:
        return Path(named) if Path(named).is_dir() else None
    for folder in Path(__file__).resolve().parents:
        if (folder / "shared" / "data" / "README.md").is_file():
            return folder / "shared" / "data"
    return None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real captures. They are not part of the project: absent, the tests that need them are skipped."""
    folder = _shared_data()
    if folder is None:
        pytest.skip("the real captures (../shared/data, or $SNIFFER_SHARED_DATA) are not here")
    return folder


@pytest.fixture
def tool() -> "ToolFinder":
    """`tool("tshark")` is its path, or the test is skipped with the reason."""
    return ToolFinder()


class ToolFinder:
    """Finds programs that a test needs."""

    def __call__(self, name: str) -> str:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if path is None:
            pytest.skip(f"{name} is not installed")
        return path


@pytest.fixture(autouse=True)
def _root_only(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root (network namespaces, AF_PACKET)")


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the state of this machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / f"state-{uuid.uuid4().hex[:12]}"))


@pytest.fixture(scope="session", autouse=True)
def _shipped_rules_are_parsed_once() -> Iterator[None]:
    """Hundreds of tests build a daemon. What a text of rules means depends on the text alone."""
    import sniffer.identify.rules as rules

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "parse_yaml", functools.lru_cache(maxsize=256)(rules.parse_yaml))
        patch.setattr(rules, "OuiTable", functools.lru_cache(maxsize=2)(rules.OuiTable))
        yield
