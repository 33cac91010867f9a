/* All anomalies over time: each group, counts, and by detector. */

/** The worst selected interval of each selected group: groups, and the worst group interval by group. */
function worstGroupIntervals(doc, selection) {
  const worst = new Int32Array(doc.groups.id.length).fill(-1);
  const groups = [];
  for (const m of selection.groupIntervals) {
    const g = doc.group_intervals.group[m];
    if (worst[g] < 0) groups.push(g);
    if (worst[g] < 0 || doc.group_intervals.score[m] > doc.group_intervals.score[worst[g]]) worst[g] = m;
  }
  return { groups, worst };
}

/** Lines of a tooltip about a group interval. */
function groupIntervalLines(doc, zone, m) {
  const g = doc.group_intervals.group[m];
  const detector = doc.detectors[doc.groups.detector[g]];
  return [
    ["detector", named(detector.title)], ["measure", named(detector.measures[doc.groups.measure[g]])],
    ["time", startText(zone, detector, doc.group_intervals.time[m], true)], ["severity", severity(doc.group_intervals.score[m])],
    ["metrics", whole(doc.group_intervals.metrics[m])],
  ];
}

/** The times of the axis, milliseconds on the wall clock, with a margin. */
function timeDomain({ first, last }, zone) {
  const [a, b] = [zone.shift(first), zone.shift(last)];
  const room = Math.max((b - a) * 0.01, 1800000);
  return [a - room, b + room];
}

/** The time that is shown; in days where it is long. */
const daySpan = (zone, { first, last }) => span(zone, first, last, last - first < 14 * 86400);

/** Spans of the time that is shown in which no selected detector judged; none where that is unknown of one. */
function unjudged(doc, { detectors, first, last }) {
  const spans = detectors.map((d) => judgedSpans(doc.detectors[d]));
  if (!spans.length || spans.some((known_) => known_ === null)) return [];
  const gaps = [];
  let at = first;
  for (const [from, to] of spans.flat().sort((a, b) => a[0] - b[0])) {
    if (from > at) gaps.push([at, from]);
    at = Math.max(at, to);
  }
  if (at < last) gaps.push([at, last]);
  // Narrower ones would not be seen.
  return gaps.filter(([from, to]) => (to - from) * 400 > last - first);
}

/** All anomalies: a mark for each group at its worst interval; counts where there are too many. */
async function drawTimeline(place, doc, selection, options) {
  const { zone, onTime } = options;
  const { groups, worst } = worstGroupIntervals(doc, selection);
  if (!groups.length && !selection.counts.length) return nothing(place, "No anomalies in the selection.");
  if (groups.length > MOST_MARKS || selection.counts.length) return drawCounts(place, doc, selection, options);
  // The worst groups are drawn last, on top.
  groups.sort((a, b) => doc.group_intervals.score[worst[a]] - doc.group_intervals.score[worst[b]]);
  const rows = groups.map((g) => {
    const score = doc.group_intervals.score[worst[g]];
    return { t: zone.shift(doc.group_intervals.time[worst[g]]), v: score, s: severityClass(score), k: g };
  });
  const domain = timeDomain(selection, zone);
  const shades = unjudged(doc, selection).map(([from, to]) => ({ t: Math.max(zone.shift(from), domain[0]), u: Math.min(zone.shift(to), domain[1]), c: 0 }))
    .filter(({ t, u }) => t < u);
  const theme = chartTheme(options.dark);
  const view = await drawChart(place, "timeline", { groups: rows, shades }, options, {
    domain,
    adjust: (spec) => {
      spec.layer[0].mark.color = theme.rule.color;
      const { y } = spec.layer[1].encoding;
      y.scale.domain[0] = rows[0].v >= 50 ? 50 : 0;
      y.axis.values = y.axis.values.filter((value) => value >= y.scale.domain[0]);
    },
    legend: shades.length ? legendOf(shadeEntries(shades, theme)) : null,
    tip: ({ k }) => groupIntervalLines(doc, zone, worst[k]),
    onClick: ({ k }) => k !== undefined && options.onGroup?.(k),
    onTime,
  });
  const top = worst[groups[groups.length - 1]];
  return labelled(place, view, `${plural(groups.length, "anomaly group")}, ${daySpan(zone, selection)}; `
    + `the worst: ${severity(doc.group_intervals.score[top])} at ${startText(zone, doc.detectors[doc.groups.detector[doc.group_intervals.group[top]]], doc.group_intervals.time[top])}, `
    + `${nameIn(measureOf(doc, doc.group_intervals.group[top]))}.`);
}

