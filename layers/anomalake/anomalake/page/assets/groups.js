/* The main figures, the list of groups, and the address of each group. */

const groupsMemory = { by: "Severity", down: true, page: 0 };

/** A group's fragment, as in the `consoleUrl` of alerts; with the measure where several groups have the id. */
function groupHash(doc, g) {
  const { detector, measure, id } = doc.groups;
  const { arn, measures } = doc.detectors[detector[g]];
  const words = [arn, "anomalies", "anomaly", id[g]];
  if (worstOf(doc, sameId(doc, id[g]).filter((other) => detector[other] === detector[g])) !== g) words.push(measures[measure[g]]);
  return `#${words.map((word) => encodeURIComponent(word.toWellFormed())).join("/")}`;
}

const ids = new WeakMap();

/** The groups with an id: groups of several detectors or measures may have the same. */
function sameId(doc, id) {
  let known = ids.get(doc);
  if (!known) {
    known = new Map();
    doc.groups.id.forEach((groupId, g) => {
      const text = groupId.toWellFormed();
      const there = known.get(text);
      if (there) there.push(g);
      else known.set(text, [g]);
    });
    ids.set(doc, known);
  }
  return known.get(id.toWellFormed()) ?? [];
}

/** The most severe of several groups; -1 for none. */
function worstOf(doc, groups) {
  return groups.reduce((a, b) => (a < 0 || doc.groups.score[b] > doc.groups.score[a] ? b : a), -1);
}

/** The group that a fragment names, percent-encoded or not; -1 where there is none. */
function groupAt(doc, fragment) {
  const text = fragment.replace(/^#/, "");
  let decoded = text;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    /* a per cent sign that is one */
  }
  const found = groupNamed(doc, text);
  return found < 0 ? groupNamed(doc, decoded) : found;
}

function groupNamed(doc, text) {
  const [, arn, rest] = /^(.*?)\/anomalies\/anomaly\/(.+)$/su.exec(text) ?? [];
  if (rest === undefined) return -1;
  const { detector, measure } = doc.groups;
  const of = (id) => {
    const all = sameId(doc, id);
    const own = all.filter((g) => doc.detectors[detector[g]].arn.toWellFormed() === arn);
    // The links of some alerts have another name of the detector: then the id alone is compared.
    return own.length || all.some((g) => detector[g] !== detector[all[0]]) ? own : all;
  };
  const whole_ = worstOf(doc, of(rest));
  if (whole_ >= 0) return whole_;
  for (let at = rest.lastIndexOf("/"); at > 0; at = rest.lastIndexOf("/", at - 1)) {
    const name = rest.slice(at + 1);
    const found = of(rest.slice(0, at)).find((g) => doc.detectors[detector[g]].measures[measure[g]].toWellFormed() === name);
    if (found !== undefined) return found;
  }
  return -1;
}

/** The largest contribution of each dimension in a group interval. */
function leading(doc, m, most = 2) {
  const { contributions: shares } = doc;
  const index = indexOf(doc);
  const best = new Map();
  for (let j = index.contributions[m]; j < index.contributions[m + 1]; j += 1) {
    const now = best.get(shares.dimension[j]);
    if (now === undefined || shares.share[j] > shares.share[now]) best.set(shares.dimension[j], j);
  }
  const detector = doc.detectors[doc.groups.detector[doc.group_intervals.group[m]]];
  return [...best.values()].sort((a, b) => shares.share[b] - shares.share[a]).slice(0, most).map((j) => {
    const [dimension, values] = detector.dimensions[shares.dimension[j]];
    return { dimension, value: values[shares.value[j]], share: shares.share[j] };
  });
}

/** Number of a group's intervals for which the lake has an alert. */
function alertsOf(doc, g) {
  const index = indexOf(doc);
  let alerted = 0;
  for (let i = index.ofGroup[g]; i < index.ofGroup[g + 1]; i += 1) {
    alerted += doc.group_intervals.alerted[index.groupIntervals[i]] ? 1 : 0;
  }
  return alerted;
}

