/* The main figures, the list of groups, and the address of each group. */

const groupsMemory = { by: "Began", down: true, page: 0, open: new Set() };

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

/** Whether a group has an anomaly in the newest interval of a detector that runs. */
function isOngoing(doc, g) {
  const { runs } = doc.detectors[doc.groups.detector[g]];
  return runs !== null && doc.groups.end[g] >= runs.last_interval && !(runs.late >= 24);
}

/** What groups are ordered by in time: the ongoing ones after all others. */
const recency = (doc, g) => doc.groups.start[g] + (isOngoing(doc, g) ? 1e11 : 0);

/** Groups of the same measure and metrics, as one list each, the ongoing and the newest first. Groups without listed metrics stand alone. */
function foldRepeats(doc, groups) {
  const index = indexOf(doc);
  const lists = new Map();
  for (const g of groups) {
    const metrics = new Set();
    for (let i = index.ofGroup[g]; i < index.ofGroup[g + 1]; i += 1) {
      const m = index.groupIntervals[i];
      for (let a = index.affected[m]; a < index.affected[m + 1]; a += 1) metrics.add(doc.affected.combination[a]);
    }
    const alone = !metrics.size || metrics.has(OTHERS);
    const key = alone ? `alone ${g}`
      : `${doc.groups.detector[g]} ${doc.groups.measure[g]} ${[...metrics].sort((a, b) => a - b).join(" ")}`;
    if (lists.has(key)) lists.get(key).push(g);
    else lists.set(key, [g]);
  }
  return [...lists.values()].map((list) => list.sort((a, b) => recency(doc, b) - recency(doc, a) || b - a));
}

/** What a repeat is remembered by when the document is renewed. */
const idOf = (doc, g) => `${doc.detectors[doc.groups.detector[g]].arn}/${doc.groups.id[g]}/${doc.groups.measure[g]}`;

function drawGroups() {
  const { doc, selection, zone } = state;
  const { groups: of } = doc;
  const index = indexOf(doc);
  // A row is the worst of its groups where the list is sorted by severity, else the newest.
  const leads = (list) => (groupsMemory.by === "Severity" ? worstOf(doc, list) : list[0]);
  const folds = new Map(foldRepeats(doc, selection.groups).map((list) => [leads(list), list]));
  const all = (g) => folds.get(g) ?? [g];
  const lasts = (g) => of.end[g] - of.start[g] + intervalOf(doc.detectors[of.detector[g]]);
  const detector = (g) => doc.detectors[of.detector[g]];
  const measure = (g) => detector(g).measures[of.measure[g]];
  const metrics = (g) => (index.worst[g] < 0 ? NaN : doc.group_intervals.metrics[index.worst[g]]);
  const parts = (g) => (index.worst[g] < 0 ? [] : leading(doc, index.worst[g]));
  const columns = [
    { title: "Severity", down: true, key: (g) => of.score[g], cell: (g) => severityMark(of.score[g]) },
    { title: "Began", head: true, down: true, key: (g) => recency(doc, g),
      cell: (g, repeat) => element("span.began", null,
        element("a", { href: groupHash(doc, g) }, startText(zone, detector(g), of.start[g])),
        isOngoing(doc, g) ? element("span.badge.now", null, "ongoing") : null, ...badgesOf(doc, g, zone),
        repeat || all(g).length < 2 ? null : repeatsButton(g, all(g), zone)) },
    { title: "Lasted", wide: true, down: true, key: lasts, cell: (g) => (lasts(g) > 0 ? duration(lasts(g)) : "–") },
    { title: "Detector", wide: true, key: (g) => detector(g).title, cell: (g) => named(detector(g).title) },
    { title: "Measure", key: measure, cell: (g) => element("span", null, named(measure(g)),
      element("span.narrow.quieter", null, leadingWords(parts(g)))) },
    { title: "Most in", wide: true, cell: (g) => leadingWords(parts(g)) },
    { title: "Metrics", number: true, wide: true, down: true, key: metrics, cell: (g) => known(metrics(g)) },
    { title: "Alerts", number: true, wide: true, down: true, key: (g) => alertsOf(doc, g),
      cell: (g) => (alertsOf(doc, g) ? whole(alertsOf(doc, g)) : "–") },
  ].filter(({ title }) => title !== "Detector" || selection.detectors.length > 1);
  const { open } = groupsMemory;
  pagedTable({ box: byId("groups"), caption: "Anomaly groups", columns, rows: [...folds.keys()], size: 12,
    memory: groupsMemory, empty: "No anomaly groups in what is chosen.", open: openGroup, of: plural(selection.groups.length, "group"),
    below: (g) => (open.has(idOf(doc, all(g)[0])) ? all(g).filter((other) => other !== g) : []), again: drawGroups });
  byId("groups").append(...severityButtons());
}