const measureOf = (doc, g) => doc.detectors[doc.groups.detector[g]].measures[doc.groups.measure[g]];

/** Group intervals counted by time and severity, with those that the document only counts. */
async function drawCounts(place, doc, selection, options) {
  const { zone } = options;
  const least = selection.counts.length ? 86400 : 300;
  const begin = zone.shift(selection.first) / 1000;
  const step = stepFor(zone.shift(selection.last) / 1000 - begin, Math.min(120, options.width / 6), least);
  const origin = 345600; // a Monday, so that weeks begin with one
  const cells = new Map();
  let listed = 0;
  let counted = 0;
  const add = (seconds, score, count) => {
    const bin = Math.floor((zone.shift(seconds) / 1000 - origin) / step);
    const key = bin * 10 + Math.min(9, Math.max(0, Math.floor(score / 10)));
    cells.set(key, (cells.get(key) ?? 0) + count);
  };
  for (const m of selection.groupIntervals) add(doc.group_intervals.time[m], doc.group_intervals.score[m], 1);
  listed = selection.groupIntervals.length;
  for (const i of selection.counts) {
    // Days are UTC days: their noon is within the day of the zone that most of them belongs to.
    add(doc.counts.day[i] + 43200, doc.counts.score[i], doc.counts.group_intervals[i]);
    counted += doc.counts.group_intervals[i];
  }
  let most = 0;
  for (const n of cells.values()) most = Math.max(most, n);
  const edges = classEdges(most);
  const rows = [...cells].map(([key, n]) => {
    const bin = Math.floor(key / 10);
    const t = (bin * step + origin) * 1000;
    const lo = 10 * (key - bin * 10);
    return { t, u: t + step * 1000, lo, hi: lo + 10, n, c: edges.findLastIndex((edge) => n >= edge), k: key };
  });
  const colours = COUNT_COLOURS[options.dark ? "dark" : "light"].slice(-edges.length);
  const room = [Math.min(...rows.map(({ t }) => t)), Math.max(...rows.map(({ u }) => u))];
  const [from, to] = timeDomain(selection, zone);
  const view = await drawChart(place, "counts", { cells: rows }, options, {
    domain: [Math.min(from, room[0]), Math.max(to, room[1])],
    adjust: (spec) => {
      Object.assign(spec.encoding.color.scale, { domain: edges.map((_, c) => c), range: colours });
    },
    tip: ({ t, lo, hi, n }) => [
      ["from", wallWords(t, step % 86400 !== 0, true)], ["for", stepLength(step)], ["severity", `${lo}–${hi}`],
      ["anomalous intervals", whole(n)],
    ],
    legend: legendOf(edges.map((edge, c) => {
      const next = (edges[c + 1] ?? most + 1) - 1;
      return [colours[c], next > edge ? `${whole(edge)}–${whole(next)}` : whole(edge), "square"];
    }), "anomalous intervals"),
    onTime: options.onTime,
  });
  const also = counted ? `, ${whole(counted)} of them known only as counts,` : "";
  return labelled(place, view, `${plural(listed + counted, "anomalous interval")}${also} of ${plural(selection.groups.length, "group")}, `
    + `${daySpan(zone, selection)}, as counts by ${stepName(step)} and severity; `
    + "choose a shorter time or a higher severity to see each one.");
}

