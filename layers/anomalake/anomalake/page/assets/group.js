/* The view of one group. */

const view = { group: null, memory: null, time: null, metric: null, all: false, said: null, opener: null, scroll: 0 };

/** Most metrics of a group with a small chart each. */
const mostMultiples = () => (matchMedia("(max-width: 640px)").matches ? 4 : 9);

function openGroup(g) {
  location.hash = groupHash(state.doc, g);
}

/** Shows the group in the address, or all. */
function route() {
  const { doc } = state;
  const g = groupAt(doc, location.hash);
  const notice = byId("state");
  notice.hidden = g >= 0 || !/(\/|%2f)anomalies(\/|%2f)/i.test(location.hash);
  if (!notice.hidden) {
    notice.textContent = "The group that the link names is not on this page: it may be newer than the page, "
      + "or not severe enough to be listed.";
  }
  if (g >= 0) showGroup(g);
  else closeGroup();
}

function showGroup(g) {
  const overview = byId("overview");
  if (!overview.hidden) {
    view.scroll = scrollY;
    view.opener = document.activeElement;
  }
  view.group = g;
  view.time = null;
  view.metric = null;
  view.all = false;
  view.memory = { by: null, down: false, page: 0 };
  overview.hidden = true;
  byId("group").hidden = false;
  drawGroupView();
  drawClock();
  scrollTo(0, 0);
  byId("group-title").focus({ preventScroll: true });
}

function closeGroup() {
  const overview = byId("overview");
  const was = view.group !== null;
  view.group = null;
  forgetPictures();
  byId("group").hidden = true;
  byId("group").replaceChildren();
  overview.hidden = false;
  document.title = state.title;
  if (!was) return;
  drawClock();
  scrollTo(0, view.scroll);
  const opener = view.opener?.isConnected && view.opener !== document.body ? view.opener : byId("main");
  opener.focus({ preventScroll: true });
  drawPictures();
}

/** Removes the charts of a group. */
function forgetPictures() {
  for (const id of pictures.keys()) if (/^(group-picture|metric-picture|multiple-\d+)$/.test(id)) forget(id);
}

function leaveGroup() {
  location.hash = "";
}

/** Words for how unexpected a score is. */
function unexpected(score) {
  return `${["extremely", "highly", "clearly", "slightly"][severityClass(score)]} unexpected`;
}

/** A metric's dimension values on one line; the measure's name where it has none. */
function metricName(detector, measure, combination) {
  const parts = combinationParts(detector, combination);
  if (parts === null) return ["others"];
  if (!parts.length) return [named(detector.measures[measure])];
  return parts.flatMap(([, value], i) => [...(i ? [" · "] : []), named(value)]);
}

/** How the point of a group is written: means of several metrics have a digit more. */
function groupNumbers(doc, g, metrics) {
  const own = numbersOf(doc, doc.groups.detector[g], doc.groups.measure[g]);
  return metrics > 1 && isMean(doc.detectors[doc.groups.detector[g]], doc.groups.measure[g]) ? own.finer() : own;
}

/** A sentence about the group. */
function groupSentence(doc, g, zone) {
  const { groups: of } = doc;
  const detector = doc.detectors[of.detector[g]];
  const worst = indexOf(doc).worst[g];
  const words = [named(detector.measures[of.measure[g]]), " of ", named(detector.title)];
  const single = of.start[g] === of.end[g];
  const when = `${single && intervalOf(detector) < 86400 ? "" : "on "}${intervalSpan(zone, detector, of.start[g], of.end[g], true)}`.replace(/^(?:on )?(.*) – /, "from $1 to ");
  const point = worst < 0 ? { value: NaN } : groupPoint(doc, g, worst);
  const numbers = groupNumbers(doc, g, point.metrics);
  const seen = Number.isFinite(point.value);
  if (seen && Number.isFinite(point.expected)) {
    words.push(` was ${point.value > point.expected ? "higher" : "lower"} than expected, ${when}. `,
      ...pointWords(doc, g, worst, zone, point, numbers), ` instead of ${usualWords(numbers, point)}`);
  } else {
    words.push(` was unusual, ${when}`);
    if (seen) words.push(". ", ...pointWords(doc, g, worst, zone, point, numbers));
    if (!of.known[g]) words.push("; the expected values are unknown (the lake has only its alerts)");
  }
  const parts = worst < 0 ? [] : leading(doc, worst);
  if (parts.length && point.metrics > 1) {
    words.push(", the largest part in ");
    parts.forEach(({ dimension, value, share }, i) => {
      if (i) words.push(" and ");
      words.push(named(dimension), " ", named(value), ` (${share} %)`);
    });
  }
  words.push(`. That is ${unexpected(of.score[g])}.`);
  return element("p.sentence", null, ...words);
}

