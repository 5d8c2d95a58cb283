// What lives on the page. Everything else works without this file.
// - times are shown in the reader's zone, with the zone
// - parts marked data-live are fetched anew when the daemon reports a change
// - a lost connection is said, and caught up with

const root = document.documentElement;
const zoneHere = Intl.DateTimeFormat().resolvedOptions().timeZone;
const forms = {
  clock: { hour: "2-digit", minute: "2-digit" },
  second: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
  short: { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  full: { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" },
};

function localTimes(within) {
  if (!zoneHere || zoneHere === root.dataset.zone) return; // the server wrote them in this zone already
  const language = root.lang === "en" ? "en-GB" : root.lang;
  for (const element of within.querySelectorAll("time[datetime], text[data-time]")) {
    const moment = new Date(element.getAttribute("datetime") ?? element.dataset.time);
    const form = forms[element.dataset.form] ?? forms.full;
    if (!Number.isNaN(moment.valueOf())) element.textContent = new Intl.DateTimeFormat(language, { ...form, hourCycle: "h23" }).format(moment);
  }
  const name = new Intl.DateTimeFormat(language, { timeZoneName: "short" }).formatToParts(new Date()).find((part) => part.type === "timeZoneName");
  if (name) for (const element of within.querySelectorAll(".zone")) element.textContent = name.value;
}

// Days begin at the reader's midnight: the server learns the zone, and the parts that live are fetched in it.
function tellZone() {
  const cookie = `sniffer_zone=${encodeURIComponent(zoneHere)}`;
  if (!zoneHere || zoneHere === root.dataset.zone || document.cookie.split("; ").includes(cookie)) return false;
  document.cookie = `${cookie}; Path=/; Max-Age=31536000; SameSite=Strict`;
  return document.cookie.split("; ").includes(cookie);
}

let waiting = 0;
let fetching = false;
let again = false;

async function refresh() {
  if (fetching) { again = true; return; }
  fetching = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.redirected && new URL(answer.url).pathname === "/login") { location.assign(answer.url); return; }
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (fresh.documentElement.dataset.assets !== root.dataset.assets && !typing()) { location.reload(); return; } // sniffer was updated
    for (const old of document.querySelectorAll("[data-live]")) {
      const next = fresh.querySelector(`[data-live="${CSS.escape(old.dataset.live)}"]`);
      if (!next || busy(old)) continue;
      const focused = old.contains(document.activeElement) ? path(document.activeElement, old) : null;
      localTimes(next);
      old.replaceWith(document.adoptNode(next));
      if (focused) follow(focused, next)?.focus();
      document.dispatchEvent(new CustomEvent("replaced", { detail: next }));
    }
  } catch { /* the stream says it */ } finally {
    fetching = false;
    if (again) { again = false; refresh(); }
  }
}

function typing() {
  return document.activeElement?.matches("input:not([type=checkbox]), select, textarea") ?? false;
}

// A form that is being filled in is left alone.
function busy(part) {
  if (part.contains(document.activeElement) && typing()) return true;
  return [...part.querySelectorAll("input[type=checkbox]")].some((box) => box.checked !== box.defaultChecked) || part.querySelector("details[open]") !== null;
}

function path(element, top) {
  const steps = [];
  for (let at = element; at !== top; at = at.parentElement) steps.unshift([...at.parentElement.children].indexOf(at));
  return steps;
}

function follow(steps, top) {
  return steps.reduce((at, step) => at?.children[step], top);
}

function soon() {
  if (!waiting) waiting = setTimeout(() => { waiting = 0; refresh(); }, 150);
}

function connect() {
  const line = document.getElementById("live");
  let began = null;
  let gone = 0;
  let source;
  let retry;
  const open = () => {
    source = new EventSource("/live");
    source.addEventListener("hello", (event) => {
      const said = JSON.parse(event.data);
      if (gone || (began !== null && began !== said.began)) { line.textContent = root.dataset.liveBack; setTimeout(() => { line.textContent = ""; }, 4000); refresh(); }
      else if (began === null && root.dataset.changes !== String(said.changes)) refresh(); // while the page was on its way
      began = said.began;
      gone = 0;
    });
    source.addEventListener("change", soon);
    source.addEventListener("error", () => {
      source.close();
      if (!gone) gone = Date.now();
      if (Date.now() - gone >= 1500 || navigator.onLine === false) line.textContent = root.dataset.liveGone;
      clearTimeout(retry);
      retry = setTimeout(open, 2000);
    });
  };
  open();
  // A browser that slept has missed what happened: look again.
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { refresh(); if (source.readyState === EventSource.CLOSED) { clearTimeout(retry); open(); } } });
  addEventListener("pagehide", () => { clearTimeout(retry); source.close(); });
  addEventListener("pageshow", (event) => { if (event.persisted) { open(); refresh(); } });
}

// Answers by keyboard: y, n and u on the question that has the focus, or the first one.
function keys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea")) return;
    const answer = { y: "asked", n: "unasked", u: "unsure" }[event.key];
    const inbox = document.querySelector("[data-inbox]");
    if (!inbox) return;
    const all = [...inbox.querySelectorAll("[data-question]")];
    const at = all.findIndex((one) => one.contains(document.activeElement));
    if (answer) (all[Math.max(at, 0)]?.querySelector(`button[value="${answer}"]`))?.click();
    else if (event.key === "j" || event.key === "k") all[Math.min(all.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))]?.focus();
  });
  // Heard at the top: the box itself is another one after each refresh.
  document.addEventListener("change", ({ target: box }) => {
    if (box.matches("[data-all]")) for (const other of document.querySelectorAll(`input[form="${box.dataset.all}"][name=id]`)) other.checked = box.checked;
  });
}

localTimes(document);
if (tellZone()) refresh();
keys();
if (document.querySelector(".nav")) connect();

