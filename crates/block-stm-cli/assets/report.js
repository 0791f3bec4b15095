// Draws the page from the data that stands in it. D3 scales, draws axes and moves what can be moved.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const times = (x) => `${x.toFixed(2)}×`;
const grouped = new Intl.NumberFormat("en").format;
const ms = (x) => (x === 0 ? "0" : x < 1 ? `${(x * 1e3).toPrecision(3)} µs` : x < 1e3 ? `${x.toPrecision(3)} ms` : `${(x / 1e3).toPrecision(3)} s`);
const width = () => Math.max(320, Math.min(1080, document.querySelector("main").clientWidth));
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

function element(parent, name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

function svg(parent, height, label) {
  parent.replaceChildren();
  const w = width();
  return d3.select(parent).append("svg").attr("viewBox", `0 0 ${w} ${height}`).attr("role", "img").attr("aria-label", label);
}

// A hint at the pointer, also told by the title of what it is about.
const tip = element(document.body, "div", "", { id: "tip", hidden: "" });
function hinted(selection, text) {
  selection.append("title").text(text);
  selection
    .on("pointerenter pointermove", (event, d) => {
      tip.hidden = false;
      tip.textContent = text(d);
      const box = tip.getBoundingClientRect();
      tip.style.left = `${Math.min(event.clientX + 12, innerWidth - box.width - 4)}px`;
      tip.style.top = `${Math.min(event.clientY + 12, innerHeight - box.height - 4)}px`;
    })
    .on("pointerleave", () => { tip.hidden = true; });
}

// Moving and zooming by pointer and by keyboard.
function movable(root, label, extent, [w, h], moved) {
  const zoom = d3.zoom().scaleExtent(extent).translateExtent([[0, 0], [w, h]]).extent([[0, 0], [w, h]])
    .on("zoom", ({ transform }) => moved(transform));
  root.call(zoom).on("dblclick.zoom", null);
  root.attr("tabindex", 0).attr("role", "application").attr("aria-label", label);
  root.on("keydown", (event) => {
    const act = {
      ArrowLeft: () => zoom.translateBy(root, 60 / d3.zoomTransform(root.node()).k, 0),
      ArrowRight: () => zoom.translateBy(root, -60 / d3.zoomTransform(root.node()).k, 0),
      ArrowUp: () => zoom.translateBy(root, 0, 60 / d3.zoomTransform(root.node()).k),
      ArrowDown: () => zoom.translateBy(root, 0, -60 / d3.zoomTransform(root.node()).k),
      "+": () => zoom.scaleBy(root, 1.5), "=": () => zoom.scaleBy(root, 1.5), "-": () => zoom.scaleBy(root, 1 / 1.5),
      0: () => zoom.transform(root, d3.zoomIdentity),
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
}

const most = data.reports.at(-1);
const label = (row) => (row.number === undefined || row.name === String(row.number) ? row.name : `${row.name} ${row.number}`);

function head() {
  const totals = most.totals;
  $("title").textContent = `${grouped(most.rows.length)} block${most.rows.length === 1 ? "" : "s"}: ${times(totals.speedup)} on ${most.threads} threads`;
  document.title = `block-stm: ${$("title").textContent}`;
  $("lead").textContent = `${grouped(totals.txns)} transactions take ${ms(totals.sequential_ms)} in a plain sequential loop, ` +
    `${ms(totals.parallel_ms)} in parallel. ${totals.slower === 0 ? "No block is slower." : `${totals.slower} of the blocks ${totals.slower === 1 ? "is" : "are"} slower in parallel.`}`;
  const machine = data.machine;
  const facts = {
    Machine: [`${machine.cores} cores`, machine.processor, machine.system].filter(Boolean).join(", "),
    "From core to core": machine.core_distance_ns && (machine.core_distance_ns < 1e4 ? `${machine.core_distance_ns.toFixed(0)} ns` : ms(machine.core_distance_ns / 1e6)),
    Load: machine.load?.toString(), Allocator: data.allocator, Version: data.version,
    Turns: `${data.repeat} of each side, medians`, Command: data.command,
  };
  for (const [name, value] of Object.entries(facts)) {
    if (!value) continue;
    element($("facts"), "dt", name);
    element($("facts"), "dd", value);
  }
}

function sortable(table, columns, rows, total) {
  const top = element(element(table, "thead"), "tr");
  const body = element(table, "tbody");
  const fill = (sorted) => {
    body.replaceChildren();
    for (const row of sorted) {
      const line = element(body, "tr");
      for (const { show, mark, text } of columns) {
        element(line, "td", show(row), { class: [text ? "text" : "", mark?.(row) ?? ""].join(" ").trim() });
      }
    }
  };
  for (const column of columns) {
    const button = element(element(top, "th", undefined, { scope: "col", class: column.text ? "text" : "" }), "button", column.name, { type: "button" });
    button.addEventListener("click", () => {
      const order = button.dataset.order === "down" ? "up" : "down";
      for (const other of top.querySelectorAll("button")) {
        delete other.dataset.order;
        other.parentElement.removeAttribute("aria-sort");
      }
      button.dataset.order = order;
      button.parentElement.setAttribute("aria-sort", order === "up" ? "ascending" : "descending");
      fill(d3.sort(rows, (a, b) => (order === "up" ? d3.ascending : d3.descending)(column.by(a), column.by(b))));
    });
  }
  if (total) {
    const line = element(element(table, "tfoot"), "tr");
    total.forEach((cell) => element(line, "td", cell));
  }
  fill(rows);
}

const speedMark = (row) => (row.speedup >= 1.05 ? "good" : row.speedup <= 0.95 ? "bad" : "");
const failed = (row) => Object.entries(row.checks).filter(([, holds]) => holds === false).map(([name]) => name);

function table() {
  const t = most.totals;
  sortable($("rows"), [
    { name: "block", show: label, by: (r) => r.number ?? r.name, text: true },
    { name: "txns", show: (r) => grouped(r.txns), by: (r) => r.txns },
    { name: "gas", show: (r) => d3.format(".3s")(r.gas_used), by: (r) => r.gas_used },
    { name: "sequential", show: (r) => ms(r.sequential_ms), by: (r) => r.sequential_ms },
    { name: "parallel", show: (r) => ms(r.parallel_ms), by: (r) => r.parallel_ms },
    { name: "speed-up", show: (r) => times(r.speedup), by: (r) => r.speedup, mark: speedMark },
    { name: "graph bound", show: (r) => (r.bounds ? times(r.bounds.graph_speedup) : ""), by: (r) => r.bounds?.graph_speedup ?? 0 },
    { name: "exec/txn", show: (r) => (r.executions / Math.max(1, r.txns)).toFixed(2), by: (r) => r.executions / Math.max(1, r.txns) },
    { name: "aborts", show: (r) => grouped(r.aborts), by: (r) => r.aborts },
    { name: "checks", show: (r) => (r.ok ? "ok" : `FAILED: ${failed(r).join(", ")}`), by: (r) => Number(r.ok), mark: (r) => (r.ok ? "good" : "bad") },
  ], most.rows, ["total", grouped(t.txns), d3.format(".3s")(t.gas_used), ms(t.sequential_ms), ms(t.parallel_ms), times(t.speedup), "",
    (t.executions / Math.max(1, t.txns)).toFixed(2), grouped(t.aborts), t.failed === 0 ? "ok" : `${t.failed} FAILED`]);
}

// All blocks together: the speed-ups of all turns, and what bounds them.
function together(report) {
  const sum = (f) => d3.sum(report.rows, f);
  const turns = d3.range(d3.min(report.rows, (r) => r.parallel_samples_ms.length) ?? 0).map((turn) =>
    sum((r) => r.sequential_samples_ms[turn]) / sum((r) => r.parallel_samples_ms[turn]));
  const bounded = report.rows.every((r) => r.bounds);
  return {
    threads: report.threads, speedup: report.totals.speedup, low: d3.min(turns) ?? report.totals.speedup, high: d3.max(turns) ?? report.totals.speedup,
    graph: bounded ? sum((r) => r.sequential_ms) / sum((r) => r.sequential_ms / r.bounds.graph_speedup) : null,
    hardware: bounded ? sum((r) => r.sequential_ms) / sum((r) => r.bounds.hardware_ms) : null,
  };
}

function speed() {
  const points = data.reports.map(together);
  const w = width(), h = 340, m = { top: 16, right: 116, bottom: 40, left: 46 };
  const s = svg($("speed-chart"), h, `Speed-up over threads: ${points.map((p) => `${times(p.speedup)} on ${p.threads}`).join(", ")}`);
  const threads = points.map((p) => p.threads);
  const x = d3.scaleLinear([Math.min(1, d3.min(threads)), Math.max(2, d3.max(threads))], [m.left, w - m.right]);
  const tops = points.flatMap((p) => [p.high, p.graph, p.hardware, 1.1]).filter(Boolean);
  const y = d3.scaleLinear([0, d3.max(tops) * 1.08], [h - m.bottom, m.top]);
  s.append("g").attr("class", "grid").attr("transform", `translate(${m.left},0)`).call(d3.axisLeft(y).ticks(5).tickSize(-(w - m.left - m.right)).tickFormat("")).select(".domain").remove();
  s.append("g").attr("transform", `translate(0,${h - m.bottom})`).call(d3.axisBottom(x).tickValues(threads).tickFormat(d3.format("d")));
  s.append("g").attr("transform", `translate(${m.left},0)`).call(d3.axisLeft(y).ticks(5).tickFormat((d) => `${d}×`));
  s.append("text").attr("class", "soft").attr("x", (m.left + w - m.right) / 2).attr("y", h - 6).attr("text-anchor", "middle").text("threads");
  const lines = [
    { name: "graph bound", of: (p) => p.graph, colour: "var(--publish)", dash: "6 4" },
    { name: "hardware bound", of: (p) => p.hardware, colour: "var(--judge)", dash: "2 4" },
    { name: "block-stm", of: (p) => p.speedup, colour: "var(--execute)", dash: null },
  ];
  const ends = [];
  for (const { name, of, colour, dash } of lines) {
    const known = points.filter((p) => of(p));
    if (known.length === 0) continue;
    s.append("path").datum(known).attr("fill", "none").attr("stroke", colour).attr("stroke-width", 2).attr("stroke-dasharray", dash)
      .attr("d", d3.line((p) => x(p.threads), (p) => y(of(p))));
    ends.push({ name, colour, at: y(of(known.at(-1))), value: of(known.at(-1)) });
    hinted(s.append("g").selectAll("circle").data(known).join("circle").attr("r", 4).attr("fill", colour)
      .attr("cx", (p) => x(p.threads)).attr("cy", (p) => y(of(p))), (p) => `${name}: ${times(of(p))} on ${p.threads} threads`);
  }
  s.append("g").selectAll("line").data(points).join("line").attr("stroke", "var(--execute)").attr("stroke-width", 2)
    .attr("x1", (p) => x(p.threads)).attr("x2", (p) => x(p.threads)).attr("y1", (p) => y(p.low)).attr("y2", (p) => y(p.high));
  s.append("line").attr("stroke", "var(--soft)").attr("x1", m.left).attr("x2", w - m.right).attr("y1", y(1)).attr("y2", y(1));
  ends.push({ name: "sequential", colour: "var(--soft)", at: y(1), value: 1 });
  // Names at the ends of the lines, apart from each other.
  ends.sort((a, b) => a.at - b.at);
  ends.forEach((end, place) => { end.y = Math.max(end.at, place ? ends[place - 1].y + 15 : 0); });
  s.append("g").selectAll("text").data(ends).join("text").attr("x", w - m.right + 10).attr("y", (d) => d.y + 4).style("fill", (d) => d.colour).text((d) => d.name);
}

function spread() {
  const rows = d3.sort(most.rows, (r) => r.speedup);
  const w = width(), step = rows.length > 60 ? 9 : 18, m = { top: 8, right: 20, bottom: 40, left: w < 500 ? 84 : 120 };
  const h = m.top + m.bottom + rows.length * step;
  const turns = rows.map((r) => r.parallel_samples_ms.map((p, turn) => r.sequential_samples_ms[turn] / p));
  const s = svg($("spread-chart"), h, `Speed-ups of single turns, from ${times(d3.min(turns.flat()))} to ${times(d3.max(turns.flat()))}`);
  const ends = [Math.min(0.9, d3.min(turns.flat())), Math.max(1.1, d3.max(turns.flat()))];
  // A single turn far away, as on a busy machine, must not push all others together.
  const far = ends[1] / ends[0] > 8;
  const x = (far ? d3.scaleLog() : d3.scaleLinear()).domain(ends).range([m.left, w - m.right]);
  if (!far) x.nice();
  const steps = d3.range(-10, 11).flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
  const shown = steps.filter((step) => step >= ends[0] && step <= ends[1] && (w >= 500 || Number.isInteger(Math.log10(step))));
  const axis = d3.axisBottom(x).tickSize(-(h - m.top - m.bottom)).tickFormat((d) => `${Number(d.toPrecision(3))}×`);
  s.append("g").attr("class", "grid").attr("transform", `translate(0,${h - m.bottom})`).call(far ? axis.tickValues(shown) : axis.ticks(w < 500 ? 4 : 8));
  s.append("line").attr("stroke", "var(--soft)").attr("x1", x(1)).attr("x2", x(1)).attr("y1", m.top).attr("y2", h - m.bottom);
  const lines = s.append("g").selectAll("g").data(rows).join("g").attr("transform", (_, i) => `translate(0,${m.top + (i + 0.5) * step})`);
  if (step > 9) lines.append("text").attr("class", "soft").attr("x", m.left - 8).attr("y", 4).attr("text-anchor", "end").text((r) => label(r).slice(0, w < 500 ? 11 : 16));
  hinted(lines.selectAll("circle").data((_, i) => turns[i].map((turn) => ({ turn, row: rows[i] }))).join("circle").attr("r", 3).attr("fill", "var(--execute)").attr("fill-opacity", .55)
    .attr("cx", (d) => x(d.turn)), (d) => `${label(d.row)}: ${times(d.turn)}`);
  lines.append("line").attr("stroke", "var(--ink)").attr("stroke-width", 2).attr("x1", (r) => x(r.speedup)).attr("x2", (r) => x(r.speedup)).attr("y1", -step / 2 + 1).attr("y2", step / 2 - 1);
}

const KINDS = ["execute", "wasted", "publish", "validate", "judge", "commit", "idle", "sleep"];
const FATES = { "stood": "", "met-estimate": ", met an unfinished write", "interrupted": ", was interrupted", "stale-early": ", was found stale early", "stale-at-commit": ", was stale at its turn" };

function timeline(block) {
  $("time-legend").replaceChildren();
  for (const kind of KINDS) {
    const entry = element($("time-legend"), "span");
    element(entry, "i").style.background = `var(--${kind})`;
    entry.append(kind);
  }
  const w = width(), lane = 34, m = { top: 8, right: 12, bottom: 26, left: 70 };
  const h = m.top + m.bottom + block.workers.length * lane;
  const s = svg($("time-chart"), h, "").classed("frame", true);
  const x0 = d3.scaleLinear([0, block.time_us], [m.left, w - m.right]);
  s.append("clipPath").attr("id", "clip").append("rect").attr("x", m.left).attr("y", 0).attr("width", w - m.left - m.right).attr("height", h);
  const axis = s.append("g").attr("transform", `translate(0,${h - m.bottom})`);
  s.append("g").selectAll("text").data(block.workers).join("text").attr("class", "soft").attr("x", m.left - 8).attr("text-anchor", "end")
    .attr("y", (_, i) => m.top + (i + 0.5) * lane + 4).text((_, i) => `worker ${i}`);
  const marks = s.append("g").attr("clip-path", "url(#clip)").selectAll("g").data(block.workers).join("g").attr("transform", (_, i) => `translate(0,${m.top + i * lane})`)
    .selectAll("rect").data((spans) => spans.map(([kind, from, to, txn, incarnation, fate]) => ({ kind, from, to, txn, incarnation, fate }))).join("rect")
    .attr("y", 3).attr("height", lane - 8).attr("fill", (d) => `var(--${d.kind === "execute" && d.fate !== "stood" ? "wasted" : d.kind})`);
  hinted(marks, (d) => `${d.kind}${d.txn === null ? "" : ` txn ${d.txn}`}: ${ms((d.to - d.from) / 1e3)}${d.kind === "execute" ? `, incarnation ${d.incarnation}${FATES[d.fate]}` : ""}`);
  const draw = (x) => {
    axis.call(d3.axisBottom(x).ticks(w < 500 ? 3 : 7).tickFormat((d) => ms(d / 1e3)));
    marks.attr("x", (d) => x(d.from)).attr("width", (d) => Math.max(0.4, x(d.to) - x(d.from)));
  };
  draw(x0);
  movable(s, `Time line of ${block.workers.length} workers over ${ms(block.time_us / 1e3)}; arrows move, plus and minus zoom`, [1, 2000], [w, h], (t) => draw(t.rescaleX(x0)));
}

function graph(block) {
  const meets = new Set(block.edges.flatMap(([writer, reader]) => [writer, reader]));
  if (meets.size === 0) return void $("graph-chart").replaceChildren("No transaction reads what another one wrote.");
  const level = new Map(), rank = new Map(), rows = new Map();
  const inputs = d3.group(block.edges, ([, reader]) => reader);
  for (const txn of d3.sort(meets)) {
    const at = 1 + (d3.max(inputs.get(txn) ?? [], ([writer]) => level.get(writer)) ?? -1);
    level.set(txn, at);
    rank.set(txn, rows.get(at) ?? 0);
    rows.set(at, rank.get(txn) + 1);
  }
  const levels = rows.size, tallest = d3.max(rows.values());
  const w = width(), h = Math.min(460, Math.max(140, 28 * tallest + 40));
  const x = (txn) => 30 + (level.get(txn) * (w - 60)) / Math.max(1, levels - 1);
  const y = (txn) => h / 2 + (rank.get(txn) - (rows.get(level.get(txn)) - 1) / 2) * Math.min(26, (h - 40) / Math.max(1, tallest));
  const r = d3.scaleSqrt([0, d3.max(block.costs_ns)], [2, 9]);
  const critical = new Set(block.critical), next = new Set(d3.pairs(block.critical).map(([a, b]) => `${a}-${b}`));
  const s = svg($("graph-chart"), h, "").classed("frame", true);
  const all = s.append("g");
  hinted(all.append("g").attr("fill", "none").selectAll("path").data(block.edges).join("path")
    .attr("stroke", ([a, b]) => (next.has(`${a}-${b}`) ? "var(--bad)" : "var(--soft)")).attr("stroke-opacity", ([a, b]) => (next.has(`${a}-${b}`) ? 1 : .35))
    .attr("stroke-width", ([a, b]) => (next.has(`${a}-${b}`) ? 2 : 1)).attr("vector-effect", "non-scaling-stroke")
    .attr("d", ([a, b]) => `M${x(a)},${y(a)}C${(x(a) + x(b)) / 2},${y(a)} ${(x(a) + x(b)) / 2},${y(b)} ${x(b)},${y(b)}`),
  ([a, b, place]) => `txn ${b} reads from txn ${a}: ${block.places[place]?.name ?? "elsewhere"}`);
  hinted(all.append("g").selectAll("circle").data([...meets]).join("circle").attr("cx", x).attr("cy", y).attr("r", (t) => r(block.costs_ns[t]))
    .attr("fill", (t) => (critical.has(t) ? "var(--bad)" : "var(--execute)")), (t) => `txn ${t}: ${block.calls[t]}, ${ms(block.costs_ns[t] / 1e6)}`);
  movable(s, `Conflict graph of ${meets.size} transactions in ${levels} steps; arrows move, plus and minus zoom`, [1, 60], [w, h], (t) => all.attr("transform", t));
}

function heat(block) {
  const places = block.places.slice(0, 20);
  if (places.length === 0) {
    const none = document.createElement("p");
    none.style.padding = "1rem 0";
    none.textContent = "No transaction of this block waits for another one at any place.";
    return void $("heat-chart").replaceChildren(none);
  }
  const w = width(), m = { top: 4, right: 8, bottom: 36, left: Math.min(240, w * 0.42) }, row = 18;
  const columns = Math.min(block.costs_ns.length, Math.floor((w - m.left - m.right) / 6));
  const size = block.costs_ns.length / columns;
  const cells = d3.rollups(block.waits.filter(([place]) => place < places.length), (v) => v.length, ([place]) => place, ([, txn]) => Math.floor(txn / size));
  const flat = cells.flatMap(([place, bins]) => bins.map(([bin, count]) => ({ place, bin, count })));
  const h = m.top + m.bottom + places.length * row;
  const s = svg($("heat-chart"), h, `Heat map of ${places.length} places over ${block.costs_ns.length} transactions; the table below has the sums`);
  const x = d3.scaleLinear([0, block.costs_ns.length], [m.left, w - m.right]);
  const shade = d3.scaleLinear([0, d3.max(flat, (d) => d.count) ?? 1], [0.15, 1]);
  const letters = Math.floor((m.left - 10) / 7);
  s.append("g").attr("class", "names").selectAll("text").data(places).join("text").attr("x", m.left - 6).attr("text-anchor", "end").attr("y", (_, i) => m.top + (i + 0.5) * row + 4)
    .text((p) => (p.name.length > letters ? `${p.name.slice(0, letters - 8)}…${p.name.slice(-7)}` : p.name)).append("title").text((p) => p.name);
  s.append("rect").attr("x", m.left).attr("y", m.top).attr("width", w - m.left - m.right).attr("height", places.length * row).attr("fill", "var(--raised)");
  hinted(s.append("g").selectAll("rect").data(flat).join("rect").attr("fill", "var(--wasted)").attr("fill-opacity", (d) => shade(d.count))
    .attr("x", (d) => x(d.bin * size)).attr("width", Math.max(1, x(size) - x(0) - 0.5)).attr("y", (d) => m.top + d.place * row + 1).attr("height", row - 2),
  (d) => `${places[d.place].name}: ${d.count} waited, txns ${Math.ceil(d.bin * size)} to ${Math.ceil((d.bin + 1) * size) - 1}`);
  s.append("g").attr("transform", `translate(0,${h - m.bottom})`).call(d3.axisBottom(x).ticks(w < 500 ? 3 : 8));
  s.append("text").attr("class", "soft").attr("x", (m.left + w - m.right) / 2).attr("y", h - 4).attr("text-anchor", "middle").text("transactions, in their order");
}

function places(block) {
  $("places").replaceChildren();
  sortable($("places"), [
    { name: "place", show: (p) => p.name, by: (p) => p.name, text: true },
    { name: "lost", show: (p) => ms(p.lost_ns / 1e6), by: (p) => p.lost_ns },
    { name: "waited", show: (p) => grouped(p.readers), by: (p) => p.readers },
    { name: "allowed without it", show: (p) => times(p.speedup_without), by: (p) => p.speedup_without },
  ], block.places.slice(0, 20));
}

function one(place) {
  const block = data.details[place];
  $("block-lead").textContent = `${block.block}: ${grouped(block.costs_ns.length)} transactions in ${ms(block.time_us / 1e3)} by ${block.workers.length} workers; ` +
    `the dependencies allow ${times(block.allowed)} to any number of workers.` + (block.spans_cut || block.edges_cut ? " Parts that would make this page too large are left out." : "");
  timeline(block);
  graph(block);
  heat(block);
  places(block);
}

function checks() {
  const names = [...new Set(most.rows.flatMap((r) => Object.keys(r.checks)))];
  const tableOf = element(element($("checks"), "div", undefined, { class: "scroll", tabindex: "0", role: "region", "aria-label": "Checks" }), "table");
  const runs = data.reports.flatMap((report) => report.rows);
  sortable(tableOf, [
    { name: "check", show: (c) => c.name, by: (c) => c.name, text: true },
    { name: "holds", show: (c) => grouped(c.holds), by: (c) => c.holds },
    { name: "fails", show: (c) => grouped(c.fails), by: (c) => c.fails, mark: (c) => (c.fails ? "bad" : "") },
    { name: "could not be made", show: (c) => grouped(c.open), by: (c) => c.open },
  ], names.map((name) => {
    const count = (wanted) => runs.filter((r) => r.checks[name] === wanted).length;
    return { name, holds: count(true), fails: count(false), open: count(null) };
  }));
  element($("checks"), "p", "equal: receipts and state of every execution, sequential and parallel, are the same. The others are the header's fields.", { class: "note" });
}

function draw() {
  speed();
  spread();
  if (data.details.length) one(Number($("which").value || 0));
}

head();
table();
checks();
data.details.forEach((block, place) => element($("which"), "option", block.block, { value: place }));
if (data.details.length === 0) $("block").hidden = true;
$("which").addEventListener("change", () => one(Number($("which").value)));
draw();
let last = width(), timer;
addEventListener("resize", () => {
  clearTimeout(timer);
  timer = setTimeout(() => { if (width() !== last) { last = width(); draw(); } }, still ? 0 : 120);
});
