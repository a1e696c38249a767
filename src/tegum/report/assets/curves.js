/** Levels of an axis that some cell of the present selection has; [null] without axis. */
function levelsShown(axis) {
  if (axis === null) return [null];
  const fixed = fixedAxes();
  const here = page.cells.filter((cell) => fixed.every((a) => cell.at[a] === state.at[a]));
  return page.axes[axis].labels.map((_, k) => k).filter((k) => here.some((cell) => cell.at[axis] === k));
}

function levelsOf(x, y, panel) {
  const levels = {};
  if (page.x !== null) levels[page.x] = x;
  if (page.y !== null && y !== null) levels[page.y] = y;
  if (page.panel !== null && panel !== null) levels[page.panel] = panel;
  return levels;
}

/** Every seed's number in a cell, minus its control's where changes are shown. */
function seedValues(k) {
  const cell = page.cells[k], values = seriesNow().seeds[k];
  const seeds = cell.seeds || page.seeds;
  if (state.mode !== "change") return seeds.map((seed, s) => [seed, values[s]]);
  const at = cell.at.slice();
  at[page.x] = page.control;
  const control = places.get(at.join(","));
  if (control === undefined) return [];
  const base = new Map();
  const others = page.cells[control].seeds || page.seeds;
  others.forEach((seed, s) => base.set(seed, seriesNow().seeds[control][s]));
  return seeds.map((seed, s) => {
    const pair = isNumber(values[s]) && isNumber(base.get(seed));
    return [seed, pair ? values[s] - base.get(seed) : null];
  });
}

function seedTrace(cells, colour, positions) {
  const paths = new Map();
  cells.forEach((k, at) => seedValues(k).forEach(([seed, value]) => {
    if (!paths.has(seed)) paths.set(seed, []);
    paths.get(seed).push([positions[at], placed(value) ? Number(value) : null]);
  }));
  const x = [], y = [];
  for (const path of paths.values()) {
    for (const [px, py] of path) { x.push(px); y.push(py); }
    x.push(null); y.push(null);
  }
  return { x, y, mode: "lines+markers", line: { color: faded(colour, 0.22), width: 1 }, marker: { size: 2.5, color: faded(colour, 0.3) }, hoverinfo: "skip", showlegend: false };
}

function bandTraces(cells, colour, positions, floor) {
  const { low, high } = summaryNow();
  const runs = [[]];
  cells.forEach((k, at) => {
    if (isNumber(low[k]) && isNumber(high[k])) runs[runs.length - 1].push([positions[at], placed(low[k]) ? Number(low[k]) : floor, placed(high[k]) ? Number(high[k]) : floor]);
    else runs.push([]);
  });
  return runs.filter((run) => run.length > 1).map((run) => ({
    x: [...run.map((p) => p[0]), ...run.map((p) => p[0]).reverse()],
    y: [...run.map((p) => p[2]), ...run.map((p) => p[1]).reverse()],
    fill: "toself", fillcolor: faded(colour, 0.2), mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false,
  }));
}

function medianTrace(cells, colour, positions, k) {
  const { median, low, high } = summaryNow();
  const value = cells.map((c) => (placed(median[c]) ? Number(median[c]) : null));
  const reach = (end, sign) => cells.map((c, at) => (placed(end[c]) && value[at] !== null ? sign * (Number(end[c]) - value[at]) : 0));
  return {
    x: positions, y: value, mode: "lines+markers", customdata: cells, hovertext: cells.map(hoverText), hoverinfo: "text",
    line: { color: colour, width: 2.2 }, marker: { color: colour, size: 8, symbol: SYMBOLS[k % SYMBOLS.length], line: { width: 1, color: css("--paper") } },
    error_y: { type: "data", symmetric: false, array: reach(high, 1), arrayminus: reach(low, -1), color: faded(colour, 0.75), thickness: 1.2, width: 3 },
    showlegend: false,
  };
}

/** Where a cell has no median: a cross for undefined, a ring for not measured. */
function gapTrace(cells, positions, floor) {
  const { median } = summaryNow();
  const gaps = cells.map((k, at) => [k, positions[at]]).filter(([k]) => !isNumber(median[k]));
  return {
    x: gaps.map(([, x]) => x), y: gaps.map(() => floor), mode: "markers", customdata: gaps.map(([k]) => k),
    hovertext: gaps.map(([k]) => hoverText(k)), hoverinfo: "text", showlegend: false,
    marker: { size: 9, color: css("--faint"), symbol: gaps.map(([k]) => (median[k] === null ? "circle-open" : "x-thin-open")), line: { width: 1.5 } },
  };
}

/** The range that holds everything drawn, the same for all panels. */
function sharedRange(lists) {
  const { low, high } = summaryNow();
  let least = Infinity, most = -Infinity;
  const take = (v) => { if (placed(v)) { least = Math.min(least, Number(v)); most = Math.max(most, Number(v)); } };
  lists.flat().forEach((k) => {
    take(low[k]); take(high[k]); take(summaryNow().median[k]);
    seedValues(k).forEach(([, value]) => take(value));
  });
  if (least > most) return isLog() ? [0.1, 1] : [0, 1];
  if (isLog()) {
    const grow = (most / least) ** 0.07 || 2;
    return [least / Math.max(grow, 1.1), most * Math.max(grow, 1.1)];
  }
  const pad = (most - least || Math.abs(most) || 1) * 0.07;
  return [least - pad, most + pad];
}

/** A place so far up a range, on the scale chosen. */
const between = ([low, high], share) => (isLog() ? low * (high / low) ** share : low + share * (high - low));

