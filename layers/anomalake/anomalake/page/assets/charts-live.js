/* Charts of values over time: of a detector and of a group. */

/** Seconds between the times of a detector's live values. */
const liveStep = (detector) => (intervalOf(detector) || 3600) * detector.live.intervals;

/** The number of neighbouring times that are combined to a point, so that there are at most `most` points: a usual step. */
function thinning(times, most, step) {
  const least = Math.ceil(times / most);
  if (least <= 1) return 1;
  const nice = STEPS.find((candidate) => candidate % step === 0 && candidate / step >= least);
  return nice ? nice / step : least;
}

/**
 * The times that are drawn, and their points.
 * All points have the same number of times, because a point with fewer would look like a decrease: the oldest times that
 * do not fill a point are left out.
 * @returns {{first: number, by: number, count: number}} index of the first time, number of times of a point, number of points
 */
function pointsOf(live, from, to, most, step) {
  let first = 0;
  let end = live.times.length;
  while (first < end && live.times[first] < from) first += 1;
  while (end > first && live.times[end - 1] > to) end -= 1;
  const by = thinning(end - first, most, step);
  const count = Math.floor((end - first) / by);
  return { first: end - count * by, by, count };
}

/**
 * Sum or mean of several series in each point.
 * Values that were not observed are left out of both. Where only some metrics were judged, the observed values of the others
 * count as expected. A side that is open for some metrics only has, for those, the distance of their other side.
 * @param {object} live
 * @param {number} measure
 * @param {number[]} series indices of `live.series`
 * @returns {{value: Float64Array, expected: Float64Array, lower: Float64Array, upper: Float64Array}} NaN for unknown
 */
function together(live, measure, series, { first, by, count }, mean, withExpected) {
  const [, width, length] = live.values.shape;
  const made = () => new Float64Array(count);
  const sums = {
    value: made(), seen: made(), usual: made(), judged: made(), below: made(), above: made(), down: made(), up: made(),
  };
  for (const s of series) {
    const from = (measure * width + s) * length + first;
    const part = ({ data }) => data.subarray(from, from + by * count);
    addObserved(sums, part(live.values), by);
    if (withExpected) addExpected(sums, part(live.values), part(live.expected), part(live.lower), part(live.upper), by);
  }
  const { value, usual, seen, judged, down, up } = sums;
  const [lower, upper] = [made(), made()];
  for (let p = 0; p < count; p += 1) {
    const share = seen[p] ? (mean ? 1 / seen[p] : 1) : NaN;
    value[p] *= share;
    usual[p] *= judged[p] ? share : NaN;
    lower[p] = sums.below[p] ? usual[p] - Math.sqrt(down[p]) * share : NaN;
    upper[p] = sums.above[p] ? usual[p] + Math.sqrt(up[p]) * share : NaN;
  }
  return { value, expected: usual, lower, upper };
}

/** Adds the observed values of a series to the sums; a point has `by` times. */
function addObserved({ value, seen }, values, by) {
  for (let i = 0, p = 0; i < values.length; p += 1) {
    for (const end = i + by; i < end; i += 1) {
      if (values[i] === values[i]) {
        value[p] += values[i];
        seen[p] += 1;
      }
    }
  }
}

/** Adds the expected values of a series, and the squares of the distances to the ends of its range. */
function addExpected({ usual, judged, below, above, down, up }, values, expected, lower, upper, by) {
  for (let i = 0, p = 0; i < values.length; p += 1) {
    for (const end = i + by; i < end; i += 1) {
      const e = expected[i];
      if (values[i] !== values[i]) continue;
      if (e !== e) {
        usual[p] += values[i];
        continue;
      }
      const openBelow = lower[i] !== lower[i];
      const openAbove = upper[i] !== upper[i];
      const far = e - lower[i];
      const high = upper[i] - e;
      usual[p] += e;
      judged[p] += 1;
      if (!openBelow) below[p] += 1;
      if (!openAbove) above[p] += 1;
      down[p] += (openBelow ? (openAbove ? 0 : high) : far) ** 2;
      up[p] += (openAbove ? (openBelow ? 0 : far) : high) ** 2;
    }
  }
}

