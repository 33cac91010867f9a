/* The document, the selection that passes the filters, and time zones. */

/** Lower end of the page's severity classes, and their names. */
const SEVERITIES = [
  { from: 85, name: "extreme" },
  { from: 70, name: "high" },
  { from: 50, name: "moderate" },
  { from: 0, name: "low" },
];
const OTHERS = -1;
const LACKS = -1;

/**
 * Reads a document that `page.document.pack` packed.
 * @param {ArrayBuffer} buffer
 * @returns {object} the document: 1-d arrays as typed arrays, others as {data, shape}
 */
function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const doc = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  if (doc.format !== 3) throw new Error(`the document has format ${doc.format}: this page reads format 3`);
  const start = 4 + length;
  const types = { i4: Int32Array, f4: Float32Array, f8: Float64Array };
  const array = ([type, offset, shape]) => {
    const data = new types[type](buffer, start + offset, shape.reduce((a, b) => a * b, 1));
    return shape.length === 1 ? data : { data, shape };
  };
  const resolved = (value) => {
    if (Array.isArray(value)) {
      // Lists of names may be long, and have no arrays.
      if (typeof value[0] !== "object" || value[0] === null) return value;
      for (let i = 0; i < value.length; i += 1) value[i] = resolved(value[i]);
      return value;
    }
    if (value === null || typeof value !== "object") return value;
    if (value.$) return array(value.$);
    for (const name of Object.keys(value)) value[name] = resolved(value[name]);
    return value;
  };
  for (const name of Object.keys(doc)) if (name !== "groups") doc[name] = resolved(doc[name]);
  for (const name of Object.keys(doc.groups)) {
    if (name !== "id" && name !== "related") doc.groups[name] = resolved(doc.groups[name]);
  }
  setTitles(doc.detectors);
  return doc;
}

/** Sets the title of each detector: its name; where several have that name, with region and account. */
function setTitles(detectors) {
  const count = new Map();
  for (const { name } of detectors) count.set(name, (count.get(name) ?? 0) + 1);
  for (const detector of detectors) {
    const { arn, name } = detector;
    const [, , , region, account] = arn.split(":");
    detector.title = count.get(name) === 1 ? name
      : `${name} (${[region, account].filter(Boolean).join(", ") || arn})`;
  }
}

const indices = new WeakMap();

/**
 * Index of a document's rows, computed once.
 * @returns {{affected: Uint32Array, contributions: Uint32Array, ofGroup: Uint32Array,
 *   groupIntervals: Uint32Array, worst: Int32Array}} index of the first row of each group interval (one index more than
 *   group intervals); index in `groupIntervals` of the first one of each group; the worst one of each group, or -1
 */
function indexOf(doc) {
  let index = indices.get(doc);
  if (index) return index;
  const count = doc.group_intervals.group.length;
  const groups = doc.groups.id.length;
  const starts = (of, count) => {
    const from = new Uint32Array(count + 1);
    for (let i = 0; i < of.length; i += 1) from[of[i] + 1] += 1;
    for (let i = 0; i < count; i += 1) from[i + 1] += from[i];
    return from;
  };
  const ofGroup = starts(doc.group_intervals.group, groups);
  const next = ofGroup.slice();
  const order = new Uint32Array(count);
  const worst = new Int32Array(groups).fill(-1);
  for (let m = 0; m < count; m += 1) {
    const g = doc.group_intervals.group[m];
    order[next[g]] = m;
    next[g] += 1;
    if (worst[g] < 0 || doc.group_intervals.score[m] > doc.group_intervals.score[worst[g]]) worst[g] = m;
  }
  index = {
    affected: starts(doc.affected.group_interval, count),
    contributions: starts(doc.contributions.group_interval, count),
    ofGroup, groupIntervals: order, worst,
  };
  indices.set(doc, index);
  return index;
}

/** Filters that everything passes. */
function noFilters() {
  return { detectors: null, measures: null, dimensions: new Map(), from: null, to: null, least: 0 };
}

/** The severity from which alerts are sent: that of the least severe alert of a group, at most L4M's default of 70. */
function alertSeverity(doc) {
  if (!leastAlerts.has(doc)) {
    const { alerted, score } = doc.group_intervals;
    let least = SEVERITIES[1].from;
    for (let m = 0; m < score.length; m += 1) if (alerted[m] && score[m] < least) least = Math.floor(score[m]);
    leastAlerts.set(doc, least);
  }
  return leastAlerts.get(doc);
}

