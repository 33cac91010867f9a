/* The view of one group. */

const view = { group: null, memory: null, time: null, opener: null, scroll: 0 };

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
  forget("group-picture");
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

function leaveGroup() {
  location.hash = "";
}

/** Words for how unexpected a score is. */
function unexpected(score) {
  return `${["extremely", "highly", "clearly", "slightly"][severityClass(score)]} unexpected`;
}

/** Observed and expected values of a group interval's affected metrics together; NaN where one is unknown. */
function groupIntervalTotals(doc, m) {
  const index = indexOf(doc);
  const g = doc.group_intervals.group[m];
  const mean = isMean(doc.detectors[doc.groups.detector[g]], doc.groups.measure[g]);
  let [observed, expected, count] = [0, 0, 0];
  for (let j = index.affected[m]; j < index.affected[m + 1]; j += 1) {
    observed += doc.affected.value[j];
    expected += doc.affected.expected[j];
    count += 1;
  }
  if (!count) return { observed: NaN, expected: NaN, mean };
  return mean ? { observed: observed / count, expected: expected / count, mean } : { observed, expected, mean };
}

/** A sentence about the group. */
function groupSentence(doc, g, zone) {
  const { groups: of } = doc;
  const detector = doc.detectors[of.detector[g]];
  const worst = indexOf(doc).worst[g];
  const measure = named(detector.measures[of.measure[g]]);
  const when = of.start[g] === of.end[g] ? `at ${zone.text(of.start[g])}`
    : `from ${zone.text(of.start[g])} to ${zone.text(of.end[g])}`;
  const words = [measure, " of ", named(detector.title)];
  const { observed, expected, mean } = worst < 0 ? {} : groupIntervalTotals(doc, worst);
  const were = observed === 1 && !mean ? "was" : "were";
  const seen = `${amount(observed ?? NaN)} ${were} observed${mean ? " on average" : ""}`;
  const worstTime = worst < 0 ? "" : zone.text(doc.group_intervals.time[worst]);
  const metrics = worst < 0 ? "" : `in ${plural(doc.group_intervals.metrics[worst], "metric")}`;
  if (Number.isFinite(expected) && Number.isFinite(observed)) {
    words.push(` was ${observed > expected ? "higher" : "lower"} than expected ${when}. At its worst, ${worstTime}, `,
      `${seen} where about ${rough(expected)} ${mean ? "was" : "were"} expected, ${metrics}`);
  } else {
    words.push(` was unusual ${when}`);
    if (Number.isFinite(observed)) words.push(`: ${seen} at its worst, ${worstTime}, ${metrics}`);
    if (!of.known[g]) words.push("; the expected values are unknown (the lake has only its alerts)");
  }
  const parts = worst < 0 ? [] : leading(doc, worst);
  if (parts.length) {
    words.push(", the largest part in ");
    parts.forEach(({ dimension, value, share }, i) => {
      if (i) words.push(" and ");
      words.push(named(dimension), " ", named(value), ` (${share} %)`);
    });
  }
  words.push(`. That is ${unexpected(of.score[g])}.`);
  return element("p.sentence", null, ...words);
}

function drawGroupView() {
  const { doc } = state;
  const g = view.group;
  const { groups: of } = doc;
  const index = indexOf(doc);
  const detector = doc.detectors[of.detector[g]];
  const zone = zoneOf(doc, state.clock, [of.detector[g]]);
  document.title = `${detector.measures[of.measure[g]]}, ${zone.text(of.start[g])} · anomalake`;
  const groupIntervals = Array.from(index.groupIntervals.subarray(index.ofGroup[g], index.ofGroup[g + 1]));
  const lasts = of.end[g] - of.start[g] + intervalOf(detector);
  const alerts = alertsOf(doc, g);
  const sent = alerts === groupIntervals.length ? "sent" : `sent in ${alerts} of ${plural(groupIntervals.length, "interval")}`;
  const facts = factList(
    ["Severity", severityMark(of.score[g])],
    ["When", span(zone, of.start[g], of.end[g])],
    ["Lasted", lasts > 0 ? duration(lasts) : "one interval"],
    ["Detector", named(detector.title)],
    ["Measure", named(detector.measures[of.measure[g]])],
    ["Alerts", alerts ? sent : "none sent"],
  );
  const back = element("a.back", { href: "#", onclick: (event) => {
    event.preventDefault();
    leaveGroup();
  } }, "← All anomalies");
  const card = (title, words, ...rest) => element("section.card", null,
    element("div.head", null, element("h2", null, title), words && element("p", null, words)), ...rest);
  const chosen = element("select", { id: "group-interval" }, ...groupIntervals.map((m) =>
    element("option", { value: m },
      `${zone.text(doc.group_intervals.time[m])} · severity ${severity(doc.group_intervals.score[m])}`)));
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
  const parts = [
    element("div.head", null, back),
    element("h2.title", { id: "group-title", tabindex: "-1" },
      named(detector.measures[of.measure[g]]), ` ${span(zone, of.start[g], of.end[g])}`),
    groupSentence(doc, g, zone), facts,
    card("Observed against expected", null, element("div.picture", { id: "group-picture", "data-height": "300" }),
      element("p.caption", { id: "group-picture-caption" })),
  ];
  if (groupIntervals.length) {
    parts.push(element("div.controls.group-interval", null, element("label", null, "Interval ", chosen)));
    parts.push(element("div.pair", null, card("Affected metrics", null, metrics),
      card("Contributions", "Share of each value in the deviation.", shares)));
  } else {
    parts.push(element("p.notice", null, "Its anomalies are only counted, not listed; see the notes of the page."));
  }
  parts.push(causesCard(card, g), relatedCard(card, g, zone), replyCard(card, g));
  forget("group-picture");
  replaceChildren(byId("group"), ...parts);
  if (groupIntervals.length) drawGroupInterval();
  picture("group-picture", (box, options) =>
    drawGroup(box, doc, state.selection, { ...options, zone, group: g }));
}