/** Series by line: [{text, series}], the largest first, the rest as others. */
function linesOf(detector, measure, split, mask, points, mean) {
  const { live } = detector;
  const whole_ = mask.every((inside) => inside);
  // The last series are totals of others.
  const passing = [...live.series.keys()].slice(0, live.series.length - live.roll_ups)
    .filter((s) => (live.series[s] === OTHERS ? whole_ : mask[live.series[s]]));
  if (split === null) return passing.length ? [{ text: null, series: passing }] : [];
  const width = detector.dimensions.length;
  const byValue = new Map();
  for (const s of passing) {
    const c = live.series[s];
    const value = c === OTHERS ? "others" : detector.combinations.data[c * width + split];
    if (!byValue.has(value)) byValue.set(value, []);
    byValue.get(value).push(s);
  }
  const rest = byValue.get("others") ?? [];
  byValue.delete("others");
  const size = new Map();
  for (const [value, series] of byValue) {
    // All times as one point.
    const [sum] = together(live, measure, series, { ...points, by: points.by * points.count, count: 1 }, mean, false).value;
    size.set(value, sum === sum ? Math.abs(sum) : -1);
  }
  const ranked = [...byValue.keys()].sort((a, b) => size.get(b) - size.get(a) || a - b);
  const most = ranked.length + (rest.length ? 1 : 0) > LINES + 1 ? LINES : ranked.length;
  const [dimension, values] = detector.dimensions[split];
  const lines = ranked.slice(0, most).map((value) => ({
    value, series: byValue.get(value), text: value === LACKS ? `without ${dimension}` : values[value],
  }));
  const left = ranked.slice(most);
  if (left.length || rest.length) {
    const text = rest.length ? "others" : plural(left.length, "other");
    lines.push({ value: "others", series: [...left.flatMap((value) => byValue.get(value)), ...rest], text });
  }
  return lines;
}

/** Rows of the expected line and band; a side that is open extends to the edge of the chart. */
function bandRows(times, sums, edges) {
  const rows = [];
  for (let p = 0; p < times.length; p += 1) {
    const [e, lo, hi] = [sums.expected[p], sums.lower[p], sums.upper[p]];
    const band = lo === lo || hi === hi;
    rows.push({ t: times[p], e: orNull(e), lo: band ? (orNull(lo) ?? edges[0]) : null, hi: band ? (orNull(hi) ?? edges[1]) : null });
  }
  return rows.some(({ e }) => e !== null) ? rows : [];
}

const orNull = (value) => (Number.isFinite(value) ? value : null);

/** The lowest and the highest number of several arrays. */
function extent(...arrays) {
  let [low, high] = [Infinity, -Infinity];
  for (const array of arrays) {
    for (const v of array) {
      if (v < low) low = v;
      if (v > high) high = v;
    }
  }
  return low <= high ? [low, high] : [0, 1];
}

/** The point of a time, or -1. */
function pointAt(live, points, time) {
  let [low, high] = [0, live.times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (live.times[middle] <= time) low = middle + 1;
    else high = middle;
  }
  const p = Math.floor((low - 1 - points.first) / points.by);
  const beyond = low === live.times.length && points.count && time > live.times[low - 1]
    && time - live.times[low - 1] >= (live.times.length > 1 ? live.times[1] - live.times[0] : Infinity);
  return low > 0 && p >= 0 && p < points.count && !beyond ? p : -1;
}

/**
 * Marks of group intervals on lines: at each point of a line the worst one.
 * @param {Array<[number, number]>} hits pairs of group interval and line
 */
