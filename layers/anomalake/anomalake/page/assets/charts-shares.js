/* Contributions. */

/** Sums of the shares of a dimension's values, by measure: Map measure -> Map value -> sum. */
function addShares(doc, selection, { detector: only = null, dimension }) {
  const { contributions: all, group_intervals: groupIntervals, groups } = doc;
  const sums = doc.detectors.map((detector, d) => {
    const index = only === null || only === d ? detector.dimensions.findIndex(([name]) => name === dimension) : -1;
    const values = index < 0 ? [] : detector.dimensions[index][1];
    return { index, values, sums: detector.measures.map(() => new Float64Array(values.length)) };
  });
  for (const i of selection.contributions) {
    const g = groupIntervals.group[all.group_interval[i]];
    const sum = sums[groups.detector[g]];
    if (sum.index === all.dimension[i]) sum.sums[groups.measure[g]][all.value[i]] += all.share[i];
  }
  const bars = new Map();
  sums.forEach(({ values, sums: of }, d) => of.forEach((shares, m) => shares.forEach((share, v) => {
    if (!share) return;
    const measure = doc.detectors[d].measures[m];
    if (!bars.has(measure)) bars.set(measure, new Map());
    bars.get(measure).set(values[v], (bars.get(measure).get(values[v]) ?? 0) + share);
  })));
  return bars;
}

/** Shares of a dimension's values, one bar for each measure. */
async function drawContributions(place, doc, selection, options) {
  const bars = addShares(doc, selection, options);
  const totals = new Map();
  for (const bar of bars.values()) for (const [value, share] of bar) totals.set(value, (totals.get(value) ?? 0) + share);
  const sum = (of) => [...of.values()].reduce((a, b) => a + b, 0);
  const measures = [...bars.keys()].sort((a, b) => sum(bars.get(b)) - sum(bars.get(a))).slice(0, 30);
  if (!measures.length) return nothing(place, "No contributions in the selection.");
  const ranked = [...totals.keys()].sort((a, b) => totals.get(b) - totals.get(a));
  const top = ranked.slice(0, ranked.length > LINES + 1 ? LINES : LINES + 1);
  const others = ranked.length - top.length;
  const parts = [];
  const labels = axisLabels(measures, options.width < 500 ? 14 : 30);
  measures.forEach((measure, row) => {
    const bar = bars.get(measure);
    const whole_ = sum(bar);
    let lo = 0;
    const add = (share, c) => {
      if (!(share > 0)) return;
      const hi = lo + share / whole_;
      parts.push({ r: labels[row], lo, hi, c, p: share / whole_, k: row * (LINES + 1) + c });
      lo = hi;
    };
    top.forEach((value, c) => add(bar.get(value) ?? 0, c));
    if (others) add(whole_ - top.reduce((a, value) => a + (bar.get(value) ?? 0), 0), LINES);
  });
  const colours = LINE_COLOURS[options.dark ? "dark" : "light"];
  const shownName = (c) => (others && c === LINES ? plural(others, "other") : named(top[c]));
  const percent = (share) => `${formatted(share * 100, { maximumFractionDigits: 1 })} %`;
  const view = await drawChart(place, "contributions", { parts }, { ...options, zone: null }, {
    adjust: (spec) => {
      spec.height *= labels.length; // of one bar in the file
      spec.encoding.y.scale.domain = labels;
      spec.encoding.y.axis.labelLimit = options.width < 500 ? 96 : 200;
    },
    tip: ({ k, p }) => [
      ["measure", named(measures[Math.floor(k / (LINES + 1))])], ["value", shownName(k % (LINES + 1))], ["share", percent(p)],
    ],
    legend: legendOf([...top.keys(), ...(others ? [LINES] : [])].map((c) => [colours[c], shownName(c), "square"])),
  });
  const [leading] = ranked;
  const all_ = sum(totals);
  return labelled(place, view, `Shares of ${nameIn(options.dimension)} in the anomalies of ${plural(measures.length, "measure")}; `
    + `the largest: ${nameIn(leading)}, ${percent(totals.get(leading) / all_)}`
    + (others ? `; ${plural(others, "smaller value")} as others.` : "."));
}
