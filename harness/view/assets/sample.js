"use strict";
// texts are copied as they are shown
for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
// an address of an attempt opens it
const opened = () => { const part = document.getElementById(location.hash.slice(1)); if (part?.tagName === "DETAILS") { part.open = true; part.scrollIntoView(); } };
addEventListener("hashchange", opened);
opened();