function lineMarks(doc, live, points, times, sums, hits) {
  const worst = new Map();
  for (const [m, c] of hits) {
    const p = pointAt(live, points, doc.group_intervals.time[m]);
    if (p < 0) continue;
    const there = worst.get(p * (LINES + 2) + c);
    if (there === undefined || doc.group_intervals.score[m] > doc.group_intervals.score[there]) worst.set(p * (LINES + 2) + c, m);
  }
  const marks = [];
  for (const [key, m] of worst) {
    const p = Math.floor(key / (LINES + 2));
    const c = key % (LINES + 2);
    const v = sums[c].value[p];
    if (v === v) marks.push({ t: times[p], v, s: severityClass(doc.group_intervals.score[m]), m, c, k: key });
  }
  const score = ({ m }) => doc.group_intervals.score[m];
  return marks.sort((a, b) => score(b) - score(a)).slice(0, 800).reverse();
}

/** Live values of a measure: one line with expected values, or one line for each value of a dimension. */
async function drawLive(place, doc, selection, options) {
  const detector = doc.detectors[options.detector];
  const live = detector?.live;
  const { measure } = options;
  if (!live?.times.length || !(measure in detector.measures)) {
    return nothing(place, `No live values are known${detector?.live_problem ? `: ${plain(detector.live_problem, 300)}` : "."}`);
  }
  const mean = isMean(detector, measure);
  const { from, to } = selection.filters;
  const most = options.width < 500 ? 150 : 300;
  const points = pointsOf(live, from ?? -Infinity, to ?? Infinity, most, liveStep(detector));
  const split = options.split ?? null;
  const lines = points.count ? linesOf(detector, measure, split, selection.masks[options.detector], points, mean) : [];
  if (!lines.length) return nothing(place, "No live values in the selection.");
  const sums = lines.map(({ series }) => together(live, measure, series, points, mean, split === null));
  const marks = [];
  const ofThis = (g) => doc.groups.detector[g] === options.detector && doc.groups.measure[g] === measure;
  if (split === null) {
    for (const m of selection.groupIntervals) if (ofThis(doc.group_intervals.group[m])) marks.push([m, 0]);
  } else {
    const lineOf = new Map();
    const totals = new Set(live.series.slice(live.series.length - live.roll_ups));
    lines.forEach(({ series }, c) => {
      for (const s of series) lineOf.set(live.series[s], c);
    });
    for (const a of selection.affected) {
      const m = doc.affected.group_interval[a];
      const combination = doc.affected.combination[a];
      const c = lineOf.get(combination) ?? (totals.has(combination) ? undefined : lineOf.get(OTHERS));
      if (c !== undefined && ofThis(doc.group_intervals.group[m])) marks.push([m, c]);
    }
  }
  return drawLines(place, doc, detector, { lines, sums, points, marks, mean, measure, split }, options);
}

/** Spans of time without data, and of time with data that was not judged; none where nothing was judged. */
function shadesOf({ value, expected }, times, end) {
  const seen = Uint8Array.from(value, (v) => (v === v ? 1 : 0));
  const regular = regularGaps(times.map((t) => t / 1000), seen);
  const shades = [];
  for (let p = 0; p < times.length; p += 1) {
    const judged = expected[p] === expected[p];
    const c = seen[p] ? (judged ? -1 : 0) : (regular[p] ? -1 : 1);
    if (c < 0) continue;
    const last = shades[shades.length - 1];
    const u = times[p + 1] ?? end;
    if (last && last.c === c && last.u === times[p]) last.u = u;
    else shades.push({ t: times[p], u, c });
  }
  return shades;
}

