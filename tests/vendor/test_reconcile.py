"""`sniffer reconcile` as its users see it: exports as vendors write them, beside what the monitor recorded."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sniffer.cli.reconcile import command
from sniffer.errors import CaptureError, SnifferError, StoreError, UsageError
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.wake.events import parse_event
from tests.sinks.builders import upload
from tests.vendor.writing import (
    BERLIN,
    HALL,
    START,
    Said,
    audio_name,
    first_generation,
    google_page,
    google_rows,
    household,
    save_json,
    save_log,
    save_zip,
    second_generation,
    shifted,
    table,
    times,
)

AT = times(40)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return save_log(tmp_path / "found.jsonl", household(AT))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def counts(result: Result) -> dict[str, int]:
    """How many items each result has that has any, out of JSON Lines."""
    assert result.exit_code == 0, result.output + repr(result.exception)
    head = json.loads(result.stdout.splitlines()[0])
    assert head["category"] == "summary"
    return {category["name"]: category["count"] for category in head["categories"] if category["count"]}


def items(result: Result, name: str) -> list[dict[str, Any]]:
    """The items of one result."""
    lines = [json.loads(line) for line in result.stdout.splitlines()[1:]]
    return [line for line in lines if line["category"] == name]


def compare(*arguments: object) -> Result:
    return run(*arguments, "--format", "jsonl")


def refused(result: Result) -> str:
    """The one line that a user reads."""
    assert isinstance(result.exception, SnifferError), result.output
    assert result.exception.exit_status != 0
    text = str(result.exception)
    assert "\n" not in text
    return text


# --- each kind of export ----------------------------------------------------------------------------------------------


def write_first(path: Path, said: list[Said]) -> Path:
    return save_json(path / "history.json", first_generation(said))


def write_first_without_ids(path: Path, said: list[Said]) -> Path:
    return save_json(path / "history.json", first_generation(said, with_ids=False))


def write_pages(path: Path, said: list[Said]) -> Path:
    pages = [first_generation(said[:15]), first_generation(said[15:])]
    (path / "pages.jsonl").write_text("\n".join(map(json.dumps, pages)))
    return path / "pages.jsonl"


def write_list(path: Path, said: list[Said]) -> Path:
    return save_json(path / "records.json", first_generation(said)["customerHistoryRecords"])


def write_second(path: Path, said: list[Said]) -> Path:
    return save_json(path / "history.json", second_generation(said))


def write_from_powershell(path: Path, said: list[Said]) -> Path:
    (path / "history.json").write_text(json.dumps(second_generation(said), indent=2), encoding="utf-16")
    return path / "history.json"


def write_takeout(path: Path, said: list[Said]) -> Path:
    other = [{"header": "YouTube", "title": "Watched x", "time": "2026-11-18T12:00:00Z", "products": ["YouTube"]}]
    return save_zip(path / "takeout.zip", {
        "Takeout/Meine Aktivitäten/Google Assistant/MeineAktivitäten.json": json.dumps(google_rows(said)),
        "Takeout/Meine Aktivitäten/YouTube/MeineAktivitäten.json": json.dumps(other),
        "Takeout/archive_browser.html": "<html><body><p>Archiv</p></body></html>",
    })  # fmt: skip


def write_folder(path: Path, said: list[Said]) -> Path:
    folder = path / "Takeout" / "マイ アクティビティ" / "音声"
    folder.mkdir(parents=True)
    save_json(folder / "マイアクティビティ.json", google_rows(said, header="音声"))
    for one in said:
        (folder / audio_name(one)).write_bytes(b"\xff\xf3\x44\xc4" + bytes(11_996))
    return path / "Takeout"


def write_page(path: Path, said: list[Said]) -> Path:
    return save_zip(path / "takeout.zip", {"Takeout/Meine Aktivitäten/Assistant/X.html": google_page(said)})


def write_page_with_sound(path: Path, said: list[Said]) -> Path:
    page = google_page(said, german=False, audio=True)
    return save_zip(path / "takeout.zip", {"Takeout/My Activity/Voice and Audio/MyActivity.html": page})


def write_request(path: Path, said: list[Said]) -> Path:
    rows = "Transaction,Recorded at,Device Name\n" + "".join(
        f"x{n},{one.moment():%Y-%m-%dT%H:%M:%S}Z,{one.device}\n" for n, one in enumerate(said)
    )
    inner = save_zip(path / "inner.zip", {"Alexa.VoiceRecordings/records.csv": rows, "readme.txt": "hello"})
    return save_zip(path / "request.zip", {"Alexa.1.zip": inner.read_bytes(), "Retail/orders.pdf": b"%PDF-1.4"})


def write_recordings(path: Path, said: list[Said]) -> Path:
    wav = b"RIFF" + (36 + 64_000).to_bytes(4, "little") + b"WAVEfmt " + bytes.fromhex(
        "10000000" "01000100" "803e0000" "007d0000" "02001000"
    ) + b"data" + (64_000).to_bytes(4, "little") + bytes(64_000)  # fmt: skip
    return save_zip(path / "audio.zip", {f"Alexa/{one.moment():%Y-%m-%d_%H-%M-%S}_UTC.wav": wav for one in said})


def write_table(path: Path, said: list[Said]) -> Path:
    (path / "own.csv").write_text(table(said, zone=BERLIN))
    return path / "own.csv"


def write_events(path: Path, said: list[Said]) -> Path:
    events = [
        {"event_type": "alexa_media_last_called_event",
         "data": {"last_called": one.serial, "timestamp": one.ms, "summary": one.text}}
        for one in said
    ]  # fmt: skip
    (path / "events.jsonl").write_text("\n".join(map(json.dumps, events)))
    return path / "events.jsonl"


def write_debug_log(path: Path, said: list[Said]) -> Path:
    lines = ["2026-11-18 12:00:00.000 INFO (MainThread) [homeassistant.core] Starting"]
    for place, record in enumerate(second_generation(said)["alexaHistoryRecords"]):
        if place % 2:
            lines.append(f"2026-11-18 12:00:00 DEBUG [aioamazondevices] Processing vocal history record: {record}")
        else:
            one = said[place]
            lines.append(
                "2026-11-18 12:00:00 DEBUG [homeassistant.core] Bus:Handling <Event alexa_media_last_called_event[L]: "
                f"last_called={one.serial}, timestamp={one.ms}, summary={one.text}>"
            )
    (path / "home-assistant.log").write_text("\n".join(lines))
    return path / "home-assistant.log"


WRITERS = [
    write_first, write_first_without_ids, write_pages, write_list, write_second, write_from_powershell, write_takeout,
    write_folder, write_page, write_page_with_sound, write_request, write_recordings, write_table, write_events,
    write_debug_log,
]  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__.removeprefix("write_"))
def test_each_kind_of_export_gives_the_same_result(writer: Any, log: Path, tmp_path: Path) -> None:
    missing = {5, 11, 12, 30}
    said = [Said(at + 1.5) for place, at in enumerate(AT) if place not in missing]
    said.append(Said(AT[20] + 40))  # nothing left then
    (tmp_path / "export").mkdir()
    export = writer(tmp_path / "export", sorted(said, key=lambda one: one.at))
    result = compare(export, "--log", log, "--zone", "Europe/Berlin")
    # A log of events has the last request only: what it lacks is not called missing.
    name = "beyond" if writer is write_events else "not_in_record"
    assert counts(result) == {"both": 36, name: 4, "not_seen": 1}
    lost = [item["upload"]["id"] for item in items(result, name)]
    assert lost == [record["id"] for place, record in enumerate(household(AT)) if place in missing]
    assert all(abs(item["gap_seconds"]) <= 1 for item in items(result, "both"))
    assert "taken for" in result.stderr


def test_recordings_say_how_long_they_last(log: Path, tmp_path: Path) -> None:
    result = compare(write_recordings(tmp_path, [Said(at + 1) for at in AT]), "--log", log)
    assert {row["seconds"] for item in items(result, "both") for row in item["rows"]} == {2.0}
    google = compare(write_folder(tmp_path, [Said(at + 1) for at in AT]), "--log", log)
    # MPEG 2 layer III, index 4: 32 kbit/s, 12,000 bytes.
    assert {row["seconds"] for item in items(google, "both") for row in item["rows"]} == {3.0}


# --- what is matched with what ----------------------------------------------------------------------------------------


def test_the_clock_of_the_vendor_is_learned_and_taken_off(log: Path, tmp_path: Path) -> None:
    said = shifted([Said(at) for at in AT], 47.0)
    result = compare(save_json(tmp_path / "a.json", first_generation(said, with_ids=False)), "--log", log)
    assert counts(result) == {"both": 40}
    head = json.loads(result.stdout.splitlines()[0])
    assert head["clocks"][0]["offset_seconds"] == pytest.approx(47.0, abs=1)
    assert head["measures"]["delay_seconds"] == pytest.approx(47.0, abs=1)


def test_wake_word_and_command_are_one_request(log: Path, tmp_path: Path) -> None:
    history = first_generation([Said(at + 1) for at in AT])["customerHistoryRecords"]
    doubled = []
    for record in history:
        wake = json.loads(json.dumps(record))
        identity = record["voiceHistoryRecordItems"][0]["utteranceId"]
        wake["utteranceType"] = "WAKE_WORD_ONLY"
        wake["voiceHistoryRecordItems"][0]["utteranceId"] = f"{identity}/0"
        record["voiceHistoryRecordItems"][0]["utteranceId"] = f"{identity}/1"
        doubled += [record, wake]
    result = compare(save_json(tmp_path / "a.json", doubled), "--log", log)
    assert counts(result) == {"both": 40}
    assert {row["meaning"] for item in items(result, "both") for row in item["rows"]} == {"request"}
    assert "40 rows that continue another row" in result.stderr


def test_several_rows_of_one_upload_and_several_uploads_of_one_row(tmp_path: Path) -> None:
    records = household(AT)
    records += household([AT[3] + 9, AT[3] + 18])  # a dialogue: the record lists one row for it
    said = [Said(at + 1) for at in AT] + [Said(AT[7] + 4)]  # a second row during one upload
    export = save_json(tmp_path / "a.json", first_generation(said, with_ids=False))
    result = compare(export, "--log", save_log(tmp_path / "log", records))
    assert counts(result) == {"both": 40, "continued": 2}
    assert [len(item["rows"]) for item in items(result, "both")].count(2) == 1


def test_rows_that_were_merged_into_one_conversation(tmp_path: Path) -> None:
    """One row with three utterances, half a minute apart: the record has them all."""
    at = [AT[4], AT[4] + 30, AT[4] + 65]
    history = first_generation([Said(time + 1) for time in AT])["customerHistoryRecords"]
    parts = first_generation([Said(time + 1) for time in at])["customerHistoryRecords"]
    history[4]["voiceHistoryRecordItems"] = [item for part in parts for item in part["voiceHistoryRecordItems"]]
    export = save_json(tmp_path / "a.json", history)
    log = save_log(tmp_path / "l", household([*AT, *at[1:]]))
    assert counts(compare(export, "--log", log)) == {"both": 40, "continued": 2}


def test_what_the_vendor_itself_calls_a_false_activation(tmp_path: Path) -> None:
    records = household(AT[:30]) + household(AT[30:], "unexpected")
    kinds = {2: "FALSE_WAKE_WORD_DETECTED", 35: "DISCARDED_NON_DEVICE_DIRECTED_INTENT", 4: "ASR_TIMEOUT"}
    said = [Said(at + 1, kinds.get(place, "GENERAL")) for place, at in enumerate(AT)]
    result = compare(save_json(tmp_path / "a.json", first_generation(said)), "--log", save_log(tmp_path / "l", records))
    assert counts(result) == {"both": 40, "false_activation": 2, "not_asked": 10, "contradicted": 2}
    assert [item["rows"][0]["said"] for item in items(result, "contradicted")] == [kinds[2], kinds[4]]
    head = json.loads(result.stdout.splitlines()[0])
    assert head["measures"]["heard"] == 30
    assert head["measures"]["heard_missing"] == 0


def test_a_routine_needs_no_upload(log: Path, tmp_path: Path) -> None:
    said = [Said(at + 1) for at in AT] + [Said(AT[9] + 45, "ROUTINES_3P")]
    result = compare(save_json(tmp_path / "a.json", first_generation(said, with_ids=False)), "--log", log)
    assert counts(result) == {"both": 40, "routines": 1}


def test_what_the_monitor_took_for_other_data_is_not_called_unseen(tmp_path: Path) -> None:
    records = [*household(AT[:-1]), upload(None, at=AT[-1], kind="telemetry")]
    export = save_json(tmp_path / "a.json", first_generation([Said(at + 1) for at in AT]))
    result = compare(export, "--log", save_log(tmp_path / "l", records))
    assert counts(result) == {"both": 39, "unrecognised": 1}


def test_only_the_last_revision_counts(tmp_path: Path) -> None:
    records = household(AT) + household(AT[:1], "unexpected", revision=1)
    export = save_json(tmp_path / "a.json", first_generation([Said(at + 1) for at in AT]))
    assert counts(compare(export, "--log", save_log(tmp_path / "l", records))) == {"both": 40, "not_asked": 1}


def test_a_time_without_packets_is_not_watched(tmp_path: Path) -> None:
    lost = {
        "event_type": "loss", "timestamp": upload(at=AT[20] - 30)["timestamp"],
        "end": upload(at=AT[21] - 30)["timestamp"], "interface": "eth0", "packets": 0,
    }  # fmt: skip
    records = [record for place, record in enumerate(household(AT)) if place != 20] + [lost]
    export = save_json(tmp_path / "a.json", first_generation([Said(at + 1) for at in AT]))
    assert counts(compare(export, "--log", save_log(tmp_path / "l", records))) == {"both": 39, "not_watched": 1}


# --- devices ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, list[Said]]:
    """Two speakers, each with rows of its own."""
    hall = times(30, seed=7)
    log = save_log(tmp_path / "two.jsonl", household(AT) + household(hall, device=HALL))
    rows = [Said(at + 1) for at in AT] + [Said(at + 1, device="Hall Echo", serial="G0911W0793360XYZ") for at in hall]
    return log, rows


def test_devices_are_known_by_their_times(two: tuple[Path, list[Said]], tmp_path: Path) -> None:
    log, rows = two
    result = compare(save_json(tmp_path / "a.json", first_generation(rows)), "--log", log)
    assert counts(result) == {"both": 70}
    links = json.loads(result.stdout.splitlines()[0])["links"]
    assert {(link["vendor"], link["device"], link["why"]) for link in links} == {
        ("Kitchen Echo", "kitchen", "time"), ("Hall Echo", "hall", "time")}  # fmt: skip


def test_devices_are_known_by_name_and_by_map(two: tuple[Path, list[Said]], tmp_path: Path) -> None:
    log, rows = two
    few = [replace(rows[0], device="Kitchen"), rows[41]]
    export = save_json(tmp_path / "a.json", first_generation(few))
    result = compare(export, "--log", log, "--map", "G0911W0793360XYZ=hall")
    links = json.loads(result.stdout.splitlines()[0])["links"]
    assert {(link["device"], link["why"]) for link in links} == {("kitchen", "name"), ("hall", "map")}


def test_a_device_that_was_renamed_is_one_device(log: Path, tmp_path: Path) -> None:
    said = [Said(at + 1, device="Echo Dot" if place < 2 else "Kitchen Echo") for place, at in enumerate(AT)]
    result = compare(save_json(tmp_path / "a.json", first_generation(said)), "--log", log)
    assert counts(result) == {"both": 40}
    (tmp_path / "own.csv").write_text(table([replace(one, device="kitchen") for one in said[:2]] + said[2:]))
    assert counts(compare(tmp_path / "own.csv", "--log", log)) == {"both": 40}


def test_what_the_export_says_nothing_about_is_not_called_missing(two: tuple[Path, list[Said]], tmp_path: Path) -> None:
    log, rows = two
    export = save_json(tmp_path / "a.json", first_generation(rows[:40]))
    result = compare(export, "--log", log)
    assert counts(result) == {"both": 40}
    assert json.loads(result.stdout.splitlines()[0])["not_compared"] == {"hall": 30}
    assert "Its 30 uploads are not compared" in run(export, "--log", log).stdout
    assert counts(compare(export, "--log", log, "--device", "hall")) == {"both": 40, "not_in_record": 30}


def test_rows_of_a_phone_app_are_of_another_device(log: Path, tmp_path: Path) -> None:
    said = [Said(at + 1) for at in AT] + [Said(at + 300, device="Ann's Alexa App", serial="APP") for at in AT[:5]]
    result = compare(save_json(tmp_path / "a.json", first_generation(said)), "--log", log)
    assert counts(result) == {"both": 40, "other_devices": 5}


def test_two_accounts(log: Path, tmp_path: Path) -> None:
    one = first_generation([Said(at + 1) for at in AT[::2]])
    other = first_generation([Said(at + 1, account="A2OTHERACCOUNT") for at in AT[1::2]])
    paths = [save_json(tmp_path / "one.json", one), save_json(tmp_path / "two.json", other)]
    result = compare(*paths, "--log", log)
    assert counts(result) == {"both": 40}
    assert "the rows belong to 2 accounts" in result.stderr
    # Of one account alone, every second upload is missing: the reader learns that it may be in another account.
    alone = run(paths[0], "--log", log)
    assert "it may be filed under another account" in alone.stdout


# --- bad input --------------------------------------------------------------------------------------------------------


def test_the_export_of_another_person_accuses_of_nothing(log: Path, tmp_path: Path) -> None:
    stranger = [Said(at) for at in times(40, seed=99)]
    result = compare(save_json(tmp_path / "a.json", first_generation(stranger)), "--log", log)
    found = counts(result)
    assert "not_in_record" not in found
    assert "not_seen" not in found
    assert json.loads(result.stdout.splitlines()[0])["misfits"] == ["kitchen"]
    shown = run(tmp_path / "a.json", "--log", log).stdout
    assert "fits the uploads of 'kitchen' better than chance" in shown
    assert "another household" in shown


def test_the_export_of_another_year(log: Path, tmp_path: Path) -> None:
    old = shifted([Said(at) for at in AT], -400 * 86_400)
    text = refused(run(save_json(tmp_path / "a.json", first_generation(old)), "--log", log))
    assert "no row of the export is from the time that was watched" in text
    assert "2025" in text
    assert "2026" in text


def test_local_times_are_recognised_without_knowing_the_zone(log: Path, tmp_path: Path) -> None:
    export = tmp_path / "own.csv"
    export.write_text(table([Said(at + 1) for at in AT], zone=BERLIN))
    result = compare(export, "--log", log, "--zone", "America/New_York")
    assert counts(result) == {"both": 40}
    assert json.loads(result.stdout.splitlines()[0])["clocks"][0]["offset_seconds"] == pytest.approx(6 * 3600, abs=2)
    assert "seem to be in another time zone" in run(export, "--log", log, "--zone", "America/New_York").stdout
    assert "times name no zone; they were read as America/New_York" in result.stderr


#: 2026-10-25 00:00 UTC, an hour before the clocks are set back in Berlin, after START in seconds.
_NIGHT = 1_792_886_400 - START // 1_000_000_000


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"], ids=["zone given", "zone not known"])
def test_the_night_in_which_an_hour_comes_twice(tmp_path: Path, zone: str) -> None:
    at = [_NIGHT - 9000 + time for time in times(60, seed=5, apart=300)]
    export = tmp_path / "own.csv"
    export.write_text(table([Said(time + 1) for time in at], zone=BERLIN))
    result = compare(export, "--log", save_log(tmp_path / "l", household(at)), "--zone", zone)
    found = counts(result)
    assert found["both"] == 60
    if zone == "UTC":
        clock = json.loads(result.stdout.splitlines()[0])["clocks"][0]
        assert (clock["offset_seconds"], clock["later_offset_seconds"]) == (pytest.approx(7201, abs=2),
                                                                            pytest.approx(3601, abs=2))  # fmt: skip


def test_half_a_download_gives_what_is_whole_and_accuses_of_nothing_beyond(log: Path, tmp_path: Path) -> None:
    newest_first = first_generation([Said(at + 1) for at in reversed(AT)])
    text = json.dumps(newest_first)
    (tmp_path / "half.json").write_text(text[: len(text) // 2])
    result = compare(tmp_path / "half.json", "--log", log)
    found = counts(result)
    assert found["both"] in (18, 19, 20)
    assert "it stops being JSON, as a download that broke off does" in result.stderr
    zipped = save_zip(tmp_path / "whole.zip", {"a.json": text})
    (tmp_path / "half.zip").write_bytes(zipped.read_bytes()[:-200])
    assert "damaged or incomplete" in refused(run(tmp_path / "half.zip", "--log", log))


def test_what_left_after_the_record_ends_is_a_result_of_its_own(tmp_path: Path) -> None:
    later = [at + 3 * 86_400 for at in AT[:6]]
    log = save_log(tmp_path / "l", household(AT) + household(later))
    export = save_json(tmp_path / "a.json", first_generation([Said(at + 1) for at in AT]))
    assert counts(compare(export, "--log", log)) == {"both": 40, "beyond": 6}
    span = ("--covers", "2026-11-01", "2026-12-01")
    assert counts(compare(export, "--log", log, *span)) == {"both": 40, "not_in_record": 6}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(5000)),
        ("notes.txt", b"milk, eggs\nbread, butter\n"),
        ("empty.json", b""),
        ("empty.csv", b""),
        ("other.json", b'{"hello": [{"a": 1}, {"b": 2}]}'),
        ("broken.json", b'{"customerHistoryRecords": [{"recordKey": '),
        ("deep.json", b'{"a":' + b"[" * 100_000),
        ("prices.csv", b"item,price\nmilk,1.20\neggs,3.40\n"),
        ("page.html", b"<html><body><p>Hello</p></body></html>"),
        ("open.html", b"<html><body><a " + b"x" * 3_000_000),
        ("zeros.csv", bytes(100_000)),
        ("wide.json", '{"hello": 1}'.encode("utf-16")),
        ("odd.json", b"\xff\xfe{"),
        ("nothing.zip", b"PK\x05\x06" + bytes(18)),
        ("capture.pcap", bytes.fromhex("d4c3b2a102000400") + bytes(200)),
    ],
)
def test_a_file_that_is_something_else(name: str, content: bytes, log: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert "no recordings were found in these files" in refused(run(tmp_path / name, "--log", log))


def test_a_path_that_is_not_there(log: Path, tmp_path: Path) -> None:
    assert "cannot be read" in refused(run(tmp_path / "none.json", "--log", log))
    export = save_json(tmp_path / "a.json", first_generation([Said(at) for at in AT]))
    assert "cannot be read" in refused(run(export, "--log", tmp_path / "none.jsonl"))
    assert isinstance(run(export, "--store", tmp_path / "none.db").exception, StoreError)
    assert "this is no event log" in refused(run(export, "--log", write_page(tmp_path, [])))


def test_mistakes_on_the_command_line(log: Path, tmp_path: Path) -> None:
    export = save_json(tmp_path / "a.json", first_generation([Said(at) for at in AT]))
    for arguments, words in (
        (("--map", "kitchen"), "expected VENDOR=NAME"),
        (("--map", "Kitchen Echo=cellar"), "no upload is from a device called 'cellar'; known: kitchen"),
        (("--map", "Kitchn Echo=kitchen"), "no row is from 'Kitchn Echo'; devices in the export: Kitchen Echo"),
        (("--zone", "Mars/Olympus"), "no such time zone"),
        (("--from", "2026-12-01", "--to", "2026-11-01"), "--from is after --to"),
    ):
        result = run(export, "--log", log, *arguments)
        assert words in refused(result)
        assert isinstance(result.exception, UsageError)
    result = run(export, "--log", log, "--to", "2026-01-01")
    assert isinstance(result.exception, CaptureError)
    assert "no upload that could hold speech was recorded" in str(result.exception)


# --- private, and what is written -------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__.removeprefix("write_"))
def test_transcripts_are_not_shown_or_written_unless_asked_for(writer: Any, log: Path, tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    export = writer(tmp_path / "export", [Said(at + 1, text="my secret wish") for at in AT])
    files = [tmp_path / name for name in ("r.html", "l.txt", "e.jsonl")]
    written = ("--report", files[0], "--letter", files[1], "--events", files[2])
    for result in (run(export, "--log", log, *written), compare(export, "--log", log)):
        assert result.exit_code == 0, result.output
        assert "secret" not in result.output
    assert all("secret" not in file.read_text() for file in files)


def test_transcripts_on_request(log: Path, tmp_path: Path) -> None:
    export = write_first(tmp_path, [Said(at + 1, text="my secret wish") for at in AT])
    assert "my secret wish It is noon." in compare(export, "--log", log, "--with-transcripts").stdout
    assert "my secret wish" in run(export, "--log", log, "--with-transcripts").stdout


def test_names_from_an_export_are_data(log: Path, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\x1b[2J\u202e"
    said = [Said(at + 1, device=evil, kind=evil) for at in AT[:-2]] + [Said(AT[3] + 300, kind=evil, device=evil)]
    files = [tmp_path / "r.html", tmp_path / "l.txt"]
    export = save_json(tmp_path / "a.json", first_generation(said))
    result = run(export, "--log", log, "--report", files[0], "--letter", files[1])
    assert result.exit_code == 0
    for text in (result.output, *(file.read_text() for file in files)):
        assert not re.search("[\x1b\u202e]", text)
    assert "<script>alert" not in files[0].read_text()


def test_the_first_screen_says_what_was_found_and_what_it_means(log: Path, tmp_path: Path) -> None:
    result = run(write_first(tmp_path, [Said(at + 1) for at in AT[:-4]]), "--log", log, "--zone", "Europe/Berlin")
    screen = "\n".join(result.stdout.replace("\xa0", " ").splitlines()[:12])
    assert "40 uploads shaped like speech left the house, and 4 of them are not in the vendor's record." in screen
    assert "lists 36 recordings" in screen
    assert "a question to the vendor, not a proof" in screen
    assert re.search(r"Left, and not in the record +4  10 % of 40 uploads \(95 % interval: 4 % to 23 %\)", screen)
    assert "CET" in screen


def test_the_letter_lists_what_is_missing_and_claims_no_more(log: Path, tmp_path: Path) -> None:
    export = write_first(tmp_path, [Said(at + 1) for place, at in enumerate(AT) if place not in (3, 9)])
    for language, words in (("en", "Article 15 GDPR"), ("de", "Artikel 15 DSGVO")):
        letter = tmp_path / f"{language}.txt"
        run(export, "--log", log, "--letter", letter, "--language", language)
        text = letter.read_text()
        assert words in text
        assert text.count("kitchen  3") == 2
        assert "{" not in text


def test_the_events_are_read_by_analyze_as_the_word_of_the_vendor(log: Path, tmp_path: Path) -> None:
    kinds = {2: "FALSE_WAKE_WORD_DETECTED", 5: "ROUTINES_3P"}
    said = [Said(at + 1, kinds.get(place, "GENERAL")) for place, at in enumerate(AT)]
    events = tmp_path / "events.jsonl"
    assert run(write_first(tmp_path, said), "--log", log, "--events", events).exit_code == 0
    found = [parse_event(json.loads(line)) for line in events.read_text().splitlines()]
    assert len(found) == 38
    assert {(event.device, str(event.trust), event.source) for event in found} == {
        ("kitchen", "self_report", "vendor-record")}  # fmt: skip


def test_a_store_of_the_daemon(tmp_path: Path) -> None:
    with Store(StoreSettings(path=tmp_path / "sniffer.db")) as store:
        for record in household(AT):
            store.emit(record)
    export = write_first(tmp_path, [Said(at + 1) for at in AT[1:]])
    assert counts(compare(export, "--store", tmp_path / "sniffer.db")) == {"both": 39, "not_in_record": 1}
