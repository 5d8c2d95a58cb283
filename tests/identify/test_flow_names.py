"""Names of flows: as of a time, whenever that is asked; and bounded."""

from hypothesis import assume, given
from hypothesis import strategies as st

from sniffer.identify.flow_names import FLOW_HISTORY, History, Names
from sniffer.model import FlowKey, NameSeen, address_pair

SERVER, LOCAL = address_pair("52.94.233.109"), address_pair("192.168.1.20")
FLOW = FlowKey(LOCAL, 40000, SERVER, 443, 6)
KEY = 1

EVENTS = st.lists(
    st.tuples(st.sampled_from(["dns", "sni", "other-sni", "start"]), st.sampled_from("abc"), st.integers(1, 5)),
    max_size=30,
)


def tell(names: Names, what: str, name: str, at: int) -> None:
    match what:
        case "dns":
            names.learn(NameSeen(at, KEY, name, "dns", SERVER, ttl_seconds=60))
        case "start":
            names.started((KEY, 6, 40000, SERVER, 443), at)
        case _:
            port = 40000 if what == "sni" else 50000
            names.learn(NameSeen(at, KEY, name, "sni", SERVER, proto=6, port=443, client_port=port))


@given(EVENTS, st.integers(0, 120))
def test_what_comes_later_does_not_change_the_past(events: list[tuple[str, str, int]], at: int) -> None:
    assume(sum(what == "sni" for what, _, _ in events) <= FLOW_HISTORY)  # what one connection is remembered by
    then, now = Names(1000), Names(1000)
    clock = 0
    for what, name, step in events:
        clock += step
        if clock <= at:
            tell(then, what, name, clock)
        tell(now, what, name, clock)
    assert then.find(KEY, FLOW, at) == now.find(KEY, FLOW, at)


def test_an_answer_after_the_beginning_is_late() -> None:
    names = Names(1000)
    tell(names, "start", "", 10)
    tell(names, "dns", "a", 20)
    found = names.find(KEY, FLOW, 30)
    assert found is not None and (found.name, found.source) == ("a", "dns_late")
    tell(names, "dns", "b", 40)
    assert (found := names.find(KEY, FLOW, 50)) is not None and found.name == "b"


def test_another_host_s_answer_is_better_than_none() -> None:
    names = Names(1000)
    names.learn(NameSeen(5, 2, "a", "dns", SERVER, ttl_seconds=60))
    found = names.find(KEY, FLOW, 10)
    assert found is not None and (found.name, found.source) == ("a", "dns_late")


def test_histories_are_bounded() -> None:
    history: History[int, int] = History(keys=10, each=4)
    for number in range(1000):
        history.add(number % 25, number)
    assert len(history) <= 10
    assert all(len(values) <= 4 for _, values in history.items())
    for number in range(1000):
        history.add(1, number)
    assert history.get(1) == [996, 997, 998, 999]