/** Draws lines, band and marks; returns the caption. */
async function drawLines(place, doc, detector, { lines, sums, points, marks: hits, mean, measure, split }, options) {
  const { zone } = options;
  const { live } = detector;
  const times = Array.from({ length: points.count }, (_, p) => zone.shift(live.times[points.first + p * points.by]));
  const band = split === null;
  const edges = extent(...sums.map(({ value }) => value), ...(band ? [sums[0].lower, sums[0].upper, sums[0].expected] : []));
  const expected = band ? bandRows(times, sums[0], edges) : [];
  const marks = lineMarks(doc, live, points, times, sums, hits)
    .map((mark) => ({ ...mark, o: Number((options.group ?? doc.group_intervals.group[mark.m]) !== doc.group_intervals.group[mark.m]) }));
  const end = times.length > 1 ? times[times.length - 1] + times[1] - times[0] : times[0] + 1000;
  const shades = shadesOf(band ? sums[0] : { value: lastOf(sums), expected: judgedPoints(live, measure, points) }, times, end);
  const rows = [];
  lines.forEach(({ value }, c) => {
    const colour = value === "others" ? LINES : c;
    for (let p = 0; p < points.count; p += 1) rows.push({ t: times[p], v: orNull(sums[c].value[p]), c: colour });
  });
  const single = lines.every(({ series }) => series.length === 1) && points.by * live.intervals === 1;
  const own = numbersOf(doc, doc.detectors.indexOf(detector), measure);
  const numbers = mean && !single ? own.finer() : own;
  const colours = LINE_COLOURS[options.dark ? "dark" : "light"];
  const theme = chartTheme(options.dark);
  const lineName = (c) => (lines[c].text === null ? named(detector.measures[measure]) : named(lines[c].text));
  const legend = [];
  if (band) {
    legend.push([colours[0], "observed", "line"]);
    if (expected.length) legend.push([theme.rule.color, "expected", "dashed"], [theme.rule.color, "expected range", "band"]);
  } else lines.forEach(({ value }, c) => legend.push([colours[value === "others" ? LINES : c], lineName(c), "line"]));
  legend.push(...shadeEntries(shades, theme));
  if (marks.length) legend.push(...severityEntries(new Set(marks.map(({ s }) => s))));
  if (marks.some(({ o }) => o)) legend.push([theme.rule.color, "another group", "diamond"]);
  const { small } = options;
  const view = await drawChart(place, "live", {
    shades, expected, lines: rows, marks, times: times.map((t, p) => ({ t, k: p })),
  }, options, {
    domain: [times[0], Math.max(times[times.length - 1], times[0] + 1000)],
    adjust: (spec) => {
      const [shade, area, dashes, line, hover, dots] = spec.layer;
      if (small) {
        spec.height = 100;
        Object.assign(line.encoding.x?.axis ?? spec.encoding.x.axis, { title: null, tickCount: 3 });
        area.encoding.y.axis.tickCount = 3;
        dots.encoding.size.scale.range = [50, 42, 34, 28];
      }
      shade.mark.color = theme.rule.color;
      numberAxis(area.encoding.y.axis, Math.max(Math.abs(edges[0]), Math.abs(edges[1])));
      dashes.mark.color = theme.rule.color;
      line.mark.point = points.count <= 30; // a line of one point is invisible
      hover.mark.strokeWidth = Math.min(40, Math.max(1, options.width / points.count));
    },
    tip: (row) => (row.m === undefined
      ? pointLines(row.k, times, lines, sums, lineName, band, numbers)
      : [["time", startText(zone, detector, doc.group_intervals.time[row.m], true)],
        ["severity", severity(doc.group_intervals.score[row.m])],
        ["metrics affected", whole(doc.group_intervals.metrics[row.m])], [lineName(row.c), numbers.text(shortened(row.v))],
        ...(row.o ? [["another group", "click to open it"]] : [])]),
    legend: small ? null : legendOf(legend),
    onClick: ({ m }) => m !== undefined && options.onGroup?.(doc.group_intervals.group[m]),
  });
  const step = liveStep(detector) * points.by;
  const last = live.times[points.first + points.by * points.count - 1];
  const how = points.by * live.intervals === 1 ? "" : `, ${mean ? "the mean of" : "the sum over"} ${stepLength(step)} each`;
  const worst = marks[marks.length - 1];
  return labelled(place, view, `${nameIn(detector.measures[measure])}${band ? (lines[0].text === null ? "" : ` of ${nameIn(lines[0].text)}`) : ` by ${nameIn(detector.dimensions[split][0])}`} `
    + `(${mean ? "mean" : "sum"}), ${intervalSpan(zone, detector, live.times[points.first], last)}, ${plural(points.count, "point")}${how}, `
    + `from ${numbers.text(shortened(edgesOf(sums)[0]))} to ${numbers.text(shortened(edgesOf(sums)[1]))}; `
    + (worst ? `${plural(markedGroups(doc, marks), "group")} marked, the worst ${severity(doc.group_intervals.score[worst.m])} at ${startText(zone, detector, doc.group_intervals.time[worst.m])}.`
      : "no anomaly in the selection.")
    + (band && !expected.length ? " The expected values are unknown." : ""));
}

