/* What the reader chose: filters, zone, theme, what the pictures show. Kept for the session, by names. */

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

/** Keeps what was chosen; where the browser keeps nothing, the page goes on without. */
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

/** Takes up what was kept, as far as the document still has it. */
function recallState() {
  let { kept } = state;
  try {
    kept ??= JSON.parse(sessionStorage.getItem(stateKey()));
  } catch {
    /* no storage, or not ours */
  }
  if (kept === null || typeof kept !== "object") return;
  const time = (value) => (Number.isFinite(value) ? value : null);
  state.filters = {
    detectors: detectorsNamed(kept.detectors),
    measures: Array.isArray(kept.measures) ? new Set(kept.measures) : null,
    dimensions: new Map((kept.dimensions ?? []).map(([name_, values]) => [name_, new Set(values)])),
    from: time(kept.from), to: time(kept.to), least: time(kept.least) ?? 0,
  };
  if (["viewer", "detector"].includes(kept.clock)) state.clock = kept.clock;
  if (["auto", "light", "dark"].includes(kept.theme)) state.theme = kept.theme;
}

/** What the live picture shows, by names; null where it shows nothing yet. */
function liveNames() {
  const { doc, live } = state;
  const detector = live.detector === null ? null : doc.detectors[live.detector];
  return detector && { arn: detector.arn, measure: detector.measures[live.measure],
    split: live.split === null ? null : detector.dimensions[live.split][0] };
}

/** The same in a document, as far as it has it. */
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
  const found = state.doc.detectors.flatMap(({ arn }, d) => (wanted.has(arn) ? [d] : []));
  return found.length ? new Set(found) : null;
}

/** Whether dark colours are shown. */
function isDark() {
  if (state.theme !== "auto") return state.theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** How many filters are set. */
function filtersSet() {
  const { detectors, measures, dimensions, from, to, least } = state.filters;
  return [detectors, measures, from ?? to, least || null].filter((one) => one !== null).length + dimensions.size;
}
