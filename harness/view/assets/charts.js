"use strict";
// draws every chart of the page by its specification: expressions are interpreted, never evaluated as code, and no style is written into the page
const dark = matchMedia("(prefers-color-scheme: dark)");
const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// colours of parts and models that are too dark on a dark page
const LIGHTER = { "#0072B2": "#3d9be0", "#6A4C93": "#8a66c2", "#4B5D8C": "#8ea3d8", "#A63603": "#e0713c", "#D55E00": "#ee7a25" };
const views = new Map();

function theme() {
  const [text, mute, line] = ["--text", "--mute", "--line"].map(color);
  return {
    background: "transparent", font: getComputedStyle(document.body).fontFamily, view: { stroke: null },
    axis: { labelColor: text, titleColor: mute, titleFontWeight: "normal", gridColor: line, domainColor: mute, tickColor: mute, labelFontSize: 12, titleFontSize: 12 },
    legend: { labelColor: text, titleColor: text, orient: "top", labelFontSize: 12, labelLimit: 0, columns: { expr: "narrow ? 2 : 0" } },
    title: { color: text }, text: { color: text }, rule: { color: mute },
  };
}

// names beside points, where they hide nothing; all of them stand in the table and on hover
function withNames(compiled) {
  compiled.marks.push({
    type: "text", from: { data: "points_marks" }, interactive: false,
    encode: { enter: { text: { signal: "narrow ? datum.datum.narrow_name : datum.datum.name" }, fill: { value: color("--text") }, fontSize: { value: 11 } } },
    transform: [{ type: "label", size: { signal: "[max(1, width), max(1, height)]" }, anchor: ["right", "left", "top", "bottom", "top-right", "bottom-right", "top-left", "bottom-left"], offset: [5, 8, 14] }],
  });
  return compiled;
}

const tip = document.createElement("dl");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);
// every word of a tip is text
function showTip(_, event, item, shown) {
  tip.hidden = shown === null || typeof shown !== "object";
  if (tip.hidden) return;
  tip.replaceChildren(...Object.entries(shown).flatMap(([name, value]) => [["dt", name], ["dd", value]].map(([kind, text]) => {
    const made = document.createElement(kind);
    made.textContent = text;
    return made;
  })));
  const { clientX, clientY } = event.touches?.[0] ?? event, room = 14;
  const left = clientX + room + tip.offsetWidth > document.documentElement.clientWidth ? clientX - room - tip.offsetWidth : clientX + room;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${clientY + room + tip.offsetHeight > innerHeight ? Math.max(4, clientY - room - tip.offsetHeight) : clientY + room}px`;
}
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true, capture: true });

// colours as this page has them: of the page's own names, and of parts and models
function suited(key, value) {
  if (key === "color" && typeof value === "string" && value.startsWith("var(")) return color(value.slice(4, -1));
  return (dark.matches && LIGHTER[value]) || value;
}

async function draw(figure) {
  const place = figure.querySelector(".drawing"), height = Number(figure.dataset.height);
  const spec = JSON.parse(figure.querySelector("script").textContent, suited);
  place.style.minHeight = `${height}px`;
  views.get(figure)?.finalize();
  const made = await vegaEmbed(place, {
    width: "container", height, autosize: { type: "fit", contains: "padding" }, padding: 2, ...spec,
    params: [...(spec.params ?? []), { name: "narrow", value: place.clientWidth < 480 }],
  }, {
    mode: "vega-lite", ast: true, actions: false, defaultStyle: false, renderer: "svg", config: theme(), tooltip: showTip,
    ...(spec.usermeta?.names && { patch: withNames }),
  });
  views.set(figure, made);
  made.view.addEventListener("click", (_, item) => {
    const to = item?.datum?.href;
    // an address of the view, or a file of its static copy
    if (typeof to === "string" && /^(\/(?!\/)|[\w-]+\.html$)/.test(to)) location.assign(to);
  });
  figure.dataset.drawn = "yes";
}
// a chart without room, as in a closed part of the page, is drawn when it gets some, and again as wide as it becomes
const widths = new Map();
const room = new ResizeObserver(entries => {
  let isOtherWidth = false;
  for (const { target, contentRect: { width } } of entries) {
    const isDrawn = widths.has(target);
    if (!isDrawn && width) draw(target.closest("figure"));
    isOtherWidth ||= isDrawn && width > 0 && width !== widths.get(target);
    if (isDrawn || width) widths.set(target, width);
  }
  if (isOtherWidth) dispatchEvent(new Event("resize"));
});
document.querySelectorAll("figure.chart .drawing").forEach(place => room.observe(place));
dark.addEventListener("change", () => views.forEach((_, figure) => draw(figure)));