/** Lower ends of at most five classes of counts up to `most`, in geometric progression. */
function classEdges(most) {
  const factor = Math.max(2, Math.ceil(most ** 0.2));
  return [0, 1, 2, 3, 4].map((c) => factor ** c).filter((tick) => tick <= most);
}

/** One row for each detector, the worst first: its highest severity over time. */
async function drawLanes(place, doc, selection, options) {
  const { zone } = options;
  const narrow = options.width < 500;
  const most = narrow ? 60 : 120;
  const step = stepFor(zone.shift(selection.last) / 1000 - zone.shift(selection.first) / 1000, most - 2);
  const bins = new Map(); // detector -> bin -> worst group interval
  const worst = new Map(selection.detectors.map((d) => [d, -1]));
  for (const m of selection.groupIntervals) {
    const d = doc.groups.detector[doc.group_intervals.group[m]];
    if (!bins.has(d)) bins.set(d, new Map());
    const bin = Math.floor((zone.shift(doc.group_intervals.time[m]) / 1000 - 345600) / step);
    const there = bins.get(d).get(bin);
    if (there === undefined || doc.group_intervals.score[m] > doc.group_intervals.score[there]) bins.get(d).set(bin, m);
    worst.set(d, Math.max(worst.get(d) ?? -1, doc.group_intervals.score[m]));
  }
  if (!bins.size) return nothing(place, "No anomalies in the selection.");
  const size = (d) => bins.get(d)?.size ?? 0;
  const order = [...worst.keys()].sort((a, b) => worst.get(b) - worst.get(a) || size(b) - size(a) || a - b);
  // With many detectors, those without anomalies are left out.
  const shown = order.filter((d) => order.length <= 20 || bins.has(d)).slice(0, LANES);
  const labels = axisLabels(shown.map((d) => doc.detectors[d].title), narrow ? 16 : 32);
  const cells = [];
  let [from, to] = timeDomain(selection, zone);
  shown.forEach((d, row) => {
    for (const [bin, m] of bins.get(d) ?? []) {
      const t = (bin * step + 345600) * 1000;
      const u = t + step * 1000;
      [from, to] = [Math.min(from, t), Math.max(to, u)];
      cells.push({ t, u, r: labels[row], s: severityClass(doc.group_intervals.score[m]), k: m });
    }
  });
  const rows = shown.map((d, row) => ({ t: from, u: to, r: labels[row], k: -1 - row }));
  const detectorAt = (k) => (k < 0 ? shown[-1 - k] : doc.groups.detector[doc.group_intervals.group[k]]);
  const view = await drawChart(place, "lanes", { cells, rows }, options, {
    domain: [from, to],
    adjust: (spec) => {
      spec.height *= labels.length; // of one row in the file
      spec.encoding.y.scale.domain = labels;
      spec.encoding.y.axis.labelLimit = narrow ? 96 : 200;
    },
    tip: ({ k }) => (k < 0
      ? [["detector", named(doc.detectors[detectorAt(k)].title)]]
      : [...groupIntervalLines(doc, zone, k), ["of", `the worst within ${stepLength(step)}`]]),
    legend: legendOf(severityEntries(new Set(cells.map(({ s }) => s))), "severity"),
    onClick: ({ k }) => k !== undefined && options.onDetector?.(detectorAt(k)),
    onTime: options.onTime,
  });
  const [first] = shown;
  const left = bins.size - shown.filter((d) => bins.has(d)).length;
  return labelled(place, view, `${plural(bins.size, "detector")} of ${whole(order.length)} had anomalies, `
    + `${daySpan(zone, selection)}, each cell the worst within ${stepLength(step)}; `
    + `the worst: ${nameIn(doc.detectors[first].title)}, ${severity(worst.get(first))}.`
    + (left ? ` ${plural(left, "less severe detector")} left out.` : ""));
}