/** A number over time, with the digits of the document. */
const shortened = (value) => Number(value.toPrecision(7));

/** A value of any line at each point; NaN where no line has one. */
const lastOf = (sums) => Float64Array.from(sums[0].value, (_, p) => sums.find(({ value }) => value[p] === value[p])?.value[p] ?? NaN);

/** 1 at each point of which a time was judged, in any series of a measure; else NaN. */
function judgedPoints(live, measure, { first, by, count }) {
  const [, width, length] = live.values.shape;
  const judged = new Float64Array(count).fill(NaN);
  for (let s = 0; s < width; s += 1) {
    const from = (measure * width + s) * length + first;
    for (let i = 0; i < by * count; i += 1) if (live.expected.data[from + i] === live.expected.data[from + i]) judged[Math.floor(i / by)] = 1;
  }
  return judged;
}

/** Number of groups that marks are of. */
const markedGroups = (doc, marks) => new Set(marks.map(({ m }) => doc.group_intervals.group[m])).size;

const edgesOf = (sums) => extent(...sums.map(({ value }) => value));

/** Lines of a tooltip about all lines at a time. */
function pointLines(p, times, lines, sums, lineName, band, numbers) {
  const shown = [["time", wallWords(times[p], true, true)]];
  lines.forEach((_, c) => shown.push([lineName(c), numbers.text(shortened(sums[c].value[p]))]));
  const { expected, lower, upper } = sums[0];
  if (band && expected[p] === expected[p]) {
    const point = { expected: expected[p], lower: lower[p], upper: upper[p] };
    shown.push(["expected", usualWords(numbers, point)], ["range", rangeWords(numbers, point)]);
  }
  return shown;
}

/** Observed and expected values: the total of the selection, over the time that was judged. */
function drawExpected(place, doc, selection, options) {
  const live = doc.detectors[options.detector]?.live;
  const [from, to] = live ? judgedTime(live, options.measure) : [0, -1];
  if (from > to) return nothing(place, "The expected values are unknown.");
  const filters = { ...selection.filters, from: Math.max(from, selection.filters.from ?? from), to: Math.min(to, selection.filters.to ?? to) };
  return drawLive(place, doc, { ...selection, filters }, { ...options, split: null });
}

/** The first and the last time with an expected value of a measure. */
function judgedTime(live, measure) {
  const [, width, length] = live.values.shape;
  let [first, last] = [length, -1];
  for (let s = measure * width; s < (measure + 1) * width; s += 1) {
    const row = live.expected.data.subarray(s * length, (s + 1) * length);
    for (let i = 0; i < first; i += 1) if (row[i] === row[i]) first = i;
    for (let i = length - 1; i > last; i -= 1) if (row[i] === row[i]) last = i;
  }
  return last < 0 ? [0, -1] : [live.times[first], live.times[last]];
}

