"use strict";
// tables whose rows are all here are sorted here
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => head.querySelector("button")?.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach(other => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const number = head.classList.contains("n"), body = table.tBodies[0];
    const key = row => number ? row.cells[place].dataset.key ?? "" : row.cells[place].textContent;
    body.append(...[...body.rows].sort((left, right) => {
      const a = key(left), b = key(right);
      if (a === "" || b === "") return (a === "") - (b === "");
      return (up ? 1 : -1) * (number ? Number(a) - Number(b) : a.localeCompare(b));
    }));
  }));
}
// a choice in a filter goes there at once; without a script its button does
for (const form of document.querySelectorAll("form.filter")) {
  form.addEventListener("change", event => event.target.matches("select, input[type=checkbox]:not([data-waits])") && form.requestSubmit());
  // empty fields are left out of the address
  form.addEventListener("submit", () => form.querySelectorAll("input, select").forEach(field => { if (field.value === "") field.disabled = true; }));
}
addEventListener("pageshow", () => document.querySelectorAll("form.filter :disabled").forEach(field => { field.disabled = false; }));
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(part => { part.open = true; }));
