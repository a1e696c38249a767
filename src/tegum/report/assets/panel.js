/** A matrix from 16-bit fixed point: rows of numbers. */
function unpacked(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const [rows, columns] = packed.shape;
  return Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => view.getInt16(2 * (r * columns + c), true) * packed.step));
}

/** What reads out along feature i of feature j: the decoder's columns times the encoder's. */
function readOut(decoder, W) {
  const n = W[0].length;
  return Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => W.reduce((sum, row, k) => sum + decoder[k][i] * row[j], 0)));
}

const reachOf = (model) => (model.W ? (model.decoder ? Math.max(...readOut(unpacked(model.decoder), unpacked(model.W)).flat().map(Math.abs)) : Math.max(...norms(unpacked(model.W))) ** 2) : 0);

const norms = (W) => W[0].map((_, i) => Math.sqrt(W.reduce((sum, row) => sum + row[i] * row[i], 0)));

function chartIn(parent, caption, label, height) {
  const chart = make("div", { className: "chart" });
  chart.style.height = `${height}px`;
  const figure = make("figure", {}, make("figcaption", {}, caption), chart);
  figure.setAttribute("role", "group");
  figure.setAttribute("aria-label", label);
  parent.append(figure);
  return chart;
}

function drawGram(parent, W, decoder, reach) {
  const products = readOut(decoder || W, W), n = products.length;
  const [caption, label] = decoder
    ? ["DᵀW, decoder times encoder: how feature j reads out along feature i", "Heat map of decoder transpose times encoder"]
    : ["WᵀW: how feature j reads out along feature i; the diagonal is ‖Wᵢ‖²", "Heat map of W transpose W"];
  const chart = chartIn(parent, caption, label, isNarrow() ? 300 : 360);
  const axis = (name) => ({ title: { text: name, standoff: 4 }, constrain: "domain", showgrid: false, zeroline: false, ticks: "outside", dtick: n <= 10 ? 1 : undefined });
  const layout = { margin: { l: 45, r: 5, t: 8, b: 42 }, xaxis: axis("feature j"), yaxis: Object.assign(axis("feature i"), { autorange: "reversed", scaleanchor: "x" }) };
  Plotly.newPlot(chart, [{
    type: "heatmap", z: products, zmin: -reach, zmax: reach, colorscale: plotlyScale(diverging()), xgap: n <= 30 ? 1 : 0, ygap: n <= 30 ? 1 : 0,
    hovertemplate: "feature %{y} · feature %{x}: %{z:.3f}<extra></extra>", colorbar: { thickness: 10, len: 0.9, tickfont: { size: 10 } },
  }], themed(layout), QUIET);
}

function drawNorms(parent, W, polysemanticity, tallest) {
  const lengths = norms(W);
  const shade = polysemanticity.map((v) => (isNumber(v) ? Number(v) : null));
  const chart = chartIn(parent, "Feature norms ‖Wᵢ‖, coloured by polysemanticity √Σⱼ≠ᵢ(Ŵᵢ·Wⱼ)²", "Bars of feature norms", 260);
  const layout = { margin: { l: 58, r: 5, t: 8, b: 42 }, bargap: 0.15, xaxis: { title: { text: "feature i", standoff: 4 }, zeroline: false, dtick: lengths.length <= 10 ? 1 : undefined }, yaxis: { title: { text: "norm (weight)", standoff: 4 }, range: [0, tallest * 1.06], zeroline: false } };
  Plotly.newPlot(chart, [{
    type: "bar", x: lengths.map((_, i) => i), y: lengths,
    customdata: shade.map((v) => (v === null ? "undefined" : written(v, 3))), hovertemplate: "feature %{x}<br>norm %{y:.3f}<br>polysemanticity %{customdata}<extra></extra>",
    marker: { color: shade.map((v) => (v === null ? 0 : v)), colorscale: plotlyScale(CIVIDIS), cmin: 0, cmax: Math.max(1, ...shade.map((v) => v || 0)), colorbar: { thickness: 10, len: 0.95, tickfont: { size: 10 }, title: { text: "poly-<br>semanticity", font: { size: 10 } } }, line: { width: 1, color: css("--faint") }, pattern: { shape: shade.map((v) => (v === null ? "/" : "")) } },
  }], themed(layout), QUIET);
}

/** Points turned about two axes; depth is the third coordinate. */
function turned(points, yaw, pitch) {
  const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  return points.map(([x, y, z]) => {
    const [u, w] = [cy * x + sy * z, -sy * x + cy * z];
    return [u, cp * y - sp * w, sp * y + cp * w];
  });
}

/** Points turned within their plane. */
function turnedInPlane(points, angle) {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return points.map(([x, y]) => [c * x - s * y, s * x + c * y, 0]);
}