/** "At its worst, 8 Feb 2013, 20:00, the 9 metrics of this group together had 40". */
function pointWords(doc, g, m, zone, point, numbers) {
  const detector = doc.detectors[doc.groups.detector[g]];
  const measure = doc.groups.measure[g];
  const mean = isMean(detector, measure);
  const only = doc.groups.start[g] === doc.groups.end[g];
  const when = only ? "Then " : `At its worst, ${startText(zone, detector, doc.group_intervals.time[m])}, `;
  const value = numbers.text(point.value);
  if (point.metrics > 1) {
    const which = point.all ? `the ${whole(point.metrics)} metrics of this group` : `the ${whole(point.metrics)} metrics affected at that time`;
    return [when, which, mean ? ` were ${value} on average` : ` together were ${value}`];
  }
  const row = indexOf(doc).affected[m];
  const combination = row < indexOf(doc).affected[m + 1] ? doc.affected.combination[row] : OTHERS;
  return [when, ...(combination === OTHERS ? ["it"] : metricName(detector, measure, combination)), ` was ${value}`];
}

/** Facts about whom to ask and what to do. */
function aboutFacts({ owner, runbook, note }) {
  return [
    ...(owner ? [["Owner", named(owner)]] : []),
    ...(runbook ? [["Runbook", runbookLink(runbook)]] : []),
    ...(note ? [["Note", element("span.note", { dir: "auto" }, note)]] : []),
  ];
}

