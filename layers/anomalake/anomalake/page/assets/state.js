/* Choices of the user: filters, time zone, theme, content of the charts. Stored for the session, by names. */

const state = {
  doc: null,
  selection: null,
  zone: null,
  filters: noFilters(),
  clock: "detector",
  theme: "auto",
  kept: null,
  live: { detector: null, measure: null, split: null },
  dimension: null,
};

const stateKey = () => `anomalake ${state.doc.lake}`;

/** Stores the choices, if the browser permits it. */
function keepState() {
  const { doc, filters } = state;
  const kept = {
    detectors: filters.detectors && [...filters.detectors].map((d) => doc.detectors[d].arn),
    measures: filters.measures && [...filters.measures],
    dimensions: [...filters.dimensions].map(([name_, values]) => [name_, [...values]]),
    from: filters.from, to: filters.to, least: filters.least, clock: state.clock, theme: state.theme,
  };
  state.kept = kept;
  try {
    sessionStorage.setItem(stateKey(), JSON.stringify(kept));
  } catch {
    /* no storage */
  }
}

/** Restores the stored choices that the document still has. */
function recallState() {
  let { kept } = state;
  if (kept === null) state.filters = startFilters(state.doc);
  try {
    kept ??= JSON.parse(sessionStorage.getItem(stateKey()));
  } catch {
    /* no storage, or other content */
  }
  if (kept === null || typeof kept !== "object") return;
  const time = (value) => (Number.isFinite(value) ? value : null);
  state.filters = {
    detectors: detectorsNamed(kept.detectors),
    measures: Array.isArray(kept.measures) ? new Set(kept.measures) : null,
    dimensions: new Map((kept.dimensions ?? []).map(([name_, values]) => [name_, new Set(values)])),
    from: time(kept.from), to: time(kept.to), least: time(kept.least) ?? alertSeverity(state.doc),
  };
  if (["viewer", "detector"].includes(kept.clock)) state.clock = kept.clock;
  if (["auto", "light", "dark"].includes(kept.theme)) state.theme = kept.theme;
}

/** Content of the chart of live values, by names; null where it shows nothing yet. */
function liveNames() {
  const { doc, live } = state;
  const detector = live.detector === null ? null : doc.detectors[live.detector];
  return detector && { arn: detector.arn, measure: detector.measures[live.measure],
    split: live.split === null ? null : detector.dimensions[live.split][0] };
}

/** The same in a document: null for names that it does not have. */
function liveNamed(doc, names) {
  const detector = names ? doc.detectors.findIndex(({ arn }) => arn === names.arn) : -1;
  if (detector < 0) return { detector: null, measure: null, split: null };
  const at = (index) => (index < 0 ? null : index);
  const { measures, dimensions } = doc.detectors[detector];
  return { detector, measure: at(measures.indexOf(names.measure)),
    split: at(dimensions.findIndex(([dimension]) => dimension === names.split)) };
}

function detectorsNamed(arns) {
  if (!Array.isArray(arns)) return null;
  const wanted = new Set(arns);
  const indices_ = state.doc.detectors.flatMap(({ arn }, d) => (wanted.has(arn) ? [d] : []));
  return indices_.length ? new Set(indices_) : null;
}

/** Whether the theme is dark. */
function isDark() {
  if (state.theme !== "auto") return state.theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Number of filters that are set. */
function filtersSet() {
  const { detectors, measures, dimensions, from, to, least } = state.filters;
  return [detectors, measures, from ?? to, least === alertSeverity(state.doc) ? null : least].filter((filter) => filter !== null).length + dimensions.size;
}