const leastAlerts = new WeakMap();

/** Filters that the page starts with. */
const startFilters = (doc) => ({ ...noFilters(), least: alertSeverity(doc) });

/** Number of groups that pass all filters but that for severity, and not that. */
function lessSevere(doc, filters, groups) {
  return filters.least ? select(doc, { ...filters, least: 0 }).groups.length - groups.length : 0;
}

const judgedTimes = new WeakMap();

/**
 * The time that a detector judged, as spans of epoch seconds: first start, end.
 * Times without data at which others days of the week have none either do not end a span.
 * @returns {[number, number][]|null} null for unknown
 */
function judgedSpans(detector) {
  if (!judgedTimes.has(detector)) judgedTimes.set(detector, spansOf(detector));
  return judgedTimes.get(detector);
}

function spansOf(detector) {
  const { live, backtest } = detector;
  const step = intervalOf(detector) || 3600;
  if (!live || !live.times.length) return backtest ? [[backtest.first, backtest.last + step]] : null;
  const length = live.times.length;
  const rows = live.values.shape[0] * live.values.shape[1];
  const judged = new Uint8Array(length);
  const seen = new Uint8Array(length);
  for (let row = 0; row < rows; row += 1) {
    for (let i = 0, at = row * length; i < length; i += 1, at += 1) {
      if (live.expected.data[at] === live.expected.data[at]) judged[i] = 1;
      if (live.values.data[at] === live.values.data[at]) seen[i] = 1;
    }
  }
  const regular = regularGaps(live.times, seen);
  const spans = [];
  let open = false;
  for (let i = 0; i < length; i += 1) {
    const end = live.times[i] + step * live.intervals;
    if (judged[i]) {
      if (open) spans[spans.length - 1][1] = end;
      else spans.push([live.times[i], end]);
      open = true;
    } else if (!regular[i]) open = false;
  }
  return spans;
}

/** For each time whether it has no data and others of its time of day, or of the week, mostly have none either. */
function regularGaps(times, seen) {
  const slots = [86400, 604800].map((period) => {
    const counts = new Map();
    for (let i = 0; i < times.length; i += 1) {
      const slot = times[i] % period;
      const [empty, all] = counts.get(slot) ?? [0, 0];
      counts.set(slot, [empty + (seen[i] ? 0 : 1), all + 1]);
    }
    return (time) => {
      const [empty, all] = counts.get(time % period);
      return all > 2 && 2 * empty > all;
    };
  });
  return Uint8Array.from(times, (time, i) => (!seen[i] && slots.some((usual) => usual(time)) ? 1 : 0));
}

/** Dimension values of a detector that pass: for each dimension null (all) or a mask; null if it lacks a dimension. */
function valueMasks(detector, dimensions) {
  const masks = detector.dimensions.map(() => null);
  for (const [name, values] of dimensions) {
    const d = detector.dimensions.findIndex(([other]) => other === name);
    if (d < 0) return null;
    masks[d] = Uint8Array.from(detector.dimensions[d][1], (value) => (values.has(value) ? 1 : 0));
  }
  return masks;
}

/** Mask of the combinations of a detector that pass. */
function combinationMask(detector, masks) {
  const [count, width] = detector.combinations.shape;
  const mask = new Uint8Array(count);
  if (masks === null) return mask;
  mask.fill(1);
  masks.forEach((values, d) => {
    if (values === null) return;
    for (let c = 0; c < count; c += 1) {
      const value = detector.combinations.data[c * width + d];
      if (value === LACKS || !values[value]) mask[c] = 0;
    }
  });
  return mask;
}

/**
 * The selection of a document that passes the filters.
 * @param {object} doc
 * @param {{detectors: Set<number>|null, measures: Set<string>|null, dimensions: Map<string, Set<string>>,
 *   from: number|null, to: number|null, least: number}} filters
 */
