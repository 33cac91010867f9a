/* The page: rendering, controls and start. */

/** Reads the document in the page. */
async function carried() {
  const text = byId("document").textContent;
  const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return unpack(await inflated(bytes));
}

/** Computes the selection and shows it. */
function render() {
  const { doc, filters } = state;
  state.selection = select(doc, filters);
  state.selection.less = lessSevere(doc, filters, state.selection.groups);
  const before = state.zone?.name;
  state.zone = zoneOf(doc, state.clock, state.selection.detectors);
  drawClock();
  if (state.zone.name !== before) retime();
  drawFigures();
  drawGroups();
  drawTable();
  drawNearMisses();
  drawHealth();
  drawSaid();
  drawCards();
  redraw();
  keepState();
}

/** Shows the cards and controls that the selection needs. */
function drawCards() {
  const { doc, selection } = state;
  const any = doc.groups.id.length || doc.counts.day.length;
  for (const id of ["timeline-card", "groups-card", "table-card"]) byId(id).hidden = !any;
  byId("pair").classList.toggle("alone", !any);
  byId("lanes-card").hidden = !any || selection.detectors.length < 2;
  byId("all-time").hidden = state.filters.from === null && state.filters.to === null;
  drawLiveControls();
  drawDimensionControl();
}

/** Sets the options of a select; keeps the chosen option if it is among them, else chooses the first. */
function choices(box, options, chosen) {
  box.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  const found = options.find(([value]) => value === chosen) ?? options[0];
  if (found) box.value = found[0];
  return found ? found[0] : null;
}

/** The selected detectors, the one with the worst group first. */
function worstFirst(detectors) {
  const { doc, selection } = state;
  const worst = new Map(detectors.map((d) => [d, -1]));
  for (const g of selection.groups) {
    const d = doc.groups.detector[g];
    if (doc.groups.score[g] > worst.get(d)) worst.set(d, doc.groups.score[g]);
  }
  return [...detectors].sort((a, b) => worst.get(b) - worst.get(a) || a - b);
}

/** Measures of a detector that pass the filter, the one with the worst group first. */
function measuresShown(d) {
  const { doc, filters, selection } = state;
  const { measures } = doc.detectors[d];
  const worst = measures.map(() => -1);
  for (const g of selection.groups) {
    const m = doc.groups.measure[g];
    if (doc.groups.detector[g] === d) worst[m] = Math.max(worst[m], doc.groups.score[g]);
  }
  return measures.map((_, m) => m).filter((m) => filters.measures === null || filters.measures.has(measures[m]))
    .sort((a, b) => worst[b] - worst[a] || a - b);
}

/** The dimension with the fewest values of a detector; null where there is none. */
function firstSplit(d) {
  const sizes = state.doc.detectors[d].dimensions.map(([, values]) => values.length);
  const [first = null] = sizes.map((_, i) => i).filter((i) => sizes[i] > 1).sort((a, b) => sizes[a] - sizes[b] || a - b);
  return first;
}

function drawLiveControls() {
  const { doc, selection, live } = state;
  const lively = worstFirst(selection.detectors.filter((d) => doc.detectors[d].live?.times.length));
  const problem = byId("live-problem");
  byId("live-card").hidden = !doc.detectors.length;
  byId("live-pictures").hidden = byId("live-controls").hidden = !lively.length;
  problem.hidden = lively.length > 0;
  if (!lively.length) {
    const withProblem = selection.detectors.map((d) => doc.detectors[d]).find(({ live_problem }) => live_problem);
    replaceChildren(problem, "There are no live values in the selection: ",
      withProblem ? named(withProblem.live_problem) : "the lake does not know the source data, and no interval was judged.");
    live.detector = null;
    return;
  }
  const options = lively.map((d) => [String(d), doc.detectors[d].title]);
  const chosen = choices(byId("live-detector"), options, String(live.detector));
  if (live.detector !== Number(chosen)) Object.assign(live, { detector: Number(chosen), split: firstSplit(Number(chosen)) });
  byId("live-detector-label").hidden = lively.length < 2;
  const { measures, dimensions } = doc.detectors[live.detector];
  const shown = measuresShown(live.detector).map((m) => [String(m), measures[m]]);
  live.measure = Number(choices(byId("live-measure"), shown, String(live.measure)));
  const splits = [["", "nothing: the total"], ...dimensions.map(([dimension], d) => [String(d), dimension])];
  const split = choices(byId("live-split"), splits, live.split === null ? "" : String(live.split));
  live.split = split ? Number(split) : null;
}

function drawDimensionControl() {
  const { doc, selection } = state;
  const contributing = doc.detectors.map(({ dimensions }) => new Uint8Array(dimensions.length));
  for (const c of selection.contributions) {
    const g = doc.group_intervals.group[doc.contributions.group_interval[c]];
    contributing[doc.groups.detector[g]][doc.contributions.dimension[c]] = 1;
  }
  const namesOf = (which) => [...new Set(selection.detectors.flatMap((d) =>
    doc.detectors[d].dimensions.filter((_, i) => which(d, i)).map(([dimension]) => dimension)))];
  const some = namesOf((d, i) => contributing[d][i]);
  const names = some.length ? some : namesOf(() => true);
  byId("contributions-card").hidden = !names.length || byId("groups-card").hidden;
  state.dimension = choices(byId("contribution-dimension"), names.map((name) => [name, name]), state.dimension);
}