/**
 * The metrics of a group: those that are affected in any of its intervals.
 * @returns {{combinations: number[], series: number[]|null, rest: boolean}} `series`: indices of `live.series`, null where
 *   not all have live values of their own; `rest`: whether some are only among the others
 */
function metricsOf(doc, g) {
  const index = indexOf(doc);
  const combinations = new Set();
  for (let i = index.ofGroup[g]; i < index.ofGroup[g + 1]; i += 1) {
    const m = index.groupIntervals[i];
    for (let a = index.affected[m]; a < index.affected[m + 1]; a += 1) combinations.add(doc.affected.combination[a]);
  }
  const rest = combinations.delete(OTHERS);
  const { live } = doc.detectors[doc.groups.detector[g]];
  const at = new Map(live ? [...live.series].map((c, s) => [c, s]) : []);
  const series = [...combinations].flatMap((c) => at.get(c) ?? []);
  return { combinations: [...combinations], series: series.length && series.length === combinations.size ? series : null, rest };
}

/** Index of a time among the live values, or -1. */
function timeAt(live, time) {
  const i = live.times.indexOf(time);
  return live.intervals === 1 ? i : -1;
}

/**
 * Observed and expected values of a group in an interval: of all its metrics together, or, where their values over time are
 * unknown, of the metrics that are affected in that interval.
 * @returns {{value: number, expected: number, lower: number, upper: number, metrics: number, all: boolean}} NaN for unknown;
 *   `all`: of all metrics of the group
 */
function groupPoint(doc, g, m) {
  const detector = doc.detectors[doc.groups.detector[g]];
  const measure = doc.groups.measure[g];
  const mean = isMean(detector, measure);
  const { series, rest } = metricsOf(doc, g);
  const first = series && !rest ? timeAt(detector.live, doc.group_intervals.time[m]) : -1;
  if (first >= 0) {
    const sums = together(detector.live, measure, series, { first, by: 1, count: 1 }, mean, true);
    const [value, expected, lower, upper] = ["value", "expected", "lower", "upper"].map((name) => sums[name][0]);
    if (value === value && expected === expected) return { value: shortened(value), expected, lower, upper, metrics: series.length, all: true };
  }
  const { v, e, lo, hi } = affectedTogether(doc, m, mean);
  return { value: v ?? NaN, expected: e ?? NaN, lower: lo ?? NaN, upper: hi ?? NaN, metrics: doc.group_intervals.metrics[m], all: false };
}

/** Chart of a group: its metrics together, from two days before to a day after; or the values of its intervals. */
async function drawGroup(place, doc, selection, options) {
  const g = options.group;
  const detector = doc.detectors[doc.groups.detector[g]];
  const measure = doc.groups.measure[g];
  const index = indexOf(doc);
  const groupIntervals = [...index.groupIntervals.subarray(index.ofGroup[g], index.ofGroup[g + 1])];
  const { live } = detector;
  const { series, rest } = metricsOf(doc, g);
  if (series) {
    const points = pointsOf(live, ...around(doc, g), 1000, liveStep(detector));
    const within = points.count && groupIntervals.some((m) => pointAt(live, points, doc.group_intervals.time[m]) >= 0);
    if (within) {
      const mean = isMean(detector, measure);
      const sums = [together(live, measure, series, points, mean, true)];
      const marks = [...groupIntervals, ...othersOf(doc, g, selection.filters.least)].map((m) => [m, 0]);
      const caption = await drawLines(place, doc, detector,
        { lines: [{ text: null, series }], sums, points, marks, mean, measure, split: null }, options);
      return rest ? `${caption} Without the metrics that the page has only combined.` : caption;
    }
  }
  return drawGroupIntervals(place, doc, detector, groupIntervals, options);
}

