function drawControls() {
  const controls = byId("controls");
  controls.replaceChildren();
  controls.append(selector("number", page.numbers.map((n) => [n.id, n.name]), state.number, (id) => { state.number = id; drawExplore(); }));
  if (page.x !== null && page.axes[page.x].labels.length > 1) {
    const from = `change from ${page.axes[page.x].name} ${page.axes[page.x].labels[page.control]}, paired by ${page.unit}`;
    controls.append(selector("show", [["value", "the number itself"], ["change", from]], state.mode, (mode) => { state.mode = mode; drawExplore(); }));
  }
  if (state.mode === "value") {
    controls.append(selector("scale", [["linear", "linear"], ["log", "logarithmic"]], state.scale, (scale) => { state.scale = scale; drawExplore(); }));
  }
  const fixed = fixedAxes();
  fixed.forEach((axis) => {
    const options = page.axes[axis].labels.map((label, k) => [k, label]);
    controls.append(selector(page.axes[axis].name, options, state.at[axis], (level) => {
      state.at[axis] = Number(level);
      snap(axis, fixed);
      drawExplore();
    }));
  });
}

function drawCellControls() {
  const controls = byId("cell-controls");
  controls.replaceChildren();
  const every = page.axes.map((_, k) => k);
  const at = state.cell === null ? state.at : page.cells[state.cell].at;
  page.axes.forEach((axis, a) => {
    controls.append(selector(axis.name, axis.labels.map((label, k) => [k, label]), at[a], (level) => {
      state.at = at.slice();
      state.at[a] = Number(level);
      snap(a, every);
      showCell(places.get(state.at.join(",")), false);
    }));
  });
  if (state.cell === null) {
    const open = make("button", { type: "button" }, "Show this cell");
    open.addEventListener("click", () => { snap(0, every); showCell(places.get(state.at.join(",")) ?? 0, false); });
    controls.append(open);
  }
}

function drawExplore() {
  drawControls();
  const number = numberOf(state.number);
  byId("meaning").textContent = [number.meaning, number.unit ? `${number.unit[0].toUpperCase()}${number.unit.slice(1)}.` : "", number.undefined && number.undefined !== "never" ? `Undefined when ${number.undefined}.` : ""].filter(Boolean).join(" ");
  drawCurves();
  drawMap();
  if (byId("numbers-table").open) drawTable();
}

/** Every cell of the number shown, for those who read rather than look. */
function drawTable() {
  const summary = summaryNow(), series = seriesNow();
  const head = make("tr", {}, ...[...page.axes.map((axis) => axis.name), "median", "95 % interval", page.units, "diverged", "undefined", "not measured"].map((text) => make("th", { scope: "col" }, text)));
  const body = make("tbody", {});
  page.cells.forEach((cell, k) => {
    const known = isNumber(summary.low[k]) && isNumber(summary.high[k]);
    const interval = known ? `[${written(summary.low[k])}, ${written(summary.high[k])}]` : "none";
    const texts = [...page.axes.map((axis, a) => axis.labels[cell.at[a]]), written(summary.median[k]), interval, cell.n, cell.diverged || 0, series.undefined[k], series.missing[k]];
    body.append(make("tr", {}, ...texts.map((text) => make("td", {}, String(text)))));
  });
  const caption = `${numberOf(state.number).name}${state.mode === "change" ? `, change paired by ${page.unit}` : ""}: every cell of the design`;
  byId("numbers-table").querySelector(".scroll").replaceChildren(make("table", {}, make("caption", {}, caption), make("thead", {}, head), body));
}

function drawPicture() {
  if (!page.picture) return;
  byId("picture").hidden = false;
  const { data, layout } = page.picture;
  Plotly.react(byId("headline"), data, themed(layout), SETTINGS);
}

/** The further figures, each in its place and in the page's colours. */
function drawFigures() {
  document.querySelectorAll(".drawing").forEach((node) => {
    const { data, layout, frames } = page.figures[Number(node.dataset.figure)];
    const shown = themed(layout, scenesOf(data));
    delete shown.width;
    const config = Object.assign({}, SETTINGS, { toImageButtonOptions: { format: "svg", filename: node.dataset.name } });
    Plotly.react(node, { data, layout: shown, frames, config });
  });
}

function drawAll() {
  byId("theme").textContent = isDark() ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
  drawPicture();
  drawFigures();
  drawExplore();
  if (!byId("models").hidden) drawPanel();
}

/** Paper is white: print in light colours, then go back. */
function onPrint() {
  let chosen;
  addEventListener("beforeprint", () => {
    chosen = document.documentElement.dataset.theme;
    if (isDark()) { document.documentElement.dataset.theme = "light"; drawAll(); }
  });
  addEventListener("afterprint", () => {
    if (chosen === document.documentElement.dataset.theme) return;
    if (chosen) document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
    drawAll();
  });
}

function start() {
  byId("explore").hidden = !page.cells.length;
  const some = Object.values(page.models).some((model) => model.W || model.loss);
  byId("models").hidden = !some;
  const usual = page.cells.find((cell) => page.start.every(([axis, level]) => cell.at[axis] === level));
  if (usual) state.at = usual.at.slice();
  byId("theme").addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; drawAll(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  byId("numbers-table").addEventListener("toggle", () => { if (byId("numbers-table").open) drawTable(); });
  onPrint();
  let narrow = isNarrow();
  addEventListener("resize", () => { if (isNarrow() !== narrow) { narrow = isNarrow(); drawAll(); } });
  drawAll();
}

start();
