"use strict";
// draws every chart of the page by its specification; expressions are interpreted, never evaluated as code
const dark = matchMedia("(prefers-color-scheme: dark)");
const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function theme() {
  const [text, mute, line] = ["--text", "--mute", "--line"].map(color);
  return {
    background: "transparent", font: getComputedStyle(document.body).fontFamily, view: { stroke: null },
    axis: { labelColor: text, titleColor: text, gridColor: line, domainColor: mute, tickColor: mute, labelLimit: 220 },
    legend: { labelColor: text, titleColor: text, orient: "top" }, title: { color: text }, text: { color: text }, rule: { color: mute },
  };
}
async function draw(figure) {
  const spec = JSON.parse(figure.querySelector("script").textContent);
  const made = await vegaEmbed(figure.querySelector(".drawing"), { width: "container", height: Number(figure.dataset.height) - 60, ...spec }, {
    mode: "vega-lite", ast: true, actions: false, renderer: "svg", config: theme(), tooltip: { theme: dark.matches ? "dark" : "light" },
  });
  made.view.addEventListener("click", (_, item) => { const to = item?.datum?.href; if (typeof to === "string" && to.startsWith("/")) location.assign(to); });
  figure.dataset.drawn = "yes";
}
const drawAll = () => document.querySelectorAll("figure.chart").forEach(draw);
dark.addEventListener("change", drawAll);
drawAll();