function drawGroups() {
  const { doc, selection, zone } = state;
  const { groups: of } = doc;
  const index = indexOf(doc);
  const lasts = (g) => of.end[g] - of.start[g] + intervalOf(doc.detectors[of.detector[g]]);
  const detector = (g) => doc.detectors[of.detector[g]];
  const measure = (g) => detector(g).measures[of.measure[g]];
  const metrics = (g) => (index.worst[g] < 0 ? NaN : doc.group_intervals.metrics[index.worst[g]]);
  const columns = [
    { title: "Severity", down: true, key: (g) => of.score[g], cell: (g) => severityMark(of.score[g]) },
    { title: "Began", head: true, down: true, key: (g) => of.start[g],
      cell: (g) => element("a", { href: groupHash(doc, g) }, zone.text(of.start[g])) },
    { title: "Lasted", wide: true, down: true, key: lasts, cell: (g) => (lasts(g) > 0 ? duration(lasts(g)) : "–") },
    { title: "Detector", wide: true, key: (g) => detector(g).title, cell: (g) => named(detector(g).title) },
    { title: "Measure", key: measure, cell: (g) => named(measure(g)) },
    { title: "Most in", wide: true, cell: (g) => leadingWords(index.worst[g] < 0 ? [] : leading(doc, index.worst[g])) },
    { title: "Metrics", number: true, wide: true, down: true, key: metrics, cell: (g) => known(metrics(g)) },
    { title: "Alerts", number: true, wide: true, down: true, key: (g) => alertsOf(doc, g),
      cell: (g) => (alertsOf(doc, g) ? whole(alertsOf(doc, g)) : "–") },
  ].filter(({ title }) => title !== "Detector" || selection.detectors.length > 1);
  pagedTable({ box: byId("groups"), caption: "Anomaly groups", columns, rows: selection.groups, size: 12,
    memory: groupsMemory, empty: "No anomaly groups in what is chosen.", open: openGroup });
}

function leadingWords(parts) {
  if (!parts.length) return "–";
  return element("span.leading", null, ...parts.map(({ value, share }) =>
    element("span", null, named(value), element("span.quieter", null, ` ${share} %`))));
}

/** The figures at the top of the page. */
function drawFigures() {
  const { doc, selection, zone } = state;
  const { groups, groupIntervals, counts, detectors } = selection;
  let anomalies = groupIntervals.length;
  for (const i of counts) anomalies += doc.counts.group_intervals[i];
  let worst = -1;
  for (const g of groups) if (worst < 0 || doc.groups.score[g] > doc.groups.score[worst]) worst = g;
  const figure = (value, title, more) => element("div.figure", null, element("p.title", null, title),
    element("p.value", null, value), element("p.more", null, more));
  const busy = new Set(Array.from(groups, (g) => doc.groups.detector[g])).size;
  const extreme = groups.reduce((sum, g) => sum + (doc.groups.score[g] >= SEVERITIES[0].from ? 1 : 0), 0);
  const figures = [
    figure(whole(detectors.length), "Detectors", `${whole(busy)} with anomalies`),
    figure(whole(groups.length), "Anomaly groups", `${whole(extreme)} of severity ${SEVERITIES[0].from} or more`),
    figure(whole(anomalies), "Anomalies", "groups in single intervals"),
  ];
  if (worst >= 0) {
    const detector = doc.detectors[doc.groups.detector[worst]];
    figures.push(figure(severityMark(doc.groups.score[worst]), "The worst", element("a", { href: groupHash(doc, worst) },
      named(detector.measures[doc.groups.measure[worst]]), ` ${zone.text(doc.groups.start[worst])}`)));
  } else {
    figures.push(figure("–", "The worst", "no anomaly"));
  }
  byId("figures").replaceChildren(...figures);
  const of = detectors.length === 1 ? ` of ${isolated(doc.detectors[detectors[0]].title)}`
    : ` of ${plural(detectors.length, "detector")}`;
  const which = filtersSet() ? ", filtered" : "";
  byId("summary").textContent =
    `${plural(groups.length, "group")}, ${plural(anomalies, "anomaly", "anomalies")}${of}${which}`;
}