function panelFigure(parent, panel, height) {
  const chart = make("div", { className: "chart" });
  chart.style.height = `${height}px`;
  const axis = panel === null ? null : page.axes[page.panel];
  const caption = axis ? `${axis.name}: ${axis.labels[panel]}` : "";
  const figure = make("figure", {}, caption ? make("figcaption", {}, caption) : null, chart);
  figure.setAttribute("role", "group");
  figure.setAttribute("aria-label", `${numberOf(state.number).name} ${caption}; the table below holds the same numbers`);
  parent.append(figure);
  return chart;
}

function drawCurves() {
  byId("curves-block").hidden = page.x === null;
  if (page.x === null) return;
  const axis = page.axes[page.x];
  const lines = levelsShown(page.y), panels = levelsShown(page.panel);
  const colours = seriesColours(lines.length, page.y !== null && page.axes[page.y].numeric);
  const cells = panels.map((panel) => lines.map((line) => axis.labels.map((_, x) => cellAt(levelsOf(x, line, panel))).filter((k) => k !== undefined)));
  const range = sharedRange(cells.flat());
  const block = byId("curves");
  block.querySelectorAll(".chart").forEach((chart) => Plotly.purge(chart));
  block.replaceChildren();
  const name = numberOf(state.number).name + (state.mode === "change" ? `, change from ${axis.name} ${axis.labels[page.control]}` : "");
  byId("curves-title").textContent = `${name[0].toUpperCase()}${name.slice(1)} against ${axis.name}`;
  const charts = panels.map((panel) => panelFigure(block, panel, 360));
  panels.forEach((panel, p) => {
    const faint = [], bands = [], medians = [], gaps = [];
    lines.forEach((_, k) => {
      const at = cells[p][k].map((c) => axis.positions[page.cells[c].at[page.x]]);
      faint.push(seedTrace(cells[p][k], colours[k], at));
      bands.push(...bandTraces(cells[p][k], colours[k], at, range[0]));
      medians.push(medianTrace(cells[p][k], colours[k], at, k));
      gaps.push(gapTrace(cells[p][k], at, between(range, 0.02 + 0.03 * k)));
    });
    const unit = numberOf(state.number).unit;
    const title = { text: plain(`${numberOf(state.number).name}${state.mode === "change" ? ", change" : ""}`) + `<br><sub>${plain(unit)}</sub>`, standoff: 6 };
    const layout = { margin: { l: 62, r: 10, t: 8, b: 50 }, hovermode: "closest", xaxis: axisLayout(axis), yaxis: { title, type: isLog() ? "log" : "linear", range: isLog() ? range.map(Math.log10) : range.slice(), exponentformat: "power", zeroline: state.mode === "change", showline: true, ticks: "outside", ticklen: 4 } };
    const chart = charts[p];
    Plotly.newPlot(chart, [...faint, ...bands, ...medians, ...gaps], themed(layout), SETTINGS);
    chart.on("plotly_click", (event) => { const k = event.points[0].customdata; if (typeof k === "number") showCell(k); });
  });
  drawCurvesLegend(lines, colours, cells.flat(2));
}

const MARKS = {
  circle: "M15 3.5a3.5 3.5 0 1 0 .01 0z", square: "M11.5 3.5h7v7h-7z", diamond: "M15 2l5 5-5 5-5-5z", "triangle-up": "M15 2.5l4.5 8h-9z",
  cross: "M13.5 3h3v2.5H19v3h-2.5V11h-3V8.5H11v-3h2.5z", x: "M12 3l3 2.5L18 3l1 1-2.5 3L19 10l-1 1-3-2.5L12 11l-1-1 2.5-3L11 4z",
  star: "M15 2l1.5 3.5 4 .3-3 2.5 1 3.7-3.5-2-3.5 2 1-3.7-3-2.5 4-.3z", hexagon: "M12.5 3h5L20 7l-2.5 4h-5L10 7z",
};

function legendEntry(text, ...shapes) {
  const picture = makeSvg("svg", { viewBox: "0 0 30 14", "aria-hidden": "true" });
  shapes.forEach((shape) => picture.append(shape));
  return make("span", {}, picture, text);
}

function drawCurvesLegend(lines, colours, cells) {
  const legend = byId("curves-legend");
  legend.replaceChildren();
  if (page.y !== null) {
    legend.append(make("span", {}, `${page.axes[page.y].name}:`));
    lines.forEach((line, k) => legend.append(legendEntry(page.axes[page.y].labels[line],
      makeSvg("line", { x1: 0, x2: 30, y1: 7, y2: 7, stroke: colours[k], "stroke-width": 2 }),
      makeSvg("path", { d: MARKS[SYMBOLS[k % SYMBOLS.length]], fill: colours[k] }))));
  }
  const { median } = summaryNow();
  if (cells.some((k) => median[k] !== null && !isNumber(median[k]))) {
    legend.append(legendEntry("undefined", makeSvg("path", { d: "M11 3l8 8M19 3l-8 8", stroke: css("--faint"), "stroke-width": 1.5 })));
  }
  if (cells.some((k) => median[k] === null)) {
    legend.append(legendEntry("not measured", makeSvg("circle", { cx: 15, cy: 7, r: 4, fill: "none", stroke: css("--faint"), "stroke-width": 1.5 })));
  }
  byId("curves-note").textContent = `Thick: median over ${page.units}. Band and whiskers: where the median lies with 95 % confidence, for each cell alone (the verdicts rest on wider, simultaneous intervals); none is drawn where the ${page.units} are too few. Faint: single ${page.units}.` + (isLog() && cells.some((k) => isNumber(median[k]) && Number(median[k]) <= 0) ? " Values that are not above 0 have no place on a logarithmic scale: see the map or the table." : "");
}
