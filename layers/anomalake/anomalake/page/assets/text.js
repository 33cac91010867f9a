/* Elements, and the format of numbers, times and commands. */

/**
 * An element. Text of the data is only ever text; attributes and their names come from this code.
 * @param {string} tag a name, then classes after dots
 * @param {object|null} attributes `on…` are listeners; null and false are left out
 * @param {...(Node|string|number|null)} children
 */
function element(tag, attributes, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const byId = (id) => document.getElementById(id);

/** A name or value of the data; isolated, so that its text direction does not affect the text around it; long ones are cut. */
function named(text) {
  const shown = text === "" ? "(empty)" : /^[\s\p{C}\p{Z}\p{M}]+$/u.test(text) ? "(blank)" : text;
  return element("bdi.name", { dir: "auto", title: text.length > 16 ? text : null }, shown);
}

/** A name within plain text (an attribute, a sentence for the screen reader), between isolating characters. */
const isolated = (text) => `\u2068${text}\u2069`;

const formats = new Map();

function formatted(value, options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat("en", options));
  return formats.get(key).format(value);
}

/** A whole number. */
const whole = (value) => formatted(value, { maximumFractionDigits: 0 });

/** A measured number in a short form. */
function amount(value) {
  if (!Number.isFinite(value)) return "unknown";
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(3);
  if (size >= 1000) return formatted(value, { maximumFractionDigits: size < 10000 ? 1 : 0 });
  return formatted(value, { maximumSignificantDigits: 4 });
}

/** A severity, rounded down, so that it stays in its class. */
function severity(score) {
  return formatted(Math.floor(score * 10 + 1e-9) / 10, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

/** "1 group", "2 groups". */
function plural(count, singular, many = `${singular}s`) {
  return `${whole(count)} ${count === 1 ? singular : many}`;
}

/** Seconds in words. */
function duration(seconds) {
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const found = units.findIndex(([, size]) => seconds >= size);
  if (found < 0) return plural(Math.max(0, seconds), "second");
  const [unit, size] = units[found];
  const count = Math.floor(seconds / size);
  const next = units[found + 1];
  const rest = next ? Math.round((seconds - count * size) / next[1]) : 0;
  if (rest && count < 10) return `${plural(count, unit)} ${plural(rest, next[0])}`;
  return plural(Math.round(seconds / size), unit);
}

const frequencies = new Map([
  ["PT5M", 300], ["PT10M", 600], ["PT15M", 900], ["PT30M", 1800], ["PT1H", 3600], ["P1D", 86400], ["P7D", 604800],
]);

/** Seconds of an interval by its frequency, or 0. */
function intervalOf(detector) {
  return frequencies.get(detector.frequency) ?? 0;
}

/** A time span; a common day is written once. */
function span(zone, start, end, withTime = true) {
  const [a, b] = [zone.say(start, withTime), zone.say(end, withTime)];
  if (a === b) return a;
  return withTime && zone.say(start, false) === zone.say(end, false) ? `${a} – ${b.slice(-5)}` : `${a} – ${b}`;
}

/** The start of an interval: without the time of day where the detector's intervals are days. */
function startText(zone, detector, seconds, weekday = false) {
  const days = intervalOf(detector) >= 86400 && zone.text(seconds).endsWith("00:00");
  return zone.say(seconds, !days, weekday);
}

/** The time of several intervals, by the starts of the first and the last one: to the end of the last one. */
function intervalSpan(zone, detector, first, last, weekday = false) {
  const from = startText(zone, detector, first, weekday);
  const length = intervalOf(detector);
  if (length >= 86400 || !length) {
    const to = startText(zone, detector, last, weekday);
    return from === to ? from : `${from} – ${to}`;
  }
  const end = last + length;
  const midnight = zone.text(end).endsWith("00:00");
  // The end of a day belongs to that day.
  const day = zone.say(midnight ? end - 1 : end, false);
  const time = midnight ? "24:00" : zone.text(end).slice(-5);
  return day === zone.say(first, false) ? `${from} – ${time}` : `${from} – ${day}, ${time}`;
}

/** Whether values of a measure are averaged when they are combined; true unless the aggregation is SUM. */
const isMean = (detector, measure) => detector.aggregations[measure] !== "SUM";

/** Pairs of dimension and value of a combination; null for others. */
function combinationParts(detector, combination) {
  if (combination === OTHERS) return null;
  const width = detector.dimensions.length;
  const parts = [];
  detector.dimensions.forEach(([dimension, values], d) => {
    const value = detector.combinations.data[combination * width + d];
    if (value !== LACKS) parts.push([dimension, values[value]]);
  });
  return parts;
}

/** A word of a shell's command line: any text stays one word, without invisible characters. */
function shellWord(text) {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  const escaped = text.replace(/[\\']/g, "\\$&").replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0);
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `$'${escaped}'`;
}

/** A command with its options, each as one word. */
function command(words, options) {
  return [...words, ...options.map(([key, value]) => (value === null ? key : `${key}=${shellWord(value)}`))].join(" ");
}

/** A field of a CSV file. Text that a spreadsheet reads as a formula gets an apostrophe in front. */
function csvField(value) {
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const safe = /^[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Saves a file that the page makes. */
function download(parts, file) {
  const address = URL.createObjectURL(new Blob(parts, { type: "text/csv;charset=utf-8" }));
  const link = element("a", { href: address, download: file });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

/** Facts: a title and a value each. */
function factList(...pairs) {
  return element("dl.facts", null, ...pairs.map(([title, ...value]) =>
    element("div", null, element("dt", null, title), element("dd", null, ...value))));
}

/** A list whose first items are shown, the others on request. */
function folded(items, most) {
  if (items.length <= most + 1) return items;
  return [...items.slice(0, most), element("details", null,
    element("summary", null, `and ${whole(items.length - most)} more`), ...items.slice(most))];
}

/** A severity as a coloured mark and a number. */
function severityMark(score) {
  const index = severityClass(score);
  return element("span.severity", { title: `${SEVERITIES[index].name} severity` },
    element(`span.swatch.severity-${index}`, { "aria-hidden": "true" }), severity(score));
}

/** Replaces the children of an element; null is left out. */
function replaceChildren(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child !== null));
}

/** Lets the browser draw and handle events during long work. */
const pause = () => new Promise((resolve) => {
  setTimeout(resolve, 0);
});
