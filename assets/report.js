"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const N = data.buckets, STEP = data.step, SPAN = N * STEP;
  const SVG = "http://www.w3.org/2000/svg";
  const tip = document.getElementById("tip");

  // ---- small builders; text never becomes markup ----
  const el = (name, attrs = {}, ...kids) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attrs)) node.setAttribute(key, value);
    node.append(...kids.filter((kid) => kid !== null));
    return node;
  };
  const svg = (name, attrs = {}) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attrs)) node.setAttribute(key, value);
    return node;
  };
  const digits = (value, most) => Number(value.toFixed(most)).toString();
  const cores = (value) => value === 0 ? "0" : value >= 1 ? digits(value, 2) : digits(value * 1000, value < 0.1 ? 1 : 0) + "m";
  const bytes = (value) => {
    for (const [unit, size] of [["Ti", 2 ** 40], ["Gi", 2 ** 30], ["Mi", 2 ** 20], ["Ki", 2 ** 10]]) {
      if (value >= size) return digits(value / size, value / size < 10 ? 1 : 0) + unit;
    }
    return digits(value, 0);
  };
  const clock = (seconds) => {
    const day = Math.floor(seconds / 86400), hour = Math.floor(seconds / 3600) % 24, minute = Math.floor(seconds / 60) % 60;
    const text = String(hour).padStart(2, "0") + ":" + String(minute).padStart(2, "0");
    return SPAN > 86400 ? "day " + (day + 1) + ", " + text : text;
  };

  // ---- lines ----
  /** A line of changes, spread over all buckets. */
  const spread = (changes) => {
    const line = new Array(N).fill(null);
    changes.forEach(([from, value], index) => {
      const to = index + 1 < changes.length ? changes[index + 1][0] : N;
      line.fill(value, from, to);
    });
    return line;
  };
  const total = (lines) => {
    const sum = new Array(N).fill(0);
    for (const line of lines) line.forEach((value, index) => { sum[index] += value ?? 0; });
    return sum;
  };
  /** The nearest round number at or above `value`, so that an axis has round ticks. */
  const roof = (value, binary) => {
    if (!(value > 0)) return 1;
    const unit = binary && value >= 1024 ? 1024 : 1;
    const power = unit * 10 ** Math.floor(Math.log10(value / unit));
    return [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value - 1e-9) * power;
  };
  const steps = (line, x, y) => {
    let path = "", pen = false;
    line.forEach((value, index) => {
      if (value === null) { pen = false; return; }
      path += (pen ? "L" : "M") + x(index).toFixed(1) + "," + y(value).toFixed(1) + "H" + x(index + 1).toFixed(1);
      pen = true;
    });
    return path;
  };
  const curve = (line, x, y) => line.map((value, index) => (index ? "L" : "M") + x(index + 0.5).toFixed(1) + "," + y(value ?? 0).toFixed(1)).join("");

  /** Draws usage, request, limit and the manifest's request, with a mark for each action. */
  const draw = (box, lines, marks, show, binary = false) => {
    box.replaceChildren();
    const width = box.clientWidth, height = box.clientHeight;
    if (!width) return;
    const left = 46, right = 8, top = 16, bottom = 22;
    const seen = (line) => (line ?? []).reduce((most, value) => Math.max(most, value ?? 0), 0);
    const core = Math.max(seen(lines.usage), seen(lines.request), seen(lines.before));
    // A limit far above all else would press everything to the ground; it is left out of the picture then.
    const limits = seen(lines.limit) <= 2.5 * core ? seen(lines.limit) : 0;
    const most = roof(1.04 * Math.max(core, limits), binary);
    const x = (index) => left + (width - left - right) * index / N;
    const y = (value) => top + (height - top - bottom) * (1 - Math.min(value / most, 1.02));
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}` });
    const put = (name, attrs, text) => {
      const node = svg(name, attrs);
      if (text !== undefined) node.textContent = text;
      root.append(node);
      return node;
    };
    for (let tick = 0; tick <= 4; tick++) {
      const value = most * tick / 4;
      put("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), stroke: "var(--grid)" });
      put("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, show(value));
    }
    const hours = SPAN / 3600;
    const every = [0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168].find((step) => hours / step <= Math.max(4, width / 80)) ?? 336;
    for (let hour = 0; hour <= hours; hour += every) {
      const at = x(hour * 3600 / STEP);
      const name = every >= 24 ? "day " + (hour / 24 + 1) : clock(hour * 3600).replace(/^day \d+, /, "");
      if (at < width - 20) put("text", { x: at, y: height - 5, "text-anchor": hour ? "middle" : "start" }, name);
    }
    if (lines.before) {
      put("path", { d: steps(lines.before, x, y), fill: "none", stroke: "var(--before)", "stroke-width": 1.5, "stroke-dasharray": "2 3" });
    }
    if (limits) put("path", { d: steps(lines.limit, x, y), fill: "none", stroke: "var(--limit)", "stroke-width": 1.3, "stroke-dasharray": "5 3" });
    const request = lines.request.map((value) => value ?? 0);
    put("path", { d: steps(request, x, y) + `V${y(0)}H${x(0)}Z`, fill: "var(--slack)" });
    put("path", { d: curve(lines.usage, x, y) + `L${x(N - 0.5)},${y(0)}L${x(0.5)},${y(0)}Z`, fill: "var(--usage)", opacity: 0.14 });
    put("path", { d: curve(lines.usage, x, y), fill: "none", stroke: "var(--usage)", "stroke-width": 1.4, "stroke-linejoin": "round" });
    put("path", { d: steps(lines.request, x, y), fill: "none", stroke: "var(--request)", "stroke-width": 2 });
    for (const mark of marks) {
      const at = x(mark.at / STEP), big = mark.action !== "Resize";
      if (big) put("line", { x1: at, x2: at, y1: top - 6, y2: height - bottom, stroke: `var(--${mark.action})`, "stroke-dasharray": "3 3", opacity: 0.7 });
      put("circle", { cx: at, cy: top - 8, r: big ? 4.5 : 3, fill: `var(--${mark.action})`, stroke: "var(--card)", "stroke-width": 1 });
    }
    const hair = put("line", { y1: top, y2: height - bottom, stroke: "var(--faint)", opacity: 0 });
    hover(root, box, { x, left, right, width, hair }, lines, marks, show);
    box.append(root);
  };

  const hover = (root, box, { x, left, right, width, hair }, lines, marks, show) => {
    root.addEventListener("mousemove", (event) => {
      const rect = box.getBoundingClientRect();
      const across = event.clientX - rect.left;
      const index = Math.floor((across - left) / (width - left - right) * N);
      if (index < 0 || index >= N) return leave();
      hair.setAttribute("x1", x(index + 0.5));
      hair.setAttribute("x2", x(index + 0.5));
      hair.setAttribute("opacity", 0.5);
      const rows = [["usage", lines.usage], ["request", lines.request], ["limit", lines.limit], ["in the manifest", lines.before]]
        .filter(([, line]) => line && line[index] !== null && line[index] !== undefined)
        .map(([name, line]) => el("div", { class: "row" }, el("span", {}, name), el("b", {}, show(line[index]))));
      const near = marks.filter((mark) => Math.abs(x(mark.at / STEP) - across) < 6).slice(0, 4).map((mark) =>
        el("div", { class: "act" }, el("b", {}, `${clock(mark.at)} ${mark.action}: ${mark.reason}`), el("div", {}, mark.why),
          el("div", {}, mark.pod), ...mark.change.map((line) => el("div", {}, line))));
      tip.replaceChildren(el("b", {}, clock(index * STEP)), ...rows, ...near);
      tip.hidden = false;
      const { offsetWidth: w, offsetHeight: h } = tip;
      tip.style.left = Math.min(event.clientX + 16, innerWidth - w - 8) + "px";
      tip.style.top = (event.clientY + h + 24 > innerHeight ? event.clientY - h - 12 : event.clientY + 16) + "px";
    });
    const leave = () => { tip.hidden = true; hair.setAttribute("opacity", 0); };
    root.addEventListener("mouseleave", leave);
  };

  // ---- all workloads ----
  const linesOf = (chart, resource) => {
    const { usage, request, limit, before } = chart[resource];
    return { usage, request: spread(request), limit: spread(limit), before: spread(before) };
  };
  const overview = (resource, unit) => {
    const all = data.charts.map((chart) => linesOf(chart, resource));
    const sum = (pick) => total(all.map(pick)).map((value) => value / unit);
    return { usage: sum((lines) => lines.usage), request: sum((lines) => lines.request), before: sum((lines) => lines.before) };
  };
  const notable = data.actions.filter((action) => action.action !== "Resize");
  const wholeCpu = overview("cpu", 1000), wholeMemory = overview("memory", 1024);
  const plain = (value) => digits(value, value < 10 ? 1 : 0);
  const drawOverview = () => {
    draw(document.getElementById("all-cpu"), wholeCpu, notable, plain);
    draw(document.getElementById("all-memory"), wholeMemory, notable, plain);
  };

  // ---- workloads ----
  const sum = (list, pick) => list.reduce((whole, item) => whole + (pick(item) ?? 0), 0);
  const quantity = (text) => {
    const [, number, unit] = /^([0-9.]+)(.*)$/.exec(text ?? "0") ?? [0, 0, ""];
    const scale = { m: 1e-3, u: 1e-6, n: 1e-9, k: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 }[unit] ?? 1;
    return Number(number) * scale;
  };
  const arrow = (before, after, show) => before === after ? el("span", {}, show(after)) : el("span", {}, el("span", { class: "was" }, show(before) + " → "), show(after));
  const percent = (before, after) => {
    if (before === null || after === null) return el("span", { class: "zero" }, "–");
    const now = el("span", after < before - 0.05 ? { class: "better" } : {}, Math.round(after * 100) + " %");
    return el("span", {}, el("span", { class: "was" }, Math.round(before * 100) + " → "), now);
  };
  const count = (value) => el("span", value ? {} : { class: "zero" }, value ? String(value) : "·");
  const rowsOf = data.workloads.map((workload, index) => {
    const own = workload.containers;
    const cpuBefore = sum(own, (c) => quantity(c.requests_before.cpu)), cpuAfter = sum(own, (c) => quantity(c.requests_after.cpu));
    const memBefore = sum(own, (c) => quantity(c.requests_before.memory)), memAfter = sum(own, (c) => quantity(c.requests_after.memory));
    const mean = (name, weight) => {
      const known = own.filter((c) => c[name] !== null);
      const whole = sum(known, weight);
      return known.length && whole ? sum(known, (c) => c[name] * weight(c)) / whole : null;
    };
    const cpuWeight = (c) => quantity(c.requests_before.cpu), memWeight = (c) => quantity(c.requests_before.memory);
    const slack = {
      cb: mean("cpu_slack_before", cpuWeight), ca: mean("cpu_slack_after", cpuWeight),
      mb: mean("memory_slack_before", memWeight), ma: mean("memory_slack_after", memWeight),
    };
    const known = own.some((c) => c.cpu_p95_cores !== null);
    const cpuP95 = sum(own, (c) => c.cpu_p95_cores), memP95 = sum(own, (c) => c.memory_p95_bytes);
    const measured = (value, show) => known ? el("span", {}, show(value)) : el("span", { class: "zero" }, "–");
    const cells = [
      [workload.namespace + "/" + workload.name, el("span", {}, workload.name, " ", el("span", { class: "ns" }, workload.namespace))],
      [cpuAfter, arrow(cpuBefore, cpuAfter, cores)], [cpuP95, measured(cpuP95, cores)], [slack.ca ?? -1, percent(slack.cb, slack.ca)],
      [memAfter, arrow(memBefore, memAfter, bytes)], [memP95, measured(memP95, bytes)], [slack.ma ?? -1, percent(slack.mb, slack.ma)],
      ...["resizes", "evictions", "oom_kills", "restarts"].map((name) => [workload[name], count(workload[name])]),
    ];
    const row = el("tr", { class: "w", tabindex: 0 }, ...cells.map(([, node], column) => el("td", column ? {} : { class: "l" }, node)));
    const more = el("tr", { class: "more", hidden: "" }, el("td", { colspan: cells.length }));
    const item = { keys: cells.map(([key]) => key), row, more, index, name: cells[0][0].toLowerCase() };
    row.addEventListener("click", () => toggle(item));
    row.addEventListener("keydown", (event) => { if (event.key === "Enter") toggle(item); });
    return item;
  });

  const drawWorkload = (item) => {
    const cell = item.more.firstChild;
    const marks = data.actions.filter((action) => action.workload === item.index);
    const charts = data.charts.filter((chart) => chart.workload === item.index);
    cell.replaceChildren(...charts.map((chart) => {
      const figure = (resource, name) => el("figure", { style: "margin:0" },
        el("figcaption", {}, `${name} of ${chart.container}`), el("div", { class: "chart", "data-resource": resource }));
      const pair = el("div", { class: "pair" }, figure("cpu", "CPU"), figure("memory", "Memory"));
      pair.chart = chart;
      return pair;
    }));
    for (const pair of cell.children) {
      for (const box of pair.querySelectorAll(".chart")) {
        const cpu = box.dataset.resource === "cpu";
        draw(box, linesOf(pair.chart, box.dataset.resource), marks, cpu ? (v) => cores(v / 1000) : (v) => bytes(v * 2 ** 20), !cpu);
      }
    }
  };
  const toggle = (item, open = item.more.hidden) => {
    item.more.hidden = !open;
    item.row.classList.toggle("open", open);
    if (open) drawWorkload(item);
  };

  const titles = ["Workload", "CPU request", "CPU p95", "CPU slack", "Memory request", "Memory p95", "Memory slack", "Resizes", "Evictions", "OOM kills", "Restarts"];
  const table = document.getElementById("workloads"), body = table.tBodies[0];
  const fill = () => {
    const wanted = document.getElementById("filter").value.trim().toLowerCase();
    body.replaceChildren(...rowsOf.filter((item) => item.name.includes(wanted)).flatMap((item) => [item.row, item.more]));
  };
  let order = { column: 0, up: true };
  const heads = titles.map((title, column) => {
    const head = el("th", column ? {} : { class: "l" }, title);
    head.addEventListener("click", () => {
      order = { column, up: order.column === column ? !order.up : column === 0 };
      rowsOf.sort((a, b) => (a.keys[column] < b.keys[column] ? -1 : a.keys[column] > b.keys[column] ? 1 : a.index - b.index) * (order.up ? 1 : -1));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order.up ? "ascending" : "descending");
      fill();
    });
    return head;
  });
  table.tHead.append(el("tr", {}, ...heads));
  document.getElementById("filter").addEventListener("input", fill);
  fill();

  // ---- what was not a plain resize ----
  const notes = document.getElementById("notes");
  notes.tHead.append(el("tr", {}, ...["Time", "What", "Pod", "Why"].map((title) => el("th", { class: "l" }, title))));
  notes.tBodies[0].append(...notable.slice(0, 200).map((note) => el("tr", {},
    el("td", { class: "l" }, clock(note.at)), el("td", { class: "l" }, el("span", { class: "badge " + note.action }, note.action)),
    el("td", { class: "l" }, note.pod), el("td", { class: "l why" }, note.why, " ", ...note.change.map((line) => el("div", { class: "ns" }, line))))));
  if (!notable.length) notes.tBodies[0].append(el("tr", {}, el("td", { class: "l", colspan: 4 }, "Nothing: every resize was carried out in place.")));

  // ---- first sight, theme, size ----
  const redraw = () => { drawOverview(); rowsOf.filter((item) => !item.more.hidden).forEach(drawWorkload); };
  document.getElementById("theme").addEventListener("click", () => {
    const dark = document.documentElement.classList.contains("dark") ||
      (!document.documentElement.classList.contains("light") && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.classList.toggle("dark", !dark);
    document.documentElement.classList.toggle("light", dark);
  });
  let pending = 0;
  addEventListener("resize", () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(redraw); });
  drawOverview();
  const eventful = [...new Set(notable.map((note) => note.workload))].slice(0, 3);
  const most = [...rowsOf].sort((a, b) => data.workloads[b.index].resizes - data.workloads[a.index].resizes)[0];
  const first = eventful.length ? eventful.map((index) => rowsOf.find((item) => item.index === index)) : [most];
  first.filter(Boolean).forEach((item) => toggle(item, true));
})();
