"use strict";
const page = JSON.parse(document.getElementById("page-model").textContent);
const byId = (id) => document.getElementById(id);
const places = new Map(page.cells.map((cell, k) => [cell.at.join(","), k]));
const OKABE_ITO = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"];
const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon"];
const SETTINGS = { responsive: true, displaylogo: false, modeBarButtons: [["toImage"]], scrollZoom: false };
const QUIET = { responsive: true, displayModeBar: false, scrollZoom: false };
const SOLID = new Set(["scatter3d", "surface", "mesh3d", "cone", "streamtube", "volume", "isosurface"]);
const state = { number: page.first, mode: "value", scale: "linear", at: page.axes.map(() => 0), cell: null };

/** A node with properties and children; text is always text. */
function make(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined) continue;
    if (key in node && key !== "style") node[key] = value;
    else node.setAttribute(key, value);
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

function makeSvg(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Text that plotly must not read as markup. */
const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/** null: not measured. "NaN": undefined. Anything else: a number. */
const isNumber = (value) => value !== null && value !== undefined && Number.isFinite(Number(value));

function written(value, digits = 4) {
  if (value === null || value === undefined) return "not measured";
  const number = Number(value);
  if (Number.isNaN(number)) return "undefined";
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
  const tiny = number !== 0 && Math.abs(number) < 1e-3;
  const text = tiny ? number.toExponential(digits - 1).replace(/\.?0*e/, "e") : String(Number(number.toPrecision(digits)));
  return text.replace(/-/g, "−");
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isDark = () => document.documentElement.dataset.theme
  ? document.documentElement.dataset.theme === "dark"
  : matchMedia("(prefers-color-scheme: dark)").matches;
const isNarrow = () => innerWidth < 640;

function mixed(scale, share) {
  const place = Math.min(Math.max(share, 0), 1) * (scale.length - 1);
  const k = Math.min(Math.floor(place), scale.length - 2);
  const part = (hex, c) => parseInt(hex.slice(1 + 2 * c, 3 + 2 * c), 16);
  const channel = (c) => Math.round(part(scale[k], c) + (place - k) * (part(scale[k + 1], c) - part(scale[k], c)));
  return "#" + [0, 1, 2].map((c) => channel(c).toString(16).padStart(2, "0")).join("");
}

/** A colour for each series: along viridis where levels have an order. */
function seriesColours(count, ordered) {
  if (count === 1) return [isDark() ? "#56B4E9" : "#0072B2"];
  if (!ordered && count <= OKABE_ITO.length) return OKABE_ITO.slice(0, count);
  const [from, to] = isDark() ? [0.3, 1] : [0, 0.8];
  return Array.from({ length: count }, (_, k) => mixed(VIRIDIS, from + ((to - from) * k) / (count - 1)));
}

const diverging = () => (isDark() ? ["#5aa9e6", "#1d2229", "#f28e4f"] : ["#2166ac", "#f7f7f7", "#b2182b"]);
const plotlyScale = (scale) => scale.map((colour, k) => [k / (scale.length - 1), colour]);
const faded = (hex, alpha) => `rgba(${[1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)).join(",")},${alpha})`;

/** A three-dimensional subplot in the page's colours, turned by hand. */
function themedScene(scene, lines) {
  const out = Object.assign({}, scene, { bgcolor: "rgba(0,0,0,0)", dragmode: scene.dragmode || "orbit" });
  for (const key of ["xaxis", "yaxis", "zaxis"]) out[key] = Object.assign({}, scene[key], lines, { backgroundcolor: "rgba(0,0,0,0)" });
  return out;
}

/** The names of the subplots in three dimensions. */
const scenesOf = (data) => new Set(data.filter((trace) => SOLID.has(trace.type)).map((trace) => trace.scene || "scene"));

/** A layout in the page's own colours. */
function themed(layout, scenes = []) {
  const out = Object.assign({}, layout);
  out.paper_bgcolor = "rgba(0,0,0,0)";
  out.plot_bgcolor = "rgba(0,0,0,0)";
  out.font = Object.assign({}, layout.font, { color: css("--ink"), family: "system-ui, sans-serif" });
  out.hoverlabel = Object.assign({ align: "left" }, layout.hoverlabel, {
    bgcolor: css("--soft"), bordercolor: css("--line"), font: { color: css("--ink"), size: 12 },
  });
  const lines = { gridcolor: css("--grid"), linecolor: css("--faint"), zerolinecolor: css("--line"), tickcolor: css("--faint") };
  for (const key of new Set([...Object.keys(layout), "xaxis", "yaxis"])) {
    if (/^[xy]axis\d*$/.test(key)) out[key] = Object.assign({ automargin: true }, layout[key], lines);
  }
  for (const key of scenes) out[key] = themedScene(layout[key] || {}, lines);
  out.legend = Object.assign({}, layout.legend, { bgcolor: "rgba(0,0,0,0)" });
  out.dragmode = false;
  out.modebar = { bgcolor: "rgba(0,0,0,0)", color: css("--faint"), activecolor: css("--ink") };
  return out;
}

/** How an axis is drawn along x: true to scale, every level a tick. */
function axisLayout(axis) {
  return { title: { text: plain(axis.title), standoff: 8 }, tickvals: axis.positions, ticktext: axis.ticks.map(plain), showline: true, ticks: "outside", ticklen: 4, zeroline: false };
}

/** The same with levels at equal steps, as a map shows them. */
function stepLayout(axis, side) {
  const count = axis.labels.length;
  const title = { text: plain(side === "y" ? axis.name : axis.title), standoff: 8 };
  return { title, tickvals: axis.labels.map((_, k) => k), ticktext: axis.ticks.map(plain), range: [-0.5, count - 0.5], showgrid: false, zeroline: false, ticks: "outside", ticklen: 4 };
}

const fixedAxes = () => page.axes.map((_, k) => k).filter((k) => k !== page.x && k !== page.y && k !== page.panel);
const numberOf = (id) => page.numbers.find((number) => number.id === id);
const seriesNow = () => page.series[state.number];
const summaryNow = () => seriesNow()[state.mode] || seriesNow().value;

const isLog = () => state.scale === "log" && state.mode === "value";
/** Whether a value has a place on the scale chosen. */
const placed = (value) => isNumber(value) && (!isLog() || Number(value) > 0);

/** The cell at some levels, the rest as selected; undefined where the design has none. */
function cellAt(levels) {
  const at = state.at.slice();
  for (const [axis, level] of Object.entries(levels)) at[axis] = level;
  return places.get(at.join(","));
}

/** After a selector moved, go to the nearest combination that the design holds. */
function snap(axis, axes) {
  const agree = (cell) => axes.reduce((sum, a) => sum + (cell.at[a] === state.at[a]), 0);
  const kept = page.cells.filter((cell) => cell.at[axis] === state.at[axis]);
  if (!kept.length) return;
  const nearest = kept.reduce((best, cell) => (agree(cell) > agree(best) ? cell : best));
  for (const a of axes) state.at[a] = nearest.at[a];
}

function cellName(k) {
  return page.axes.map((axis, a) => `${axis.name}: ${axis.labels[page.cells[k].at[a]]}`);
}

/** What a cell holds of the number shown, line by line. */
function cellText(k) {
  const cell = page.cells[k], summary = summaryNow(), series = seriesNow();
  const low = summary.low[k], high = summary.high[k];
  const lines = cellName(k);
  const what = state.mode === "change" ? `change of ${numberOf(state.number).name}` : numberOf(state.number).name;
  lines.push(`${what}: ${isNumber(summary.median[k]) ? "median " : ""}${written(summary.median[k])}`);
  if (isNumber(summary.median[k])) {
    lines.push(isNumber(low) && isNumber(high)
      ? `95 % interval, this cell alone: [${written(low)}, ${written(high)}]`
      : `too few ${page.units} for an interval`);
  }
  const lost = [];
  if (cell.diverged) lost.push(`${cell.diverged} diverged`);
  if (series.undefined[k]) lost.push(`${series.undefined[k]} undefined`);
  if (series.missing[k]) lost.push(`${series.missing[k]} not measured`);
  lines.push([`${cell.n} ${cell.n === 1 ? page.unit : page.units}`, ...lost].join(", "));
  if (cell.unsettled) lines.push("misses the convergence law");
  return lines;
}

const hoverText = (k) => cellText(k).map(plain).join("<br>");

/** A labelled selector. */
function selector(label, options, value, choose) {
  const select = make("select", { name: label });
  options.forEach(([key, text]) => select.append(make("option", { value: String(key) }, text)));
  select.value = String(value);
  select.addEventListener("change", () => choose(select.value));
  return make("label", {}, label, select);
}
