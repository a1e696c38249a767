/** The cells of one panel of the map as rows of indices; undefined where there is none. */
function mapCells(panel, rows) {
  return rows.map((row) => page.axes[page.x].labels.map((_, x) => cellAt(levelsOf(x, row, panel))));
}

function mapRange(cells) {
  const { median } = summaryNow();
  const values = cells.filter((k) => k !== undefined && placed(median[k])).map((k) => Number(median[k]));
  if (!values.length) return null;
  const least = Math.min(...values), most = Math.max(...values);
  if (state.mode === "change") {
    const reach = Math.max(Math.abs(least), Math.abs(most)) || 1;
    return [-reach, reach];
  }
  if (isLog()) return least === most ? [least / 2, most * 2] : [least, most];
  return least === most ? [least - 0.5, most + 0.5] : [least, most];
}

/** Hatched cells for what has no value: a pattern each, never a colour of the scale. */
function hatched(grid, wanted, shape) {
  const found = [];
  grid.forEach((row, y) => row.forEach((k, x) => { if (k !== undefined && wanted(k)) found.push([x, y, k]); }));
  return {
    type: "bar", x: found.map((f) => f[0]), base: found.map((f) => f[1] - 0.5), y: found.map(() => 1), width: 1,
    customdata: found.map((f) => f[2]), hovertext: found.map((f) => hoverText(f[2])), hoverinfo: "text", showlegend: false,
    marker: { color: css("--soft"), line: { width: 1, color: css("--line") }, pattern: { shape, fgcolor: css("--faint"), bgcolor: css("--soft"), size: 7, solidity: 0.25 } },
  };
}

function unsettledTrace(grid) {
  const found = [];
  grid.forEach((row, y) => row.forEach((k, x) => { if (k !== undefined && page.cells[k].unsettled) found.push([x, y]); }));
  return {
    x: found.map((f) => f[0] + 0.36), y: found.map((f) => f[1] + 0.3), mode: "markers", hoverinfo: "skip", showlegend: false,
    marker: { symbol: "triangle-up", size: 8, color: "#ffffff", line: { width: 1.5, color: "#1b1f24" } },
  };
}

function chosenShape(grid) {
  for (let y = 0; y < grid.length; y += 1) {
    for (let x = 0; x < grid[y].length; x += 1) {
      if (state.cell !== null && grid[y][x] === state.cell) {
        const frame = { type: "rect", x0: x - 0.47, x1: x + 0.47, y0: y - 0.46, y1: y + 0.46 };
        return [{ ...frame, line: { color: "#000000", width: 5 } }, { ...frame, line: { color: "#ffffff", width: 2 } }];
      }
    }
  }
  return [];
}

function drawMap() {
  byId("map-block").hidden = page.x === null;
  if (page.x === null) return;
  const panels = levelsShown(page.panel), rows = levelsShown(page.y);
  const grids = panels.map((panel) => mapCells(panel, rows));
  const range = mapRange(grids.flat(2));
  const scale = state.mode === "change" ? diverging() : CIVIDIS;
  const block = byId("map");
  block.querySelectorAll(".chart").forEach((chart) => Plotly.purge(chart));
  block.replaceChildren();
  const axis = page.axes[page.x], other = page.y === null ? null : page.axes[page.y];
  const name = numberOf(state.number).name + (state.mode === "change" ? `, change from ${axis.name} ${axis.labels[page.control]}` : "");
  byId("map-title").textContent = `Map: ${name}${other ? ` over ${other.name} and ${axis.name}` : ` over ${axis.name}`}`;
  const height = Math.max(170, 90 + 44 * rows.length);
  const charts = panels.map((panel) => panelFigure(block, panel, height));
  panels.forEach((panel, p) => drawMapPanel(charts[p], panel, grids[p], rows, range, scale));
  drawMapLegend(range, scale, grids.flat(2));
}