/** Registers the charts. */
function addPictures() {
  const soon = later(0, changed);
  const onTime = (from, to) => {
    Object.assign(state.filters, { from: Math.floor(from), to: Math.ceil(to) });
    drawFilters(changedSoon);
    soon();
  };
  const onDetector = (d) => {
    state.filters.detectors = new Set([d]);
    drawFilters(changedSoon);
    soon();
  };
  const now = (draw, more) => (box, options) => draw(box, state.doc, state.selection, { ...options, ...more() });
  picture("timeline", now(drawTimeline, () => ({ onTime, onGroup: openGroup })));
  picture("lanes", now(drawLanes, () => ({ onDetector, onTime })));
  picture("contributions", now(drawContributions, () => ({ detector: null, dimension: state.dimension })));
  const live = (more) => () => ({ ...state.live, onGroup: openGroup, ...more });
  picture("live", now(drawLive, live({})));
  picture("expected", now(drawExpected, live({ split: null })));
}

function changed() {
  if (state.doc) render();
}

const changedSoon = later(120, changed);

/** Draws the choice of the time zone: that of the group's detector or of the selected detectors, or the browser's. */
function drawClock() {
  const { doc, selection } = state;
  const shown = view.group === null ? selection.detectors : [doc.groups.detector[view.group]];
  const [own, zone] = [zoneOf(doc, "viewer", []).name, zoneOf(doc, "detector", shown).name];
  const alike = new Set(shown.map((d) => doc.detectors[d].timezone)).size < 2;
  choices(byId("clock"), [["detector", alike ? `the detector's zone (${zone})` : `${zone}: the detectors' zones differ`],
    ["viewer", `yours (${own})`]], state.clock);
  replaceChildren(byId("about"), named(doc.lake),
    element("span.quieter", null, ` as of ${zoneOf(doc, state.clock, shown).say(doc.made_at)}`));
}

/** Draws what does not depend on filters. */
function drawFrame() {
  const { doc } = state;
  const notes = byId("notes");
  notes.hidden = !doc.notes.length;
  notes.replaceChildren(...folded(doc.notes.map((note) => element("p", null, note)), 4));
  byId("theme").value = state.theme;
  const begun = doc.detectors.length > 0;
  byId("beginning").hidden = begun;
  for (const id of ["figures", "filters", "health-card", "live-card", "attention-card"]) byId(id).hidden = !begun;
  if (!begun) drawBeginning();
}

/** Draws the first commands for an empty lake. */
function drawBeginning() {
  const lake = ["--lake", state.doc.lake];
  const lines = [
    ["Try it on real data", "anomalake demo"],
    ["Load stored alerts", command(["anomalake", "replay", "ALERTS"], [lake])],
    ["Find anomalies in your data", command(["anomalake", "backtest", "DETECTOR.yaml"], [lake])],
  ];
  byId("health-card").hidden = !state.doc.set_aside && !state.doc.crawl;
  replaceChildren(byId("beginning-text"), element("p", null, "The lake ", named(state.doc.lake),
    " has no detectors and no alerts yet. Start with one of these:"),
  ...commandList(lines));
}

function setTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
}

/** Shows another document; the choices stay, by names. */
function show(doc) {
  const live = liveNames();
  state.doc = doc;
  state.live = liveNamed(doc, live);
  recallState();
  setTheme();
  render();
  drawFilters(changedSoon);
  drawFrame();
}

function listen() {
  listenToBar();
  addEventListener("hashchange", route);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && view.group !== null && !event.defaultPrevented) leaveGroup();
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    (view.group === null ? byId("main") : byId("group")).focus();
  });
  byId("csv").addEventListener("click", downloadTable);
  byId("all-time").addEventListener("click", () => {
    Object.assign(state.filters, { from: null, to: null });
    drawFilters(changedSoon);
    changed();
    byId("main").focus({ preventScroll: true });
  });
  byId("theme").addEventListener("change", (event) => {
    state.theme = event.target.value;
    setTheme();
    keepState();
    redraw();
  });
  byId("clock").addEventListener("change", (event) => {
    state.clock = event.target.value;
    render();
    drawFilters(changedSoon);
    drawFrame();
    if (view.group !== null) drawGroupView();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    setTheme();
    redraw();
  });
  byId("live-detector").addEventListener("change", (event) => {
    const d = Number(event.target.value);
    Object.assign(state.live, { detector: d, measure: null, split: firstSplit(d) });
    drawLiveControls();
    redraw("live", "expected");
  });
  byId("live-measure").addEventListener("change", (event) => {
    state.live.measure = Number(event.target.value);
    redraw("live", "expected");
  });
  byId("live-split").addEventListener("change", (event) => {
    state.live.split = event.target.value ? Number(event.target.value) : null;
    redraw("live");
  });
  byId("contribution-dimension").addEventListener("change", (event) => {
    state.dimension = event.target.value;
    redraw("contributions");
  });
}

async function start() {
  state.title = document.title;
  setTheme();
  try {
    const doc = await carried();
    listen();
    show(doc);
    route();
    addPictures();
    document.body.dataset.open = "yes";
    watch((next) => {
      const g = groupAt(next, location.hash);
      const stays = view.group !== null && g >= 0;
      const inside = byId("group").contains(document.activeElement) && document.activeElement;
      const metric = stays ? metricKey(state.doc, view.group, view.metric) : null;
      if (stays) Object.assign(view, { group: g, metric: metricWith(next, g, metric) });
      else if (view.group !== null) closeGroup();
      show(next);
      if (stays) {
        drawGroupView();
        if (inside) (byId(inside.id) ?? byId("group-title")).focus({ preventScroll: true });
      } else route();
    });
  } catch (problem) {
    console.error(problem);
    byId("state").hidden = false;
    byId("state").textContent = `This page could not be opened: ${problem.message}`;
  }
}

start();
