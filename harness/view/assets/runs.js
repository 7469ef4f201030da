"use strict";
// two runs can be compared, not more and not fewer
for (const form of document.querySelectorAll("form.selecting")) {
  const boxes = [...form.querySelectorAll("input[name=run]")], says = form.querySelector("[data-says=selected]");
  const look = () => {
    const n = boxes.filter(box => box.checked).length;
    form.querySelector("button").disabled = n !== 2;
    says.textContent = n === 2 ? "" : n > 2 ? `${n} are selected: two can be compared` : `select ${2 - n} ${n ? "more" : "runs"}`;
  };
  form.addEventListener("change", look);
  addEventListener("pageshow", look);
  look();
}
