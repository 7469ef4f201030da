"use strict";
// two runs or models can be compared, not more and not fewer
for (const form of document.querySelectorAll("form.selecting")) {
  const boxes = [...form.querySelectorAll("input[type=checkbox]")], says = form.querySelector("[data-says=selected]");
  const what = boxes[0]?.name === "run" ? "runs" : "models";
  const look = () => {
    const n = boxes.filter(box => box.checked).length;
    form.querySelector("p button").disabled = n !== 2;
    says.textContent = n === 2 ? "" : n > 2 ? `${n} are selected: two can be compared` : n ? "select one more" : `select two ${what}`;
  };
  form.addEventListener("change", look);
  addEventListener("pageshow", look);
  look();
}