/** Chart of one metric of a group, with its range and its anomalies: around the group, or over all of its time. */
async function drawMetric(place, doc, selection, options) {
  const { group: g, combination, all, small } = options;
  const detector = doc.detectors[doc.groups.detector[g]];
  const measure = doc.groups.measure[g];
  const { live } = detector;
  const s = live ? live.series.indexOf(combination) : -1;
  if (s < 0) return nothing(place, "The values of this metric over time are not on this page.");
  const [from, to] = all ? [-Infinity, Infinity] : around(doc, g);
  const points = pointsOf(live, from, to, small ? 200 : 600, liveStep(detector));
  if (!points.count) return nothing(place, "The values of this metric at that time are not on this page.");
  const mean = isMean(detector, measure);
  const sums = [together(live, measure, [s], points, mean, true)];
  const index = indexOf(doc);
  const least = selection.filters.least;
  const marks = [];
  for (let m = 0; m < doc.group_intervals.group.length; m += 1) {
    const other = doc.group_intervals.group[m];
    if (doc.groups.detector[other] !== doc.groups.detector[g] || doc.groups.measure[other] !== measure) continue;
    if (other !== g && doc.group_intervals.score[m] < least) continue;
    const rows = doc.affected.combination.subarray(index.affected[m], index.affected[m + 1]);
    if (rows.includes(combination)) marks.push([m, 0]);
  }
  const text = (combinationParts(detector, combination) ?? []).map(([, value]) => value).join(" · ") || null;
  return drawLines(place, doc, detector, { lines: [{ text, series: [s] }], sums, points, marks, mean, measure, split: null }, options);
}

/** The group's neighbours: groups of its detector and measure of at least a severity, in the order of their starts. */
function neighboursOf(doc, g, least) {
  const { detector, measure, score, start } = doc.groups;
  const alike = doc.groups.id.flatMap((_, other) =>
    (detector[other] === detector[g] && measure[other] === measure[g] && (score[other] >= least || other === g) ? [other] : []));
  return alike.sort((a, b) => start[a] - start[b] || a - b);
}

/** Intervals of a group's neighbours, at other times than its own. */
function othersOf(doc, g, least) {
  const index = indexOf(doc);
  const intervals = (group) => [...index.groupIntervals.subarray(index.ofGroup[group], index.ofGroup[group + 1])];
  const own = new Set(intervals(g).map((m) => doc.group_intervals.time[m]));
  return neighboursOf(doc, g, least).filter((other) => other !== g).flatMap(intervals)
    .filter((m) => !own.has(doc.group_intervals.time[m]));
}

/** The time around a group that its charts show: from two days, or 48 intervals of days, before to half of that after. */
function around(doc, g) {
  const step = liveStep(doc.detectors[doc.groups.detector[g]]);
  const before = Math.max(172800, step >= 86400 ? 48 * step : 0);
  return [doc.groups.start[g] - before, doc.groups.end[g] + Math.max(86400, before / 2)];
}

/**
 * Sums or means of the affected metrics of a group interval, from its own rows; null where one metric's is unknown.
 * @returns {{v: number|null, e: number|null, lo: number|null, hi: number|null, n: number}} value, expected, range, how many
 */
function affectedTogether(doc, m, mean) {
  const { value, expected, lower, upper } = doc.affected;
  const index = indexOf(doc);
  const [first, end] = [index.affected[m], index.affected[m + 1]];
  const sums = { v: 0, e: 0, down: 0, up: 0 };
  for (let a = first; a < end; a += 1) {
    sums.v += value[a];
    sums.e += expected[a];
    sums.down += (expected[a] - lower[a]) ** 2;
    sums.up += (upper[a] - expected[a]) ** 2;
  }
  const n = end - first;
  const share = n ? (mean ? 1 / n : 1) : NaN;
  const e = sums.e * share;
  return {
    v: orNull(sums.v * share), e: orNull(e), lo: orNull(e - Math.sqrt(sums.down) * share),
    hi: orNull(e + Math.sqrt(sums.up) * share), n,
  };
}