/** A link to a web page; text where the address is none. */
function runbookLink(runbook) {
  if (!/^https?:\/\//.test(runbook)) return named(runbook);
  return element("a", { href: runbook, target: "_blank", rel: "noopener noreferrer" }, named(runbook.replace(/^https?:\/\//, "")));
}

/** Links to the previous and the next group of the same measure. */
function neighbourLinks(doc, g, zone) {
  const { least } = state.filters;
  const all = neighboursOf(doc, g, least);
  const at = all.indexOf(g);
  const detector = doc.detectors[doc.groups.detector[g]];
  const measure = named(detector.measures[doc.groups.measure[g]]);
  const link = (title, other, distance, words) => element("span.neighbour", null, `${title}: `,
    element("a", { href: groupHash(doc, other) }, startText(zone, detector, doc.groups.start[other], true)), " ",
    severityMark(doc.groups.score[other]), element("span.quieter", null, distance > 0 ? ` ${duration(distance)} ${words}` : " at that time"));
  const step = intervalOf(detector);
  const { start, end } = doc.groups;
  const links = [];
  if (at > 0) links.push(link("Previous", all[at - 1], start[g] - end[all[at - 1]] - step, "earlier"));
  if (at < all.length - 1) links.push(link("Next", all[at + 1], start[all[at + 1]] - end[g] - step, "later"));
  if (!links.length) return null;
  return element("nav.neighbours", { "aria-label": "Neighbours" },
    element("span.quieter", null, "Groups of ", measure, least ? ` of severity ${formatted(least, { maximumFractionDigits: 2 })} or more` : "", ":"), ...links);
}

function drawGroupView() {
  const { doc } = state;
  const g = view.group;
  const { groups: of } = doc;
  const index = indexOf(doc);
  const detector = doc.detectors[of.detector[g]];
  const zone = zoneOf(doc, state.clock, [of.detector[g]]);
  document.title = `${detector.measures[of.measure[g]]}, ${startText(zone, detector, of.start[g])} · anomalake`;
  const groupIntervals = Array.from(index.groupIntervals.subarray(index.ofGroup[g], index.ofGroup[g + 1]));
  const lasts = of.end[g] - of.start[g] + intervalOf(detector);
  const alerts = alertsOf(doc, g);
  const sent = alerts === groupIntervals.length ? "sent" : `sent in ${alerts} of ${plural(groupIntervals.length, "interval")}`;
  const facts = factList(
    ["Severity", severityMark(of.score[g])],
    ["When", intervalSpan(zone, detector, of.start[g], of.end[g], true)],
    ["Lasted", lasts > 0 ? duration(lasts) : "one interval"],
    ["Detector", named(detector.title)],
    ["Measure", named(detector.measures[of.measure[g]])],
    ["Alerts", alerts ? sent : "none sent"],
    ...aboutFacts(detector),
  );
  const back = element("a.back", { href: "#", onclick: (event) => {
    event.preventDefault();
    leaveGroup();
  } }, "← All anomalies");
  const card = (title, words, ...rest) => element("section.card", null,
    element("div.head", null, element("h2", null, title), words && element("p", null, words)), ...rest);
  const chosen = element("select", { id: "group-interval" }, ...groupIntervals.map((m) =>
    element("option", { value: m },
      `${startText(zone, detector, doc.group_intervals.time[m])} · severity ${severity(doc.group_intervals.score[m])}`)));
  if (groupIntervals.length) chosen.value = groupIntervals.find((m) => doc.group_intervals.time[m] === view.time) ?? index.worst[g];
  const metrics = element("div", { id: "group-metrics" });
  const shares = element("div.shares", { id: "group-shares" });
  const drawGroupInterval = () => {
    view.memory.page = 0;
    drawMetrics(metrics, Number(chosen.value));
    drawShares(shares, Number(chosen.value));
  };
  chosen.addEventListener("change", () => {
    view.time = doc.group_intervals.time[chosen.value];
    drawGroupInterval();
  });
  const badges = [...(isOngoing(doc, g) ? [element("span.badge.now", null, "ongoing")] : []), ...badgesOf(doc, g, zone, false)];
  const parts = [
    element("div.head", null, back),
    element("h2.title", { id: "group-title", tabindex: "-1" },
      named(detector.measures[of.measure[g]]), ` ${intervalSpan(zone, detector, of.start[g], of.end[g])}`),
    badges.length ? element("p.badges", null, ...badges) : null,
    groupSentence(doc, g, zone), neighbourLinks(doc, g, zone), facts,
    card("Observed against expected", null, element("div.picture", { id: "group-picture", "data-height": "300" }),
      element("p.caption", { id: "group-picture-caption" })),
  ];
  const multiples = worstMetrics(doc, g);
  if (multiples.length > 1) parts.push(multiplesCard(card, g, multiples));
  if (multiples.length) parts.push(element("section.card", { id: "metric-card", "aria-labelledby": "metric-title", hidden: true }));
  if (groupIntervals.length) {
    parts.push(element("div.controls.group-interval", null, element("label", null, "Interval ", chosen)));
    parts.push(element("div.pair", null, card("Metrics", "All metrics of this group in that interval, the worst first.", metrics),
      card("Contributions", "Share of each value in the deviation.", shares)));
  } else {
    parts.push(element("p.notice", null, "Its anomalies are only counted, not listed; see the notes of the page."));
  }
  parts.push(causesCard(card, g), relatedCard(card, g, zone), ...saidCards(card, g, zone));
  forgetPictures();
  replaceChildren(byId("group"), ...parts);
  if (groupIntervals.length) drawGroupInterval();
  picture("group-picture", (box, options) =>
    drawGroup(box, doc, state.selection, { ...options, zone, group: g, onGroup: openOther(g) }));
  if (multiples.length > 1) {
    multiples.filter((_, i) => byId(`multiple-${i}`)).forEach(({ combination }, i) => picture(`multiple-${i}`, (box, options) =>
      drawMetric(box, doc, state.selection, { ...options, width: Math.min(options.width, box.clientWidth), zone, group: g, combination, small: true, onGroup: openOther(g) })));
  }
  if (view.metric !== null) drawMetricCard(g, zone);
}

/** Opens another group whose mark is clicked. */
const openOther = (g) => (other) => {
  if (other !== g) openGroup(other);
};

/**
 * The metrics of a group with values over time, the worst first, each with its worst point.
 * @returns {{combination: number, point: {value: number, expected: number, lower: number, upper: number}}[]}
 */
function worstMetrics(doc, g) {
  const { affected } = doc;
  const index = indexOf(doc);
  const { live } = doc.detectors[doc.groups.detector[g]];
  const worst = new Map();
  for (let i = index.ofGroup[g]; i < index.ofGroup[g + 1]; i += 1) {
    const m = index.groupIntervals[i];
    for (let a = index.affected[m]; a < index.affected[m + 1]; a += 1) {
      const combination = affected.combination[a];
      const point = { value: affected.value[a], expected: affected.expected[a], lower: affected.lower[a], upper: affected.upper[a] };
      if (!worst.has(combination) || strength(point) > strength(worst.get(combination))) worst.set(combination, point);
    }
  }
  return [...worst].filter(([combination]) => combination !== OTHERS && live?.series.includes(combination))
    .map(([combination, point]) => ({ combination, point })).sort((a, b) => strength(b.point) - strength(a.point));
}

/** What names a metric in another document; null for none. */
const metricKey = (doc, g, combination) =>
  (combination === null ? null : JSON.stringify(combinationParts(doc.detectors[doc.groups.detector[g]], combination)));

/** The metric of a group that has a key, or null. */
const metricWith = (doc, g, key) =>
  (key === null ? null : worstMetrics(doc, g).find(({ combination }) => metricKey(doc, g, combination) === key)?.combination ?? null);

/** A small chart for each metric of a group. */
function multiplesCard(card, g, metrics) {
  const { doc } = state;
  const detector = doc.detectors[doc.groups.detector[g]];
  const numbers = groupNumbers(doc, g, 1);
  const most = mostMultiples();
  const figures = metrics.slice(0, most).map(({ combination, point }, i) => element("figure.multiple", null,
    element("figcaption", null,
      element("button.link", { type: "button", onclick: () => showMetric(combination) }, ...metricName(detector, doc.groups.measure[g], combination)),
      element("span.quieter", null, ` ${numbers.text(point.value)}${Number.isFinite(point.expected) ? ` instead of ${usualWords(numbers, point)}` : ""}`)),
    element("div.picture", { id: `multiple-${i}`, "data-height": "110" }),
    element("p.unseen", { id: `multiple-${i}-caption` })));
  const words = metrics.length > most ? `The ${most} worst of ${whole(metrics.length)}. Choose one for its own chart.`
    : "The worst first. Choose one for its own chart.";
  return card("Each metric", words, element("div.multiples", null, ...figures));
}

/** Shows the chart of a metric of the group. */
function showMetric(combination) {
  view.metric = combination;
  drawMetricCard(view.group, zoneOf(state.doc, state.clock, [state.doc.groups.detector[view.group]]));
  byId("metric-card").scrollIntoView({ block: "nearest" });
  byId("metric-title").focus({ preventScroll: true });
}

function drawMetricCard(g, zone) {
  const { doc } = state;
  const detector = doc.detectors[doc.groups.detector[g]];
  const box = byId("metric-card");
  if (!box) return;
  const span_ = element("select", { id: "metric-time" }, element("option", { value: "" }, "around this group"),
    element("option", { value: "all" }, "all of its time"));
  span_.value = view.all ? "all" : "";
  span_.addEventListener("change", () => {
    view.all = span_.value === "all";
    redraw("metric-picture");
  });
  const close = element("button.quiet", { type: "button", onclick: () => {
    view.metric = null;
    forget("metric-picture");
    box.hidden = true;
    byId("group-title").focus({ preventScroll: true });
  } }, "Close");
  forget("metric-picture");
  box.hidden = false;
  box.replaceChildren(
    element("div.head", null,
      element("h2", { id: "metric-title", tabindex: "-1" }, named(detector.measures[doc.groups.measure[g]]), " of ",
        ...metricName(detector, doc.groups.measure[g], view.metric)),
      element("div.controls", null, element("label", null, "Show ", span_), close)),
    element("div.picture", { id: "metric-picture", "data-height": "300" }),
    element("p.caption", { id: "metric-picture-caption" }));
  picture("metric-picture", (place, options) => drawMetric(place, doc, state.selection,
    { ...options, zone, group: g, combination: view.metric, all: view.all, onGroup: openOther(g) }));
}

/**
 * The metrics of a group in an interval, the worst first; those that are not affected then, where their values are known.
 * @returns {{combination: number, value: number, expected: number, lower: number, upper: number, affected: boolean}[]}
 */
function metricRows(doc, g, m) {
  const { affected } = doc;
  const index = indexOf(doc);
  const rows = [];
  const there = new Set();
  for (let a = index.affected[m]; a < index.affected[m + 1]; a += 1) {
    const [combination, value, expected, lower, upper] = ["combination", "value", "expected", "lower", "upper"].map((name) => affected[name][a]);
    rows.push({ combination, value, expected, lower, upper, affected: true });
    there.add(combination);
  }
  const detector = doc.detectors[doc.groups.detector[g]];
  const { live } = detector;
  const at = live ? timeAt(live, doc.group_intervals.time[m]) : -1;
  if (at >= 0) {
    const [, width, length] = live.values.shape;
    for (const combination of metricsOf(doc, g).combinations) {
      const s = there.has(combination) ? -1 : live.series.indexOf(combination);
      if (s < 0) continue;
      const cell = (doc.groups.measure[g] * width + s) * length + at;
      const [value, expected, lower, upper] = ["values", "expected", "lower", "upper"].map((name) => live[name].data[cell]);
      rows.push({ combination, value: shortened(value), expected, lower, upper, affected: false }); // NaN: no data
    }
  }
  return rows.sort((a, b) => b.affected - a.affected || strength(b) - strength(a));
}

/** How far a value is from what was expected, in widths of its range; 0 for unknown. */
function strength({ value, expected, lower, upper }) {
  const difference = value - expected;
  const width = difference > 0 ? upper - expected : expected - lower;
  return Math.abs(difference) / (width > 0 ? width : Math.abs(expected) || 1) || 0;
}

/** The metrics of a group in an interval, as a table. */
function drawMetrics(box, m) {
  const { doc } = state;
  const g = doc.group_intervals.group[m];
  const detector = doc.detectors[doc.groups.detector[g]];
  const list = metricRows(doc, g, m);
  const width = detector.dimensions.length;
  const value = (i, d) => {
    const { combination } = list[i];
    if (combination === OTHERS) return d === 0 ? "others" : "";
    const at = detector.combinations.data[combination * width + d];
    return at === LACKS ? "" : detector.dimensions[d][1][at];
  };
  const numbers = groupNumbers(doc, g, 1);
  const charted = (i) => Boolean(detector.live?.series.includes(list[i].combination));
  const metricButton = (i, text) => element("button.link", { type: "button", title: "Show its chart",
    onclick: () => showMetric(list[i].combination) }, text);
  const columns = [
    ...detector.dimensions.map(([dimension], d) => ({ title: dimension, head: d === 0, key: (i) => value(i, d),
      cell: (i) => (d || !charted(i) ? named(value(i, d) || "–") : metricButton(i, named(value(i, d) || "–"))) })),
    { title: "Observed", number: true, down: true, key: (i) => list[i].value,
      cell: (i) => (Number.isFinite(list[i].value) ? numbers.text(list[i].value) : "–") },
    { title: "Expected", number: true, down: true, key: (i) => list[i].expected, cell: (i) => usualWords(numbers, list[i]) },
    { title: "Range", number: true, wide: true, cell: (i) => rangeWords(numbers, list[i]) },
    { title: "Difference", number: true, wide: true, down: true, key: (i) => list[i].value - list[i].expected,
      cell: (i) => differenceCell(numbers, list[i]) },
  ];
  if (!width) {
    columns.unshift({ title: "Metric", head: true, cell: (i) => (charted(i) ? metricButton(i, named(detector.measures[doc.groups.measure[g]]))
      : named(detector.measures[doc.groups.measure[g]])) });
  }
  const more = doc.group_intervals.metrics[m] - list.filter(({ combination, affected }) => affected && combination !== OTHERS).length;
  const point = groupPoint(doc, g, m);
  const sums = groupNumbers(doc, g, point.metrics);
  const mean = isMean(detector, doc.groups.measure[g]);
  const foot = list.length > 1 && point.metrics === list.length
    ? [mean ? "Their mean" : "Together", ...Array(Math.max(0, width - 1)).fill(""),
      Number.isFinite(point.value) ? sums.text(point.value) : "–", usualWords(sums, point), rangeWords(sums, point), differenceCell(sums, point)]
    : null;
  pagedTable({ box, caption: "Metrics of the group", columns, rows: list.map((_, i) => i), size: 20, memory: view.memory, foot,
    quiet: (i) => !list[i].affected,
    open: list.some((_, i) => charted(i)) ? (i) => charted(i) && showMetric(list[i].combination) : undefined, empty: "Its affected metrics are not on this page." });
  if (list.some(({ affected }) => !affected)) box.append(element("p.hint", null, "Pale: within its range at that time, or without data."));
  if (list.length && more > 0) {
    box.append(element("p.hint", null, `${plural(more, "more metric")} were affected and are not listed.`));
  }
}

function differenceCell(numbers, { value, expected }) {
  const [words, share] = differenceWords(numbers, value, expected);
  return share ? element("span", null, words, element("span.quieter", null, ` (${share})`)) : words;
}

/** The contributions in a group interval, by dimension. */
function drawShares(box, m) {
  const { doc } = state;
  const { contributions } = doc;
  const index = indexOf(doc);
  const detector = doc.detectors[doc.groups.detector[doc.group_intervals.group[m]]];
  const of = new Map();
  for (let j = index.contributions[m]; j < index.contributions[m + 1]; j += 1) {
    const d = contributions.dimension[j];
    if (!of.has(d)) of.set(d, []);
    of.get(d).push(j);
  }
  const lists = [...of].map(([d, rows]) => {
    rows.sort((a, b) => contributions.share[b] - contributions.share[a]);
    const [dimension, values] = detector.dimensions[d];
    const items = rows.slice(0, 8).map((j) =>
      element("li", null, named(values[contributions.value[j]]), shareBar(contributions.share[j])));
    const rest = rows.slice(8).reduce((sum, j) => sum + contributions.share[j], 0);
    if (rows.length > 8) {
      items.push(element("li", null, element("span.quieter", null, `${rows.length - 8} others`), shareBar(rest)));
    }
    return element("div", null, element("h3", null, named(dimension)), element("ul", null, ...items));
  });
  if (!lists.length) lists.push(element("p.hint", null, "Its contributions are unknown."));
  box.replaceChildren(...lists);
}

const relations = new Map([
  ["CAUSE_OF_INPUT_ANOMALY_GROUP", "Likely cause: began earlier"],
  ["EFFECT_OF_INPUT_ANOMALY_GROUP", "Likely effect: began later"],
  ["SAME_TIME", "Began at the same time"],
]);

/** The combinations of dimension values that explain a group. */
function causesCard(card, g) {
  const causes = state.doc.groups.causes[g] ?? [];
  if (!causes.length) return null;
  return card("Root causes", "Combinations of dimension values that are off by a common share, at its worst.",
    element("ul.causes", null, ...causes.map((words) => element("li", null, named(words)))));
}

function relatedCard(card, g, zone) {
  const { doc } = state;
  const items = doc.groups.related[g].map(({ group: other, measure, relationship, percentage }) => {
    const words = relations.get(relationship) ?? "Related";
    const share = `${whole(percentage)} % of this group is in metrics that are affected there too`;
    if (other < 0) return element("li", null, `${words}: `, named(measure), ` (not on this page). ${share}.`);
    const link = element("a", { href: groupHash(doc, other) }, named(measure),
      ` ${startText(zone, doc.detectors[doc.groups.detector[other]], doc.groups.start[other])}`);
    return element("li", null, `${words}: `, link, " ", severityMark(doc.groups.score[other]),
      element("span.quieter", null, ` · ${share}.`));
  });
  if (!items.length) return null;
  return card("Related measures", "Groups of other measures with anomalies at the same time.",
    element("ul.related", null, ...items));
}
