"use strict";
// keeps the live part of a run's page up to date; a page that nobody sees lets its connection go
const part = document.querySelector("section[data-live]");
const place = (kind, name) => part.querySelector(`[data-${kind}="${name}"]`);
const write = (node, text) => { if (node && node.textContent !== text) node.textContent = text; };

const cells = {
  models: (row, at) => [row[at], at > 1 ? "n" : ""],
  tasks: (row, at) => [row[at], at > 2 ? "n" : ""],
  failures: (row, at) => [row[at], ""],
};
function fill(name, rows) {
  const body = part.querySelector(`table[data-rows="${name}"]`).tBodies[0];
  const width = row => name === "failures" ? row.length - 1 : row.length;
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((row, number) => {
    const line = body.rows[number] ?? body.insertRow();
    for (let at = 0; at < width(row); at += 1) {
      const cell = line.cells[at] ?? line.insertCell(), [text, kind] = cells[name](row, at);
      if (kind) cell.className = kind;
      if (name === "tasks" && at === row.length - 1) progress(cell, row);
      else if (name === "failures" && at === 2 && row.at(-1)) link(cell, text, row.at(-1));
      else write(cell, text);
    }
  });
}
function progress(cell, row) {
  const [done, all] = row.at(-1).split("/").map(Number);
  let bar = cell.querySelector("progress");
  if (!bar) { bar = document.createElement("progress"); cell.replaceChildren(bar); }
  bar.setAttribute("aria-label", `${row[2]} on ${row[0]}`);
  bar.max = all || 1;
  bar.value = done;
}
function link(cell, text, address) {
  let to = cell.querySelector("a");
  if (!to) { to = document.createElement("a"); cell.replaceChildren(to); }
  if (to.getAttribute("href") !== address) to.setAttribute("href", address);
  write(to, text);
}
function show(words) {
  const status = place("says", "status");
  write(status, words.status);
  status.className = `mark ${words.mark}`.trim();
  write(place("says", "as_of"), words.as_of);
  write(place("says", "connection"), "");
  for (const [name, [text, below]] of Object.entries(words.figures)) {
    write(place("figure", name), text);
    write(place("below", name), below);
  }
  for (const name of ["models", "tasks", "failures"]) fill(name, words[name]);
}

let events = null, hasEnded = false;
function watch() {
  if (events || hasEnded) return;
  events = new EventSource(part.dataset.live);
  events.addEventListener("state", event => show(JSON.parse(event.data)));
  events.addEventListener("problem", event => write(place("says", "connection"), ` · ${JSON.parse(event.data).problem}`));
  events.addEventListener("end", event => { show(JSON.parse(event.data)); end(); });
  events.addEventListener("error", () => {
    const isRefused = events?.readyState === EventSource.CLOSED;  // by an answer, after which a browser does not ask again
    write(place("says", "connection"), isRefused ? " · not connected, load this page again" : " · not connected, trying again");
    if (isRefused) leave();
  });
}
function leave() { events?.close(); events = null; }
const LEAVES_TIME_MS = 5000;
function end() {
  hasEnded = true;
  leave();
  part.querySelector(".live-ended").hidden = false;
  // the report takes this part's place, unless somebody is reading here
  const reload = setTimeout(() => location.reload(), LEAVES_TIME_MS);
  for (const kind of ["pointerdown", "keydown", "wheel"]) addEventListener(kind, () => clearTimeout(reload), { once: true, passive: true });
}
document.addEventListener("visibilitychange", () => { if (document.hidden) leave(); else watch(); });
addEventListener("pagehide", leave);
addEventListener("pageshow", watch);
if (!document.hidden) watch();
