/*
 * Charts, drawn by Vega-Lite: common functions. charts-time.js, charts-live.js and charts-shares.js come after this, in any
 * order.
 *
 * Vega receives names and values of the data only as texts of axis labels: fields have names of this code, lines and parts
 * are numbers, legends and tooltips are elements with text.
 */

/** Colours of lines and parts: Tableau 10, without red and grey; the last is the colour of others. */
const LINE_COLOURS = {
  light: ["#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#9c755f", "#d4b000", "#ff9da7", "#9aa0a6"],
  dark: ["#7fb0e0", "#f5a04c", "#7cc272", "#cfa0c4", "#8fd0cb", "#c59f88", "#edc948", "#ffb3bb", "#8b9096"],
};
/** Colours of counts, from few to many. */
const COUNT_COLOURS = {
  light: ["#cfe1f2", "#93c3df", "#4b97c9", "#1c68ad", "#08306b"],
  dark: ["#1d3b57", "#245f8f", "#3f8fc4", "#83bfe3", "#def0fb"],
};
const LINES = 8;
const MOST_MARKS = 1500;
const LANES = 60;
/** Usual steps of time, seconds. */
const STEPS = [
  300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 28800, 43200, 86400, 172800, 604800, 1209600, 2419200, 7257600,
  14515200, 29030400,
];

/** Configuration of Vega. */
function chartTheme(dark) {
  const text = dark ? "#c3c8d0" : "#4a5160";
  const faint = dark ? "#343a44" : "#e4e7eb";
  const theme = dark ? "dark" : "light";
  const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
  return {
    background: "transparent",
    aria: false,
    font,
    padding: 4,
    view: { stroke: null },
    axis: {
      domainColor: faint, gridColor: faint, tickColor: faint, labelColor: text, titleColor: text, labelFontSize: 11,
      titleFontSize: 11, titleFontWeight: "normal", labelOverlap: "greedy", labelSeparation: 8,
    },
    axisX: { grid: false, titleAnchor: "end" },
    axisY: { domain: false, ticks: false, labelPadding: 6 },
    range: { ordinal: severityColours(), category: LINE_COLOURS[theme] },
    line: { strokeCap: "round", strokeJoin: "round" },
    area: { color: dark ? "#7f8ea3" : "#8fa1b8", opacity: dark ? 0.35 : 0.3 },
    point: { stroke: dark ? "#14171c" : "#ffffff" },
    bar: { stroke: dark ? "#14171c" : "#ffffff" },
    rule: { color: dark ? "#7f8ea3" : "#8fa1b8" },
  };
}

const drawn = new WeakMap(); // the chart of a place: {finish}

/** Removes the chart of `place`, and stops one that is being drawn. */
function clearChart(place) {
  drawn.get(place)?.finish?.();
  drawn.delete(place);
  place.replaceChildren();
}

/** Sets the description of the chart in `place`, unless `view` is null: then another chart is shown. */
function labelled(place, view, sentence) {
  if (view === null) return sentence;
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", plain(sentence, 1000));
  return sentence;
}

function nothing(place, sentence) {
  clearChart(place);
  return labelled(place, undefined, sentence);
}

/** Text on one line, without invisible characters, and not longer than `most`. */
function plain(text, most) {
  const line = Array.from(text.replace(/\s+/gu, " ").replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\ufeff]/gu, "").trim());
  return line.length > most ? `${line.slice(0, most - 1).join("")}…` : line.join("");
}

/** A name within a sentence. */
const nameIn = (text) => isolated(plain(text, 40) || "(empty)");

/** Names as labels of an axis: not empty, all different, plain text. */
function axisLabels(names, most) {
  const seen = new Map();
  return names.map((text) => {
    const short = plain(text, most) || "(empty)";
    const count = (seen.get(short) ?? 0) + 1;
    seen.set(short, count);
    return isolated(count > 1 ? `${short} (${count})` : short);
  });
}

/**
 * Draws a specification with its data in `place`.
 * @param {HTMLElement} place
 * @param {string} kind a name in SPECS
 * @param {Object<string, object[]>} datasets rows by the names the specification gives; `k` of a row is its key
 * @param {{dark: boolean, width: number, zone: object}} options
 * @param {object} more
 * @param {(spec: object) => void} [more.adjust] last changes of the specification
 * @param {[number, number]} [more.domain] of time, milliseconds on the wall clock; none without a zone
 * @param {(row: object) => Array} [more.tip] a tooltip's lines: [name, value]
 * @param {HTMLElement|null} [more.legend]
 * @param {(row: object) => void} [more.onClick]
 * @param {(from: number, to: number) => void} [more.onTime] epoch seconds
 * @returns {Promise<object|null>} Vega's view; null where another chart was requested meanwhile
 */
async function drawChart(place, kind, datasets, options, more) {
  const spec = structuredClone(SPECS[kind]);
  spec.datasets = datasets;
  spec.width = options.width;
  if (options.zone) timeAxis(spec, options, more.domain);
  more.adjust?.(spec);
  const box = element("div.chart", null);
  const finishers = [];
  const mine = { finish: null };
  drawn.get(place)?.finish?.();
  drawn.set(place, mine);
  const { view } = await vegaEmbed(box, spec, {
    ast: true, actions: false, renderer: "canvas", defaultStyle: false, logLevel: 1, config: chartTheme(options.dark),
    tooltip: more.tip ? tooltip(more.tip, finishers) : () => {},
  });
  if (drawn.get(place) !== mine) {
    view.finalize(); // another chart was requested meanwhile
    return null;
  }
  mine.finish = () => {
    for (const finish of finishers) finish();
    view.finalize();
  };
  mine.view = view;
  place.replaceChildren(box, ...(more.legend ? [more.legend] : []));
  if (more.onClick) onClick(view, box, more.onClick);
  if (more.onTime) onDrag(view, box, options.zone, more.onTime, finishers);
  return view;
}