/** Chart of a group's intervals, from their own rows. */
async function drawGroupIntervals(place, doc, detector, groupIntervals, options) {
  const { zone, group: g } = options;
  const mean = isMean(detector, doc.groups.measure[g]);
  const own = numbersOf(doc, doc.groups.detector[g], doc.groups.measure[g]);
  const numbers = mean ? own.finer() : own;
  const rows = [];
  for (const m of groupIntervals) {
    const sums = affectedTogether(doc, m, mean);
    if (sums.v !== null) rows.push({ ...sums, t: zone.shift(doc.group_intervals.time[m]), s: severityClass(doc.group_intervals.score[m]), k: m });
  }
  if (!rows.length) return nothing(place, "The values of this group are unknown.");
  const judged = rows.some(({ e }) => e !== null);
  const [low, high] = extent(rows.flatMap(({ v, e, lo, hi }) => [v, e ?? v, lo ?? v, hi ?? v]));
  for (const row of rows) { // an open side extends to the edge
    if (row.e === null || (row.lo === null && row.hi === null)) continue;
    row.open = row.lo === null ? "below" : row.hi === null ? "above" : "";
    [row.lo, row.hi] = [row.lo ?? low, row.hi ?? high];
  }
  const theme = chartTheme(options.dark);
  const step = intervalOf(detector) || 3600;
  const room = Math.max(step * 2000, (rows[rows.length - 1].t - rows[0].t) * 0.05);
  const legend = severityEntries(new Set(rows.map(({ s }) => s)));
  if (judged) legend.unshift([theme.rule.color, "expected", "line"], [theme.rule.color, "expected range", "band"]);
  const view = await drawChart(place, "group-intervals", { groupIntervals: rows }, options, {
    domain: [rows[0].t - room, rows[rows.length - 1].t + room],
    adjust: (spec) => {
      const scale = { zero: false, domain: [low - (high - low) * 0.1, high + (high - low) * 0.1 || 1] };
      Object.assign(spec.layer[0].encoding.y, { scale, axis: { title: null } });
      numberAxis(spec.layer[0].encoding.y.axis, Math.max(Math.abs(low), Math.abs(high)));
      spec.layer[0].mark.opacity = theme.area.opacity;
      spec.layer[1].mark.stroke = theme.rule.color;
    },
    tip: ({ k, v, e, lo, hi, open }) => {
      const point = { expected: e ?? NaN, lower: open === "below" ? NaN : (lo ?? NaN), upper: open === "above" ? NaN : (hi ?? NaN) };
      return [
        ["time", startText(zone, detector, doc.group_intervals.time[k], true)], [mean ? "mean" : "value", numbers.text(v)],
        ...(e === null ? [] : [["expected", usualWords(numbers, point)]]),
        ...(lo === null || open === undefined ? [] : [["range", rangeWords(numbers, point)]]),
        ["severity", severity(doc.group_intervals.score[k])], ["metrics affected", whole(doc.group_intervals.metrics[k])],
      ];
    },
    legend: legendOf(legend),
  });
  const worst = rows.reduce((a, b) => (doc.group_intervals.score[b.k] > doc.group_intervals.score[a.k] ? b : a));
  const point = { expected: worst.e ?? NaN, lower: worst.open === "below" ? NaN : (worst.lo ?? NaN),
    upper: worst.open === "above" ? NaN : (worst.hi ?? NaN) };
  return labelled(place, view, `${plural(rows.length, "anomalous interval")} of ${nameIn(measureOf(doc, g))}, from the `
    + `alerts, with the metrics that were affected in each; the worst ${severity(doc.group_intervals.score[worst.k])} at `
    + `${startText(zone, detector, doc.group_intervals.time[worst.k])}: ${numbers.text(worst.v)}`
    + `${worst.e === null ? "" : ` instead of ${usualWords(numbers, point)}`}.`);
}
