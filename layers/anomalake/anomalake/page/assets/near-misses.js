/* The most unusual values of detectors without an anomaly. */

const nearMemory = { by: "Severity", down: true, page: 0 };

/** The near misses that pass the filters; all are less severe than the severity that the page starts with. */
function nearMissesShown(doc, selection) {
  const { detector, measure, combination, time } = doc.near_misses;
  const { filters, detectors, masks } = selection;
  const chosen = new Set(detectors);
  return Array.from(time.keys()).filter((i) => {
    const { measures } = doc.detectors[detector[i]];
    return chosen.has(detector[i]) && (filters.measures === null || filters.measures.has(measures[measure[i]]))
      && (!filters.dimensions.size || masks[detector[i]][combination[i]])
      && time[i] >= (filters.from ?? -Infinity) && time[i] <= (filters.to ?? Infinity);
  });
}

function drawNearMisses() {
  const { doc, selection, zone } = state;
  const { near_misses: of } = doc;
  const rows = nearMissesShown(doc, selection);
  byId("near-card").hidden = !rows.length;
  if (!rows.length) return;
  const detector = (i) => doc.detectors[of.detector[i]];
  const measure = (i) => detector(i).measures[of.measure[i]];
  const metric = (i) => combinationParts(detector(i), of.combination[i]).map(([, value]) => value).join(" · ");
  const numbers = (i) => numbersOf(doc, of.detector[i], of.measure[i]);
  const range = (i) => {
    const { about } = numbers(i);
    const [lower, upper] = [of.lower[i], of.upper[i]];
    if (!Number.isFinite(lower)) return Number.isFinite(upper) ? `up to ${about(upper)}` : "–";
    return Number.isFinite(upper) ? `${about(lower)} to ${about(upper)}` : `from ${about(lower)}`;
  };
  const columns = [
    { title: "Severity", down: true, key: (i) => of.severity[i], cell: (i) => severity(of.severity[i]) },
    { title: "Time", head: true, down: true, key: (i) => of.time[i], cell: (i) => startText(zone, detector(i), of.time[i]) },
    { title: "Detector", wide: true, key: (i) => detector(i).title, cell: (i) => named(detector(i).title) },
    { title: "Measure", key: measure, cell: (i) => named(measure(i)) },
    { title: "Metric", key: metric, cell: (i) => (metric(i) ? named(metric(i)) : "–") },
    { title: "Observed", number: true, down: true, key: (i) => of.value[i], cell: (i) => numbers(i).text(of.value[i]) },
    { title: "Expected", number: true, down: true, key: (i) => of.expected[i], cell: (i) => numbers(i).about(of.expected[i]) },
    { title: "Range", number: true, wide: true, cell: range },
  ].filter(({ title }) => title !== "Detector" || selection.detectors.length > 1);
  pagedTable({ box: byId("near"), caption: "The most unusual values, which are no anomalies", columns, rows, size: 12,
    memory: nearMemory, empty: "" });
}