/** The axis of time: wall-clock times of the zone, which the rows have as if they were UTC. */
function timeAxis(spec, { zone, width }, domain) {
  const axis = {
    title: zone.name,
    tickCount: Math.max(2, Math.floor(width / 85)),
    format: {
      year: "%Y", quarter: "%b %Y", month: "%b %Y", week: "%d %b", date: "%d %b", day: "%d %b", hours: "%H:%M",
      minutes: "%H:%M", seconds: "%H:%M:%S", milliseconds: "%H:%M:%S",
    },
  };
  for (const { encoding } of [spec, ...(spec.layer ?? [])]) if (encoding.x) encoding.x.axis = axis;
  spec.params.find(({ name }) => name === "shown").value = domain;
}

/** Colours and words of shaded times; `c` of a shade is an index. */
const SHADES = ["not judged", "no data"];

/** Legend entries of shades. */
const shadeEntries = (shades, theme) =>
  SHADES.flatMap((words, c) => (shades.some((shade) => shade.c === c) ? [[theme.rule.color, words, c ? "band" : "faint"]] : []));

/** Sets the labels of an axis of numbers up to a size: "500", "1.5k". */
function numberAxis(axis, largest) {
  // By an expression, because a format alone gives all labels the unit of the largest: "0.5k".
  if (largest >= 1000) axis.labelExpr = "format(datum.value, '~s')";
  else axis.format = ".4~g";
}

/** A tooltip whose lines are text; as Vega's handler: (handler, event, item, value). */
function tooltip(lines, finishers) {
  let tip = null;
  const hide = () => {
    tip?.remove();
    tip = null;
  };
  finishers.push(hide);
  return (handler, event, item, value) => {
    hide();
    if (value === null || value === undefined || value === "" || !item?.datum) return;
    tip = element("div.chart-tip", { role: "tooltip" });
    for (const [key, shown] of lines(item.datum)) {
      tip.append(element("div", null, element("span.key", null, key), element("span", null, shown)));
    }
    document.body.append(tip);
    const { width, height } = tip.getBoundingClientRect();
    const x = event.clientX + 14 + width > innerWidth ? event.clientX - width - 14 : event.clientX + 14;
    const y = event.clientY + 14 + height > innerHeight ? event.clientY - height - 14 : event.clientY + 14;
    tip.style.left = `${Math.max(4, x)}px`;
    tip.style.top = `${Math.max(4, y)}px`;
  };
}

/** Calls back for clicks on marks, not for the end of a drag. */
function onClick(view, box, call) {
  let down = null;
  box.addEventListener("pointerdown", (event) => {
    down = event.clientX;
  });
  view.addEventListener("click", (event, item) => {
    if (item?.datum && (down === null || Math.abs(event.clientX - down) < 5)) call(item.datum);
  });
}

/** Calls back with the time span of a drag, when the pointer is released. */
function onDrag(view, box, zone, call, finishers) {
  let times = null;
  view.addSignalListener("brush", (_, value) => {
    times = value?.t ?? null;
  });
  // Vertical moves scroll the page.
  for (const canvas of box.querySelectorAll("canvas")) canvas.style.touchAction = "pan-y";
  const end = new AbortController();
  finishers.push(() => end.abort());
  const report = () => setTimeout(() => { // after Vega's handler of the last move
    if (times === null) return;
    const [from, to] = times.map(Number).sort((a, b) => a - b);
    times = null;
    if (to > from) call(Math.round(zone.seconds(from)), Math.round(zone.seconds(to)));
  }, 0);
  addEventListener("pointerup", report, { signal: end.signal });
}

/** A legend: [colour, text or element, kind of swatch]. */
function legendOf(entries, title = null) {
  const list = element("ul.legend", null);
  if (title) list.append(element("li.title", null, title));
  for (const [colour, shown, kind] of entries) {
    const swatch = element(`span.swatch.${kind ?? "dot"}`, { "aria-hidden": "true" });
    swatch.style.setProperty("--colour", colour);
    list.append(element("li", null, swatch, shown));
  }
  return list;
}

/** Colours of the severity classes in the page's style, the worst first. */
function severityColours() {
  const style = getComputedStyle(document.documentElement);
  return SEVERITIES.map((_, s) => style.getPropertyValue(`--severity-${s}`).trim() || "gray");
}

/** Legend entries of the severity classes in `classes`. */
function severityEntries(classes) {
  const colours = severityColours();
  const names = SEVERITIES.map(({ from }, s) => (from ? `${from}–${SEVERITIES[s - 1]?.from ?? 100}` : `below ${SEVERITIES[s - 1].from}`));
  return names.map((text, s) => [colours[s], text]).filter((_, s) => classes.has(s));
}

/** The step of STEPS that divides a span into at most `most` parts. */
function stepFor(span_, most, least = 300) {
  return STEPS.find((step) => step >= least && span_ / step <= most) ?? Math.ceil(span_ / most / 86400) * 86400;
}

/** A step in words: "6 hours", "day". */
function stepName(seconds) {
  const [unit, size] = [["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]].find(([, length]) => seconds % length === 0);
  return seconds === size ? unit : `${whole(seconds / size)} ${unit}s`;
}

/** A step as a length: "6 hours", "a day". */
function stepLength(seconds) {
  const name = stepName(seconds);
  return /^\d/.test(name) ? name : name === "hour" ? "an hour" : `a ${name}`;
}