function select(doc, filters) {
  const { group_intervals: all, groups: of, affected: rows, contributions: shares, counts } = doc;
  const index = indexOf(doc);
  const from = filters.from ?? -Infinity;
  const to = filters.to ?? Infinity;
  const byDimension = filters.dimensions.size > 0;
  const detectors = [];
  const chosen = new Uint8Array(doc.detectors.length);
  doc.detectors.forEach((detector, d) => {
    const asked = filters.detectors === null || filters.detectors.has(d);
    const has = filters.measures === null || !detector.measures.length
      || detector.measures.some((name) => filters.measures.has(name));
    if (asked && has) {
      detectors.push(d);
      chosen[d] = 1;
    }
  });
  const measures = doc.detectors.map(({ measures: names }) =>
    Uint8Array.from(names, (name) => (filters.measures === null || filters.measures.has(name) ? 1 : 0)));
  const values = doc.detectors.map((detector) => valueMasks(detector, filters.dimensions));
  const masks = doc.detectors.map((detector, d) => combinationMask(detector, values[d]));

  const wanted = new Uint8Array(of.id.length); // groups whose detector and measure pass
  for (let g = 0; g < wanted.length; g += 1) {
    wanted[g] = chosen[of.detector[g]] & measures[of.detector[g]][of.measure[g]];
  }
  const groupIntervals = new Uint32Array(all.group.length);
  const affected = new Uint32Array(rows.group_interval.length);
  const contributions = new Uint32Array(shares.group_interval.length);
  const selected = new Uint8Array(of.id.length);
  let m = 0;
  let a = 0;
  let c = 0;
  for (let i = 0; i < all.group.length; i += 1) {
    const g = all.group[i];
    const time = all.time[i];
    if (!wanted[g] || time < from || time > to || all.score[i] < filters.least) continue;
    const before = a;
    const mask = masks[of.detector[g]];
    for (let j = index.affected[i]; j < index.affected[i + 1]; j += 1) {
      const combination = rows.combination[j];
      if (!byDimension || (combination !== OTHERS && mask[combination])) {
        affected[a] = j;
        a += 1;
      }
    }
    if (byDimension && a === before) continue;
    const passes = values[of.detector[g]];
    for (let j = index.contributions[i]; j < index.contributions[i + 1]; j += 1) {
      const values_ = passes[shares.dimension[j]];
      if (values_ === null || values_[shares.value[j]]) {
        contributions[c] = j;
        c += 1;
      }
    }
    groupIntervals[m] = i;
    m += 1;
    selected[g] = 1;
  }
  if (!byDimension) {
    // Groups whose intervals are only counted.
    for (let g = 0; g < selected.length; g += 1) {
      const unlisted = index.worst[g] < 0;
      if (unlisted && wanted[g] && of.end[g] >= from && of.start[g] <= to && of.score[g] >= filters.least) selected[g] = 1;
    }
  }
  let number = 0;
  for (let g = 0; g < selected.length; g += 1) number += selected[g];
  const groups = new Uint32Array(number);
  for (let g = 0, n = 0; g < selected.length; g += 1) {
    if (selected[g]) {
      groups[n] = g;
      n += 1;
    }
  }
  const counted = [];
  for (let i = 0; i < (byDimension ? 0 : counts.day.length); i += 1) {
    const day = counts.day[i];
    if (chosen[counts.detector[i]] && measures[counts.detector[i]][counts.measure[i]] && day + 86400 > from
      && day <= to && counts.score[i] >= filters.least) counted.push(i);
  }
  const [first, last] = shownTime(doc, filters, detectors);
  return {
    filters, detectors, groupIntervals: groupIntervals.slice(0, m), affected: affected.slice(0, a),
    contributions: contributions.slice(0, c), groups, counts: Uint32Array.from(counted), masks, first, last,
  };
}

/** The time that charts show: that of the filters, else all times of the selected detectors. */
function shownTime(doc, filters, detectors) {
  let first = Infinity;
  let last = -Infinity;
  const include = (time) => {
    if (time < first) first = time;
    if (time > last) last = time;
  };
  const chosen = new Set(detectors);
  for (const d of detectors) {
    const { live, alerts, backtest } = doc.detectors[d];
    if (live && live.times.length) {
      include(live.times[0]);
      include(live.times[live.times.length - 1]);
    }
    for (const span of [alerts, backtest]) {
      if (span) {
        include(span.first);
        include(span.last);
      }
    }
  }
  for (let g = 0; g < doc.groups.id.length; g += 1) {
    if (chosen.has(doc.groups.detector[g])) {
      include(doc.groups.start[g]);
      include(doc.groups.end[g]);
    }
  }
  for (let i = 0; i < doc.counts.day.length; i += 1) if (chosen.has(doc.counts.detector[i])) include(doc.counts.day[i]);
  if (first > last) [first, last] = [doc.made_at - 86400, doc.made_at];
  first = filters.from ?? first;
  last = filters.to ?? last;
  return first <= last ? [first, last] : [first, first];
}