function drawMapPanel(chart, panel, grid, rows, range, scale) {
  const axis = page.axes[page.x], other = page.y === null ? null : page.axes[page.y];
  const { median } = summaryNow();
  const value = (k) => (k !== undefined && isNumber(median[k]) ? Number(median[k]) : null);
  const shade = (v) => (v === null || !isLog() ? v : Math.log10(Math.max(v, range[0])));
  const [zmin, zmax] = range ? range.map((end) => (isLog() ? Math.log10(end) : end)) : [0, 1];
  const crowded = axis.labels.length > (isNarrow() ? 8 : 12);
  const heat = {
    type: "heatmap", x: axis.labels.map((_, k) => k), y: rows.map((_, k) => k), z: grid.map((row) => row.map((k) => (range ? shade(value(k)) : value(k)))),
    text: grid.map((row) => row.map((k) => (value(k) === null ? "" : written(median[k], 3)))), texttemplate: crowded ? "" : "%{text}", textfont: { size: isNarrow() ? 9 : 11 },
    hovertext: grid.map((row) => row.map((k) => (k === undefined ? "" : hoverText(k)))), hoverinfo: "text", hoverongaps: false,
    colorscale: plotlyScale(scale), zmin, zmax, showscale: false, xgap: 1, ygap: 1,
  };
  const traces = [
    heat,
    hatched(grid, (k) => median[k] !== null && !isNumber(median[k]), "/"),
    hatched(grid, (k) => median[k] === null, "."),
    unsettledTrace(grid),
  ];
  const yaxis = other
    ? Object.assign(stepLayout(other, "y"), { tickvals: rows.map((_, k) => k), ticktext: rows.map((row) => plain(other.ticks[row])), range: [-0.5, rows.length - 0.5] })
    : { visible: false, range: [-0.5, 0.5] };
  const layout = { margin: { l: 50, r: 10, t: 8, b: 50 }, xaxis: stepLayout(axis, "x"), yaxis, bargap: 0, shapes: chosenShape(grid) };
  chart.dataset.panel = String(panel);
  Plotly.newPlot(chart, traces, themed(layout), QUIET);
  chart.on("plotly_click", (event) => {
    const point = event.points[0];
    const k = typeof point.customdata === "number" ? point.customdata : grid[Math.round(point.y)][Math.round(point.x)];
    if (k !== undefined) showCell(k);
  });
}

function drawMapLegend(range, scale, cells) {
  const legend = byId("map-legend");
  legend.replaceChildren();
  const { median } = summaryNow();
  const unit = numberOf(state.number).unit;
  if (range) {
    const ramp = make("i", { className: "ramp", ariaHidden: "true" });
    ramp.style.background = `linear-gradient(to right, ${scale.join(",")})`;
    legend.append(make("span", {}, written(range[0], 3), ramp, written(range[1], 3)), make("span", {}, `median over ${page.units}${unit ? `, ${unit}` : ""}${isLog() ? ", logarithmic colours" : ""}`));
  }
  const swatch = (pattern) => {
    const lines = pattern === "/" ? "M2 14L12 0M9 14L19 0M16 14L26 0" : "M6 4h1M13 4h1M20 4h1M6 10h1M13 10h1M20 10h1";
    return [makeSvg("rect", { x: 1, y: 0.5, width: 26, height: 13, fill: css("--soft"), stroke: css("--line") }), makeSvg("path", { d: lines, stroke: css("--faint"), "stroke-width": 1.5, fill: "none" })];
  };
  const here = cells.filter((k) => k !== undefined);
  if (here.some((k) => median[k] !== null && !isNumber(median[k]))) legend.append(legendEntry("undefined", ...swatch("/")));
  if (here.some((k) => median[k] === null)) legend.append(legendEntry("not measured", ...swatch(".")));
  if (cells.length !== here.length) legend.append(legendEntry("not in the design", makeSvg("rect", { x: 1, y: 0.5, width: 26, height: 13, fill: "none", stroke: css("--line"), "stroke-dasharray": "3 2" })));
  if (here.some((k) => page.cells[k].unsettled)) {
    legend.append(legendEntry("misses the convergence law", makeSvg("path", { d: "M15 2l6 10h-12z", fill: "#fff", stroke: "#1b1f24", "stroke-width": 1.5 })));
  }
  byId("map-note").textContent = `Levels stand at equal steps. Hover for intervals and lost ${page.units}; click a cell for its models.`;
}
