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
 * @param {{title: string, cell: (row: number, below: boolean) => (Node|string), key?: (row: number) => (number|string),
 *   number?: boolean, wide?: boolean, head?: boolean, down?: boolean}[]} options.columns `wide`: hidden on a narrow screen
 * @param {Uint32Array|number[]} options.rows
 * @param {number} options.size rows of a page
 * @param {{by: string|null, down: boolean, page: number}} options.memory order and page, which the table changes
 * @param {string} options.empty text for a table without rows
 * @param {(row: number) => void} [options.open] called with the row that is clicked
 * @param {(row: number) => number[]} [options.below] rows that are shown below a row, of the same columns
 * @param {() => void} [options.again] draws the table in another order, where its rows depend on that
 * @param {string} [options.of] what the rows are of, for the pages
 * @param {(row: number) => boolean} [options.quiet] whether a row is of less importance
 * @param {(Node|string)[]|null} [options.foot] cells of a last row about all rows
 */
function pagedTable(options) {
  const { box, caption, columns, rows, size, memory, empty, open, quiet, foot, below, of, again } = options;
  if (!rows.length) {
    box.replaceChildren(element("p.hint", null, empty));
    return;
  }
  const column = columns.find(({ title }) => title === memory.by);
  const order = column ? sorted(rows, column.key, memory.down) : rows;
  const pages = Math.ceil(rows.length / size);
  const body = element("tbody");
  const where = element("span", { role: "status" });
  const lineOf = (row, isBelow) => {
    const cells = columns.map((column) => element(column.head ? "th" : "td",
      { scope: column.head ? "row" : null, class: classesOf(column) },
      column.cell(row, isBelow)));
    const classes = [open && "opens", isBelow && "below", quiet?.(row) && "pale"].filter(Boolean).join(" ");
    const made = element("tr", { class: classes || null }, ...cells);
    if (open) {
      made.addEventListener("click", (event) => {
        if (!event.target.closest("a, button") && getSelection().isCollapsed) open(row);
      });
    }
    return made;
  };
  const draw = () => {
    memory.page = Math.min(Math.max(0, memory.page), pages - 1);
    const from = memory.page * size;
    const shown = Array.from(order.slice(from, from + size));
    body.replaceChildren(...shown.flatMap((row) => [lineOf(row, false), ...(below?.(row) ?? []).map((other) => lineOf(other, true))]));
    where.textContent = `${whole(from + 1)}–${whole(from + shown.length)} of ${whole(rows.length)}${of ? ` (${of})` : ""}`;
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
      if (again) again();
      else pagedTable(options);
      box.querySelector("[aria-sort] button")?.focus();
    } }, column.title);
    return element("th", attributes, button);
  });
  const table = element("table", null, element("caption.unseen", null, caption),
    element("thead", null, element("tr", null, ...heads)), body,
    foot ? element("tfoot", null, element("tr", null, ...foot.map((cell, i) =>
      element(i ? "td" : "th", { scope: i ? null : "row", class: classesOf(columns[i]) }, cell)))) : "");
  const pager = pages > 1 ? element("nav.pager", { "aria-label": `Pages: ${caption}` }, back, where, on) : null;
  draw();
  replaceChildren(box, element("div.scroll", { role: "region", "aria-label": caption, tabindex: "0" }, table), pager);
}

/** Classes of a column's cells. */
function classesOf({ number, wide }) {
  return [number && "number", wide && "wide"].filter(Boolean).join(" ") || null;
}

/* A row of the table of anomalous values is an affected metric in an interval, or, where an interval has none on the page,
   the interval. Row numbers below the number of affected metrics are those, the others are group intervals. */

const tableMemory = { by: null, down: false, page: 0 };

/** The rows that pass the filters, newest interval first. */
function valueRows(doc, selection) {
  const { groupIntervals, affected } = selection;
  const all = doc.affected.group_interval.length;
  const rows = new Uint32Array(affected.length + groupIntervals.length);
  let n = 0;
  let a = affected.length;
  for (let i = groupIntervals.length - 1; i >= 0; i -= 1) {
    const m = groupIntervals[i];
    const last = a;
    while (a > 0 && doc.affected.group_interval[affected[a - 1]] === m) a -= 1;
    for (let j = a; j < last; j += 1, n += 1) rows[n] = affected[j];
    if (a === last) {
      rows[n] = all + m;
      n += 1;
    }
  }
  return rows.slice(0, n);
}

