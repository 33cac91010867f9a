/* Tables with pages, and the table of all anomalous values. */

/**
 * Row numbers in the order of a column.
 * @param {Uint32Array|number[]} rows
 * @param {(row: number) => number|string} key
 * @param {boolean} down
 */
function sorted(rows, key, down) {
  const keys = new Float64Array(rows.length);
  if (rows.length && typeof key(rows[0]) === "string") {
    const texts = Array.from(rows, key);
    const rank = new Map([...new Set(texts)].sort((a, b) => a.localeCompare(b)).map((text, i) => [text, i]));
    texts.forEach((text, i) => (keys[i] = rank.get(text)));
  } else {
    rows.forEach((row, i) => (keys[i] = key(row)));
  }
  const sign = down ? -1 : 1;
  const order = Uint32Array.from(rows, (_, i) => i);
  order.sort((a, b) => {
    const [x, y] = [keys[a], keys[b]];
    if (x === y) return a - b;
    if (x !== x || y !== y) return x !== x ? (y !== y ? a - b : 1) : -1; // unknown keys come last
    return x < y ? -sign : sign;
  });
  return order.map((i) => rows[i]);
}

/**
 * Draws a table with pages, sortable by its columns.
 * @param {object} options
 * @param {HTMLElement} options.box the element for the table
 * @param {string} options.caption
 * @param {{title: string, cell: (row: number) => (Node|string), key?: (row: number) => (number|string),
 *   number?: boolean, wide?: boolean, head?: boolean, down?: boolean}[]} options.columns `wide`: hidden on a narrow screen
 * @param {Uint32Array|number[]} options.rows
 * @param {number} options.size rows of a page
 * @param {{by: string|null, down: boolean, page: number}} options.memory order and page, which the table changes
 * @param {string} options.empty text for a table without rows
 * @param {(row: number) => void} [options.open] called with the row that is clicked
 */
function pagedTable(options) {
  const { box, caption, columns, rows, size, memory, empty, open } = options;
  if (!rows.length) {
    box.replaceChildren(element("p.hint", null, empty));
    return;
  }
  const column = columns.find(({ title }) => title === memory.by);
  const order = column ? sorted(rows, column.key, memory.down) : rows;
  const pages = Math.ceil(rows.length / size);
  const body = element("tbody");
  const where = element("span", { role: "status" });
  const draw = () => {
    memory.page = Math.min(Math.max(0, memory.page), pages - 1);
    const from = memory.page * size;
    const shown = Array.from(order.slice(from, from + size));
    body.replaceChildren(...shown.map((row) => {
      const cells = columns.map((column) => element(column.head ? "th" : "td",
        { scope: column.head ? "row" : null, class: classesOf(column) },
        column.cell(row)));
      const made = element(open ? "tr.opens" : "tr", null, ...cells);
      if (open) {
        made.addEventListener("click", (event) => {
          if (!event.target.closest("a, button") && getSelection().isCollapsed) open(row);
        });
      }
      return made;
    }));
    where.textContent = `${whole(from + 1)}–${whole(from + shown.length)} of ${whole(rows.length)}`;
    back.disabled = memory.page === 0;
    on.disabled = memory.page === pages - 1;
  };
  const turn = (by) => () => {
    memory.page += by;
    draw();
  };
  const back = element("button.quiet", { type: "button", onclick: turn(-1) }, "Previous");
  const on = element("button.quiet", { type: "button", onclick: turn(1) }, "Next");
  const heads = columns.map((column) => {
    const sorting = column.title === memory.by ? (memory.down ? "descending" : "ascending") : null;
    const attributes = { scope: "col", "aria-sort": sorting, class: classesOf(column) };
    if (!column.key) return element("th", attributes, column.title);
    const button = element("button.sort", { type: "button", onclick: () => {
      memory.down = memory.by === column.title ? !memory.down : (column.down ?? false);
      memory.by = column.title;
      memory.page = 0;
      pagedTable(options);
      box.querySelector("[aria-sort] button")?.focus();
    } }, column.title);
    return element("th", attributes, button);
  });
  const table = element("table", null, element("caption.unseen", null, caption),
    element("thead", null, element("tr", null, ...heads)), body);
  const pager = pages > 1 ? element("nav.pager", { "aria-label": `Pages: ${caption}` }, back, where, on) : null;
  draw();
  replaceChildren(box, element("div.scroll", { role: "region", "aria-label": caption, tabindex: "0" }, table), pager);
}

/** Classes of a column's cells. */
function classesOf({ number, wide }) {
  return [number && "number", wide && "wide"].filter(Boolean).join(" ") || null;
}

/* A row of the table of anomalous values is a contribution, or, where a group interval has none, an affected metric. Row
   numbers below the number of contributions are contributions, the others are affected metrics. */

const tableMemory = { by: null, down: false, page: 0 };

/** The rows that pass the filters, newest interval first. */
function valueRows(doc, selection) {
  const { groupIntervals, affected, contributions } = selection;
  const all = doc.contributions.group_interval.length;
  const rows = new Uint32Array(contributions.length + affected.length);
  let n = 0;
  let a = affected.length;
  let c = contributions.length;
  for (let i = groupIntervals.length - 1; i >= 0; i -= 1) {
    const m = groupIntervals[i];
    const [lastA, lastC] = [a, c];
    while (a > 0 && doc.affected.group_interval[affected[a - 1]] === m) a -= 1;
    while (c > 0 && doc.contributions.group_interval[contributions[c - 1]] === m) c -= 1;
    for (let j = c; j < lastC; j += 1, n += 1) rows[n] = contributions[j];
    if (c === lastC) for (let j = a; j < lastA; j += 1, n += 1) rows[n] = all + affected[j];
  }
  return rows.slice(0, n);
}