/**
 * The clock of a time zone.
 * @param {object} doc
 * @param {"viewer"|"detector"} choice
 * @param {number[]} detectors the detectors that are shown
 */
function zoneOf(doc, choice, detectors) {
  let name = "UTC";
  if (choice === "viewer") {
    name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  } else {
    const names = new Set(detectors.map((d) => doc.detectors[d].timezone));
    if (names.size === 1) [name] = names;
  }
  const offset = offsetsOf(name);
  if (offset.name !== name) name = offset.name;
  const shift = (seconds) => (seconds + offset.at(seconds)) * 1000;
  const text = (seconds, withTime = true) => {
    const instant = shift(seconds);
    if (!(Math.abs(instant) <= 8.64e15)) return "unknown";
    const clock = new Date(instant).toISOString().split(".")[0].replace("T", " "); // as the CSV file has it
    return clock.slice(0, withTime ? -3 : -9);
  };
  const say = (seconds, withTime = true, weekday = false) => {
    const instant = shift(seconds);
    return Math.abs(instant) <= 8.64e15 ? wallWords(instant, withTime, weekday) : "unknown";
  };
  const seconds = (clock) => {
    const wall = clock / 1000;
    let instant = wall - offset.at(wall);
    instant = wall - offset.at(instant);
    return wall - offset.at(instant);
  };
  return { name, shift, text, say, seconds };
}

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Milliseconds on the wall clock as people read them: "Fri 8 Feb 2013, 20:00". */
function wallWords(ms, withTime = true, weekday = false) {
  const clock = new Date(ms);
  const day = `${clock.getUTCDate()} ${MONTHS[clock.getUTCMonth()]} ${clock.getUTCFullYear()}`;
  const time = withTime ? `, ${clock.toISOString().split("T")[1].slice(0, 5)}` : "";
  return `${weekday ? `${WEEKDAYS[clock.getUTCDay()]} ` : ""}${day}${time}`;
}

const zones = new Map();

/** Offset of a zone from UTC in seconds; UTC for an invalid name. */
function offsetsOf(name) {
  if (zones.has(name)) return zones.get(name);
  let format;
  try {
    format = new Intl.DateTimeFormat("en-GB", {
      timeZone: name, hourCycle: "h23", era: "short", year: "numeric", month: "numeric", day: "numeric",
      hour: "numeric", minute: "numeric", second: "numeric",
    });
  } catch {
    name = "UTC";
  }
  const exact = (seconds) => {
    if (!format || !(Math.abs(seconds) <= 8.6e12)) return 0;
    const parts = {};
    for (const { type, value } of format.formatToParts(seconds * 1000)) parts[type] = value;
    const year = parts.era.startsWith("B") ? 1 - Number(parts.year) : Number(parts.year);
    const clock = new Date(0);
    clock.setUTCFullYear(year, parts.month - 1, parts.day);
    clock.setUTCHours(parts.hour, parts.minute, parts.second);
    return Math.round(clock.getTime() / 1000 - Math.floor(seconds));
  };
  const hours = new Map();
  const hour = (n) => {
    let known = hours.get(n);
    if (known === undefined) hours.set(n, (known = exact(n * 3600)));
    return known;
  };
  const days = new Map();
  const at = (seconds) => {
    // Offsets change on few days, and at the start of a quarter of an hour.
    const day = Math.floor(seconds / 86400);
    let known = days.get(day);
    if (known === undefined) {
      const same = hour(day * 24) === hour(day * 24 + 24);
      days.set(day, (known = same ? hour(day * 24) : null));
    }
    return known ?? exact(Math.floor(seconds / 900) * 900);
  };
  const offsets = { name, at };
  zones.set(name, offsets);
  return offsets;
}

/** Index of a severity's class: 0 for the worst. */
function severityClass(score) {
  const index = SEVERITIES.findIndex(({ from }) => score >= from);
  return index < 0 ? SEVERITIES.length - 1 : index;
}
