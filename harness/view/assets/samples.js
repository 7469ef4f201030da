"use strict";
// keys walk through samples: along the rows of a list, or from page to page where links carry `data-key`
{
  const KEYS = { j: 1, ArrowDown: 1, ArrowRight: 1, k: -1, ArrowUp: -1, ArrowLeft: -1 };
  const rows = [...document.querySelectorAll("#table-samples tbody tr")];
  const say = text => { const place = document.getElementById("said"); if (place) place.textContent = text; };
  const follow = name => document.querySelector(`[data-key="${name}"]`)?.click();
  const here = () => rows.findIndex(row => row.contains(document.activeElement));
  const step = by => {
    if (!rows.length) {
      const link = document.querySelector(`[data-key="${by > 0 ? "j" : "k"}"]`);
      if (link) link.click(); else say(by > 0 ? "This is the last one." : "This is the first one.");
      return;
    }
    const at = here(), to = at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by;
    if (to < 0 || to >= rows.length) {
      const page = document.querySelector(`.pager a[rel="${by > 0 ? "next" : "prev"}"]`);
      if (page) page.click(); else say(by > 0 ? "This is the last row." : "This is the first row.");
      return;
    }
    rows.forEach((row, place) => row.toggleAttribute("aria-current", place === to));
    const link = rows[to].querySelector("a");
    link?.focus({ preventScroll: true });
    rows[to].scrollIntoView({ block: "nearest" });
    say(`Row ${to + 1} of ${rows.length}: ${[...rows[to].cells].slice(0, 6).map(cell => cell.textContent.trim()).join(", ")}`);
  };
  addEventListener("keydown", event => {
    const typing = event.target.closest?.("input, select, textarea, [contenteditable]");
    if (typing || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const sideways = event.key === "ArrowLeft" || event.key === "ArrowRight", upright = event.key.startsWith("Arrow") && !sideways;
    // arrows keep scrolling what they scroll: sideways in a list, up and down on a page of one sample, and what has focus
    if ((rows.length ? sideways : upright) || ((sideways || upright) && event.target.matches?.("pre, .scroll"))) return;
    if (event.key in KEYS) step(KEYS[event.key]);
    else if (event.key === "w" || event.key === "d") follow(event.key);
    else if (event.key === "?") {
      const keys = document.getElementById("keys");
      if (!keys) return;
      keys.open = !keys.open;
      keys.querySelector("summary").focus();
    } else return;
    event.preventDefault();
  });
}