/** How rows of the large table are read. */
function valueReader(doc, selection) {
  const { contributions: shares, affected: rows } = doc;
  const all = shares.group_interval.length;
  const index = indexOf(doc);
  const groupInterval = (row) => (row < all ? shares.group_interval[row] : rows.group_interval[row - all]);
  const group = (row) => doc.group_intervals.group[groupInterval(row)];
  const detector = (row) => doc.detectors[doc.groups.detector[group(row)]];
  const measure = (row) => doc.groups.measure[group(row)];
  const together = (row, column) => {
    if (row >= all) return column[row - all];
    const m = groupInterval(row);
    const definition = detector(row);
    const width = definition.dimensions.length;
    const mask = selection.masks[doc.groups.detector[group(row)]];
    let [sum, count] = [0, 0];
    for (let j = index.affected[m]; j < index.affected[m + 1]; j += 1) {
      const combination = rows.combination[j];
      if (combination === OTHERS || !mask[combination]) continue;
      if (definition.combinations.data[combination * width + shares.dimension[row]] !== shares.value[row]) continue;
      sum += column[j];
      count += 1;
    }
    if (!count) return NaN;
    const aggregation = definition.aggregations[measure(row)];
    if (aggregation === "SUM" || count === 1) return sum;
    return aggregation === "AVG" ? sum / count : NaN;
  };
  const combination = (row) => combinationParts(detector(row), rows.combination[row - all]);
  return {
    group, detector,
    time: (row) => doc.group_intervals.time[groupInterval(row)],
    score: (row) => doc.group_intervals.score[groupInterval(row)],
    measure: (row) => detector(row).measures[measure(row)],
    dimension: (row) => (row < all ? detector(row).dimensions[shares.dimension[row]][0]
      : (combination(row) ?? []).map(([dimension]) => dimension).join(", ")),
    value: (row) => (row < all ? detector(row).dimensions[shares.dimension[row]][1][shares.value[row]]
      : (combination(row)?.map(([, value]) => value).join(", ") ?? "others")),
    share: (row) => (row < all ? shares.share[row] : NaN),
    observed: (row) => together(row, rows.value),
    expected: (row) => together(row, rows.expected),
  };
}

function drawTable() {
  const { doc, selection, zone } = state;
  const rows = valueRows(doc, selection);
  const read = valueReader(doc, selection);
  const columns = [
    { title: "Time", head: true, key: read.time, down: true,
      cell: (row) => element("a", { href: groupHash(doc, read.group(row)) }, zone.text(read.time(row))) },
    { title: "Detector", wide: true, key: (row) => read.detector(row).title,
      cell: (row) => named(read.detector(row).title) },
    { title: "Dimension", wide: true, key: read.dimension, cell: (row) => named(read.dimension(row) || "–") },
    { title: "Value", key: read.value, cell: (row) => named(read.value(row) || "–") },
    { title: "Measure", key: read.measure, cell: (row) => named(read.measure(row)) },
    { title: "Observed", number: true, down: true, key: read.observed, cell: (row) => known(read.observed(row)) },
    { title: "Expected", number: true, wide: true, down: true, key: read.expected,
      cell: (row) => known(read.expected(row)) },
    { title: "Contribution", number: true, down: true, key: read.share, cell: (row) => shareBar(read.share(row)) },
    { title: "Severity", wide: true, down: true, key: read.score, cell: (row) => severityMark(read.score(row)) },
  ].filter(({ title }) => title !== "Detector" || selection.detectors.length > 1);
  pagedTable({ box: byId("table"), caption: "Anomalous values with what contributed", columns, rows, size: 50,
    memory: tableMemory, empty: "No anomalous values in what is chosen." });
  byId("csv").hidden = !rows.length;
}

const known = (value) => (Number.isFinite(value) ? amount(value) : "–");

/** A share in per cent as a small bar. */
function shareBar(share) {
  if (!Number.isFinite(share)) return "–";
  const bar = element("span.bar", { "aria-hidden": "true" });
  bar.style.setProperty("--share", `${Math.min(100, Math.max(0, share))}%`);
  return element("span.share", null, bar, element("span", null, `${share} %`));
}

/** The filtered rows as a CSV file. */
async function downloadTable() {
  const { doc, selection, zone } = state;
  const read = valueReader(doc, selection);
  const parts = ["timestamp,local_timestamp,timezone,detector,anomaly_group_id,measure,dimension,value,"
    + "observed,expected,contribution_percent,score\r\n"];
  const rows = valueRows(doc, selection);
  for (let from = 0; from < rows.length; from += 20000) {
    const lines = Array.from(rows.subarray(from, from + 20000), (row) => [
      `${new Date(read.time(row) * 1000).toISOString().slice(0, 19)}Z`, zone.text(read.time(row)), zone.name,
      read.detector(row).name, doc.groups.id[read.group(row)], read.measure(row), read.dimension(row), read.value(row),
      read.observed(row), read.expected(row), read.share(row), read.score(row),
    ].map(csvField).join(","));
    parts.push(`${lines.join("\r\n")}\r\n`);
    await pause();
  }
  download(parts, "anomalous-values.csv");
}