/** How rows of the large table are read. */
function valueReader(doc) {
  const { affected } = doc;
  const all = affected.group_interval.length;
  const groupInterval = (row) => (row < all ? affected.group_interval[row] : row - all);
  const group = (row) => doc.group_intervals.group[groupInterval(row)];
  const detector = (row) => doc.detectors[doc.groups.detector[group(row)]];
  const of = (name) => (row) => (row < all ? affected[name][row] : NaN);
  const read = {
    group, detector,
    time: (row) => doc.group_intervals.time[groupInterval(row)],
    score: (row) => doc.group_intervals.score[groupInterval(row)],
    measure: (row) => detector(row).measures[doc.groups.measure[group(row)]],
    /** Pairs of dimension and value; null for others and for a row without a metric. */
    parts: (row) => (row < all ? combinationParts(detector(row), affected.combination[row]) : null),
    value: of("value"), expected: of("expected"), lower: of("lower"), upper: of("upper"),
    numbers: (row) => numbersOf(doc, doc.groups.detector[group(row)], doc.groups.measure[group(row)]),
  };
  const unnamed = (row) => (row < all ? "others" : `${plural(doc.group_intervals.metrics[groupInterval(row)], "metric")}, not listed`);
  return { ...read, metric: (row) => read.parts(row)?.map(([, value]) => value).join(" · ") ?? unnamed(row) };
}

function drawTable() {
  const { doc, selection, zone } = state;
  const rows = valueRows(doc, selection);
  const read = valueReader(doc);
  const split = selection.detectors.some((d) => doc.detectors[d].dimensions.length);
  const point = (row) => ({ expected: read.expected(row), lower: read.lower(row), upper: read.upper(row) });
  const columns = [
    { title: "Time", head: true, key: read.time, down: true,
      cell: (row) => element("a", { href: groupHash(doc, read.group(row)) }, startText(zone, read.detector(row), read.time(row))) },
    { title: "Severity", down: true, key: read.score, cell: (row) => severityMark(read.score(row)) },
    { title: "Detector", wide: true, key: (row) => read.detector(row).title,
      cell: (row) => named(read.detector(row).title) },
    { title: "Measure", wide: split, key: read.measure, cell: (row) => named(read.measure(row)) },
    { title: "Metric", key: read.metric, cell: (row) => element("span", null, read.metric(row) ? named(read.metric(row)) : "–",
      element("span.narrow.quieter", null, named(read.measure(row)))) },
    { title: "Observed", number: true, down: true, key: read.value,
      cell: (row) => element("span", null, Number.isFinite(read.value(row)) ? read.numbers(row).text(read.value(row)) : "–",
        Number.isFinite(read.expected(row)) ? element("span.narrow.quieter", null, `instead of ${usualWords(read.numbers(row), point(row))}`) : null) },
    { title: "Expected", number: true, wide: true, down: true, key: read.expected,
      cell: (row) => usualWords(read.numbers(row), point(row)) },
    { title: "Difference", number: true, wide: true, down: true, key: (row) => read.value(row) - read.expected(row),
      cell: (row) => differenceCell(read.numbers(row), { value: read.value(row), expected: read.expected(row) }) },
  ].filter(({ title }) => (title !== "Detector" || selection.detectors.length > 1)
    && (title !== "Metric" || split));
  pagedTable({ box: byId("table"), caption: "Anomalous values", columns, rows, size: 20,
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

/** Columns of the CSV file before and after the dimensions. */
const CSV_COLUMNS = [["timestamp", "local_timestamp", "timezone", "detector", "anomaly_group_id", "measure"],
  ["observed", "expected", "lower", "upper", "score"]];

/** The filtered rows as a CSV file: a row for each anomalous value, a column for each dimension. */
async function downloadTable() {
  const { doc, selection, zone } = state;
  const read = valueReader(doc);
  const dimensions = [...new Set(selection.detectors.flatMap((d) => doc.detectors[d].dimensions.map(([name]) => name)))];
  const others = new Set(CSV_COLUMNS.flat());
  const titles = dimensions.map((name) => (others.has(name) ? `${name} (dimension)` : name));
  const parts = [`${[...CSV_COLUMNS[0], ...titles, ...CSV_COLUMNS[1]].map(csvField).join(",")}\r\n`];
  const rows = valueRows(doc, selection);
  for (let from = 0; from < rows.length; from += 20000) {
    const lines = Array.from(rows.subarray(from, from + 20000), (row) => {
      const values = new Map(read.parts(row) ?? []);
      return [
        `${new Date(read.time(row) * 1000).toISOString().slice(0, 19)}Z`, zone.text(read.time(row)), zone.name,
        read.detector(row).name, doc.groups.id[read.group(row)], read.measure(row), ...dimensions.map((name) => values.get(name) ?? ""),
        read.value(row), read.expected(row), read.lower(row), read.upper(row), read.score(row),
      ].map(csvField).join(",");
    });
    parts.push(`${lines.join("\r\n")}\r\n`);
    await pause();
  }
  download(parts, "anomalous-values.csv");
}