function directionsCaption(hidden, share) {
  if (hidden === 1) return "Feature directions Wᵢ on the line of the one hidden unit";
  if (hidden === 2) return "Feature directions Wᵢ in the plane of the two hidden units; drag sideways, or use the arrow keys, to turn it";
  if (hidden === 3) return "Feature directions Wᵢ in the space of the three hidden units; drag, or use the arrow keys, to turn it";
  return `Feature directions, projected from ${hidden} dimensions onto their two leading principal directions, which hold ${Math.round(100 * share)} % of ‖W‖²`;
}

function arrowHead(x, y, colour) {
  const length = Math.hypot(x, y);
  if (length < 7) return makeSvg("circle", { cx: x, cy: y, r: 2.5, fill: colour });
  const [u, v] = [x / length, y / length];
  const corners = [[x + 3 * u, y + 3 * v], [x - 6 * u - 4 * v, y - 6 * v + 4 * u], [x - 6 * u + 4 * v, y - 6 * v - 4 * u]];
  return makeSvg("path", { d: `M${corners.map((c) => c.map((p) => p.toFixed(2)).join(" ")).join("L")}Z`, fill: colour });
}

function drawDirections(parent, model, hidden) {
  const rows = unpacked(model.directions), turns = hidden === 2 || hidden === 3;
  const points = rows[0].map((_, i) => [rows[0][i], rows[1] ? rows[1][i] : 0, rows[2] ? rows[2][i] : 0]);
  const reach = Math.max(1e-9, ...points.map((p) => Math.hypot(...p))) * 1.12;
  const colours = seriesColours(points.length, true);
  const svg = makeSvg("svg", { class: turns ? "directions turns" : "directions", viewBox: "-110 -110 220 220", role: "img", "aria-label": directionsCaption(hidden, model.share) });
  if (turns) svg.setAttribute("tabindex", "0");
  const view = hidden === 3 ? { yaw: 0.6, pitch: 0.4 } : { yaw: 0, pitch: 0 };
  const turn = (all) => (!turns ? all : hidden === 3 ? turned(all, view.yaw, view.pitch) : turnedInPlane(all, -view.yaw));
  const draw = () => {
    svg.replaceChildren();
    const scale = 100 / reach, axes = [[reach, 0, 0], [0, reach, 0], [0, 0, reach]].slice(0, Math.min(Math.max(rows.length, 2), 3));
    const [tips, ends] = [turn(points), turn(axes)];
    ends.forEach(([x, y], k) => {
      svg.append(makeSvg("line", { class: "axis", x1: -x * scale, y1: y * scale, x2: x * scale, y2: -y * scale }));
      const name = hidden > 3 ? `PC ${k + 1}` : hidden === 1 && k === 1 ? "" : `unit ${k}`;
      svg.append(makeSvg("text", { x: x * scale * 0.98 + (k ? 3 : -24), y: -y * scale * 0.98 + (k ? 8 : -4), opacity: 0.65 }, name));
    });
    tips.map((tip, i) => [tip, i]).sort((a, b) => a[0][2] - b[0][2]).forEach(([[x, y, z], i]) => {
      const opacity = hidden === 3 ? 0.55 + (0.45 * (z / reach + 1)) / 2 : 1;
      const [px, py, length] = [x * scale, -y * scale, Math.hypot(x, y) * scale];
      const node = makeSvg("g", { opacity });
      node.append(makeSvg("title", {}, `feature ${i}, norm ${written(Math.hypot(...points[i]), 3)}`));
      node.append(makeSvg("line", { x1: 0, y1: 0, x2: px, y2: py, stroke: colours[i] }));
      node.append(arrowHead(px, py, colours[i]));
      if (points.length <= 40 && length > 14) node.append(makeSvg("text", { x: px + (px / length) * 8 - 3, y: py + (py / length) * 8 + 3 }, String(i)));
      svg.append(node);
    });
  };
  draw();
  if (turns) makeTurnable(svg, view, draw);
  parent.append(make("figure", {}, make("figcaption", {}, directionsCaption(hidden, model.share)), svg));
}

function makeTurnable(svg, view, draw) {
  let from = null;
  svg.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; svg.setPointerCapture(event.pointerId); });
  svg.addEventListener("pointermove", (event) => {
    if (!from) return;
    view.yaw += (event.clientX - from[0]) * 0.01;
    view.pitch += (event.clientY - from[1]) * 0.01;
    from = [event.clientX, event.clientY];
    draw();
  });
  svg.addEventListener("pointerup", () => { from = null; });
  svg.addEventListener("pointercancel", () => { from = null; });
  svg.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.12], ArrowDown: [0, 0.12] };
    if (!moves[event.key]) return;
    event.preventDefault();
    view.yaw += moves[event.key][0];
    view.pitch += moves[event.key][1];
    draw();
  });
}