/** Unfolds or folds the groups of the same measure and metrics. */
function repeatsButton(g, all, zone) {
  const { open } = groupsMemory;
  const { start, score } = state.doc.groups;
  const id = idOf(state.doc, all[0]);
  const most = Math.max(...all.map((other) => score[other]));
  const since = zone.say(Math.min(...all.map((other) => start[other])), false);
  return element("button.repeats", { type: "button", "aria-expanded": String(open.has(id)), id: `repeats-${g}`, onclick: () => {
    if (!open.delete(id)) open.add(id);
    drawGroups();
    byId(`repeats-${g}`)?.focus();
  } }, `${whole(all.length)} times since ${since}${most > score[g] ? `, up to ${severity(most)}` : ""}`);
}

/** Shows the less severe groups, or only those of the severity of alerts. */
function severityButtons() {
  const { selection, filters, doc } = state;
  const start = alertSeverity(doc);
  const set = (least) => () => {
    state.filters.least = least;
    drawFilters(changedSoon);
    render();
  };
  const button = (text, least) => element("p.less", null, element("button.quiet", { type: "button", onclick: set(least) }, text));
  if (selection.less) return [button(`Show ${whole(selection.less)} less severe`, 0)];
  return filters.least < start ? [button(`Show only severity ${start} or more`, start)] : [];
}

function leadingWords(parts) {
  if (!parts.length) return "–";
  return element("span.leading", null, ...parts.map(({ value, share }) =>
    element("span", null, named(value), element("span.quieter", null, ` ${share} %`))));
}

/** The figures at the top of the page, all about the groups that pass the filters. */
function drawFigures() {
  const { doc, selection, zone } = state;
  const { groups, detectors } = selection;
  const { groups: of } = doc;
  const figure = (value, title, more) => element("div.figure", null, element("p.title", null, title),
    element("p.value", null, value), element("p.more", null, ...more));
  const link = (g) => element("a", { href: groupHash(doc, g) }, named(doc.detectors[of.detector[g]].measures[of.measure[g]]),
    `, ${startText(zone, doc.detectors[of.detector[g]], of.start[g])}`);
  const best = (key) => groups.reduce((a, b) => (a < 0 || key(b) > key(a) ? b : a), -1);
  const ongoing = groups.reduce((sum, g) => sum + (isOngoing(doc, g) ? 1 : 0), 0);
  const newest = best((g) => recency(doc, g));
  const worst = best((g) => of.score[g]);
  const busy = new Set(Array.from(groups, (g) => of.detector[g])).size;
  const mark = (g) => (g < 0 ? "–" : severityMark(of.score[g]));
  const judged = detectors.length === 1 ? judgedSpans(doc.detectors[detectors[0]]) : null;
  byId("figures").replaceChildren(
    figure(whole(groups.length), "Anomaly groups", [scopeWords()]),
    figure(mark(newest), ongoing ? `Newest of ${whole(ongoing)} ongoing` : "Newest", [newest < 0 ? "no group" : link(newest)]),
    figure(mark(worst), "The worst", [worst < 0 ? "no group" : link(worst)]),
    judged ? judgedFigure(figure, judged, detectors[0])
      : figure(whole(detectors.length), "Detectors", [`${whole(busy)} with such groups`]),
  );
  const titles = detectors.length === 1 ? ` of ${isolated(doc.detectors[detectors[0]].title)}`
    : ` of ${plural(detectors.length, "detector")}`;
  const which = filtersSet() ? ", filtered" : "";
  byId("summary").textContent = `${plural(groups.length, "group")}${titles}, ${scopeWords()}${which}`;
}

/** Which of the groups are shown: "severity 70 or more; 157 less severe". */
function scopeWords() {
  const { filters, selection } = state;
  if (!filters.least) return "of any severity";
  const less = selection.less ? `; ${whole(selection.less)} less severe` : "";
  return `of severity ${formatted(filters.least, { maximumFractionDigits: 2 })} or more${less}`;
}

/** For how long a detector judged: what lies outside was not judged. */
function judgedFigure(figure, spans, d) {
  const { doc, zone } = state;
  if (!spans.length) return figure("none", "Judged", ["no interval yet: what is shown was only learned from"]);
  const seconds = spans.reduce((sum, [from, to]) => sum + to - from, 0);
  const step = intervalOf(doc.detectors[d]);
  const last = spans[spans.length - 1][1] - (step || 1);
  return figure(duration(seconds), "Judged", [`${zone.say(spans[0][0], false)} – ${zone.say(last, false)}`,
    spans.length > 1 ? ", with gaps" : ""]);
}