/** The affected metrics of a group interval. */
function drawMetrics(box, m) {
  const { doc } = state;
  const { affected: rows } = doc;
  const index = indexOf(doc);
  const detector = doc.detectors[doc.groups.detector[doc.group_intervals.group[m]]];
  const list = Array.from({ length: index.affected[m + 1] - index.affected[m] }, (_, i) => index.affected[m] + i);
  const deviation = (row) => {
    const expected = rows.expected[row];
    return expected ? (100 * (rows.value[row] - expected)) / Math.abs(expected) : NaN;
  };
  const width = detector.dimensions.length;
  const value = (row, d) => {
    const combination = rows.combination[row];
    if (combination === OTHERS) return d === 0 ? "others" : "";
    const at = detector.combinations.data[combination * width + d];
    return at === LACKS ? "" : detector.dimensions[d][1][at];
  };
  const range = (row) => {
    const [lower, upper] = [rows.lower[row], rows.upper[row]];
    if (Number.isFinite(lower) && Number.isFinite(upper)) return `${amount(lower)} – ${amount(upper)}`;
    if (Number.isFinite(upper)) return `up to ${amount(upper)}`;
    return Number.isFinite(lower) ? `${amount(lower)} or more` : "–";
  };
  const columns = [
    ...detector.dimensions.map(([dimension], d) => ({ title: dimension, head: d === 0, key: (row) => value(row, d),
      cell: (row) => named(value(row, d) || "–") })),
    { title: "Observed", number: true, down: true, key: (row) => rows.value[row],
      cell: (row) => known(rows.value[row]) },
    { title: "Expected", number: true, down: true, key: (row) => rows.expected[row],
      cell: (row) => known(rows.expected[row]) },
    { title: "Range", number: true, wide: true, cell: range },
    { title: "Deviation", number: true, down: true, key: deviation, cell: (row) => deviationText(deviation(row)) },
  ];
  if (!detector.dimensions.length) {
    columns.unshift({ title: "Metric", head: true,
      cell: () => named(detector.measures[doc.groups.measure[doc.group_intervals.group[m]]]) });
  }
  const more = doc.group_intervals.metrics[m] - list.filter((row) => rows.combination[row] !== OTHERS).length;
  pagedTable({ box, caption: "Affected metrics", columns, rows: list, size: 20, memory: view.memory,
    empty: "Its affected metrics are not on this page." });
  if (list.length && more > 0) {
    box.append(element("p.hint", null, `${plural(more, "more metric")} were affected and are not listed.`));
  }
}

function deviationText(share) {
  if (!Number.isFinite(share)) return "–";
  const digits = Math.abs(share) < 10 ? 1 : 0;
  return `${share > 0 ? "+" : ""}${formatted(share, { maximumFractionDigits: digits })} %`.replace("-", "\u2212");
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
      ` ${zone.text(doc.groups.start[other])}`);
    return element("li", null, `${words}: `, link, " ", severityMark(doc.groups.score[other]),
      element("span.quieter", null, ` · ${share}.`));
  });
  if (!items.length) return null;
  return card("Related measures", "Groups of other measures with anomalies at the same time.",
    element("ul.related", null, ...items));
}