function drawLosses(parent, models) {
  const curves = models.filter(([, model]) => model.loss && model.loss.some((v, k) => isNumber(v) && Number(v) > 0 && model.step[k] > 0));
  if (!curves.length) return;
  const before = curves.map(([name, model]) => (model.step[0] === 0 ? `${name} ${written(model.loss[0], 3)}` : "")).filter(Boolean);
  const block = make("div", { className: "losses" });
  parent.append(block);
  const chart = chartIn(block, `Clean loss along training${before.length ? `; before the first step: ${before.join(", ")}` : ""}`, "Training curves", 280);
  const colours = seriesColours(2, false);
  const traces = curves.map(([name, model], k) => {
    const points = model.step.map((s, i) => [s, Number(model.loss[i])]).filter(([s, v]) => s > 0 && v > 0);
    return { x: points.map((p) => p[0]), y: points.map((p) => p[1]), name, mode: "lines+markers", line: { color: colours[k], width: 2, dash: k ? "dash" : "solid" }, marker: { symbol: SYMBOLS[k], size: 6 }, hovertemplate: "step %{x}<br>loss %{y:.4g}<extra></extra>" };
  });
  const axis = (text) => ({ type: "log", title: { text, standoff: 4 }, showline: true, ticks: "outside", exponentformat: "power", dtick: 1 });
  const losses = traces.flatMap((t) => t.y);
  const wide = Math.max(...losses) / Math.min(...losses) >= 20;
  const layout = { margin: { l: 60, r: 10, t: 8, b: 44 }, xaxis: axis("optimiser step (log)"), yaxis: Object.assign(axis("loss (log)"), wide ? {} : { dtick: undefined, nticks: 5, exponentformat: "none" }), showlegend: traces.length > 1, legend: { x: 1, xanchor: "right", y: 1 } };
  Plotly.newPlot(chart, traces, themed(layout), QUIET);
}

function modelNumbers(model) {
  const list = make("dl", {});
  const entry = (id) => make("div", {}, make("dt", {}, numberOf(id).name), make("dd", {}, written(model.numbers[id])));
  const first = [...new Set([...page.claimed, page.ranking, state.number])];
  first.forEach((id) => list.append(entry(id)));
  const rest = page.numbers.map((n) => n.id).filter((id) => !first.includes(id));
  if (!rest.length) return [list];
  const more = make("dl", {});
  rest.forEach((id) => more.append(entry(id)));
  return [list, make("details", {}, make("summary", {}, "All its numbers"), more)];
}

function drawModel(block, title, model, scales) {
  block.append(make("h4", {}, title), make("p", { className: "note" }, `seed ${model.seed} · `, make("code", { title: model.key }, `tegum show ${model.key.slice(0, 12)}`)));
  if (model.W) {
    const W = unpacked(model.W);
    drawGram(block, W, model.decoder ? unpacked(model.decoder) : null, scales.product);
    drawNorms(block, W, model.polysemanticity, scales.norm);
    drawDirections(block, model, W.length);
  }
  block.append(...modelNumbers(model));
}

/** Show the models of a cell; `scroll` brings the panel into view. */
function showCell(k, scroll = true) {
  state.cell = k;
  state.at = page.cells[k].at.slice();
  drawExplore();
  drawPanel();
  if (scroll) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    byId("models").scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
  }
}

function drawPanel() {
  const panel = byId("panel");
  panel.querySelectorAll(".chart").forEach((chart) => Plotly.purge(chart));
  panel.replaceChildren();
  panel.hidden = state.cell === null;
  drawCellControls();
  if (state.cell === null) return;
  const cell = page.cells[state.cell];
  const [median, best] = page.choices[state.cell].map((row) => (row === null ? null : page.models[row]));
  panel.append(make("h3", {}, cellName(state.cell).join(" · ") || "The one cell"));
  const ranked = numberOf(page.ranking).name;
  if (!median && !best) {
    const why = cell.absent === cell.n ? "None of its rows is in the store." : cell.diverged === cell.n ? "Every seed of this cell diverged." : `No model of this cell has a ${ranked}.`;
    panel.append(make("p", {}, why));
    return;
  }
  const same = page.choices[state.cell][0] === page.choices[state.cell][1];
  const shown = [];
  if (median) shown.push([same ? `Median and best model by ${ranked}` : `Median model by ${ranked}`, "median", median]);
  if (best && !same) shown.push([`Best model: lowest ${ranked}`, "best", best]);
  const pair = make("div", { className: "pair" });
  panel.append(pair);
  const tallest = Math.max(0.01, ...shown.flatMap(([, , model]) => (model.W ? norms(unpacked(model.W)) : [])));
  const scales = { norm: tallest, product: Math.max(1e-4, ...shown.map(([, , model]) => reachOf(model))) };
  const blocks = shown.map(() => pair.appendChild(make("div", { className: "model" })));
  shown.forEach(([title, , model], k) => drawModel(blocks[k], title, model, scales));
  drawLosses(panel, shown.map(([, name, model]) => [name, model]));
  if (page.left_out) panel.append(make("p", { className: "note" }, `To keep the page light, ${page.left_out} models are shown without their weights; tegum show prints them.`));
}
