/* The filter bar. */

/** Most entries of a list that are shown; a search finds the others. */
const LISTED = 100;

/** Writes the times of the filters in the current time zone. */
let retime = () => {};

/** Draws the filters from the state; `changed` is called after every change. */
function drawFilters(changed) {
  const { doc, filters } = state;
  const bar = byId("filter-fields");
  const set = (part) => {
    Object.assign(state.filters, part);
    label();
    changed();
  };
  const none = (chosen) => (chosen.size ? chosen : null);
  const fields = [];
  const summaries = [];
  const label = () => {
    for (const [summary, words] of summaries) summary.replaceChildren(...words());
    byId("reset").disabled = !filtersSet();
    byId("fold").textContent = filtersSet() ? `Filters (${filtersSet()})` : "Filters";
  };
  const drop = (title, words, panel) => {
    const value = element("span.chosen");
    summaries.push([value, words]);
    const list = element("details.drop", null,
      element("summary", null, element("span.what", null, title), value), element("div.panel", null, panel));
    list.addEventListener("toggle", () => {
      if (list.open) closeDrops((other) => other !== list);
    });
    fields.push(list);
  };
  const count = (chosen, all, nameOf) => () => {
    const now = chosen();
    if (!now || !now.size) return ["all"];
    return now.size === 1 ? [named(nameOf([...now][0]))] : [`${now.size} of ${all}`];
  };

  if (doc.detectors.length > 1) {
    const order = doc.detectors.map((_, d) => d)
      .sort((a, b) => doc.detectors[a].title.localeCompare(doc.detectors[b].title));
    const panel = checklist("Detectors", order.map((d) => [d, doc.detectors[d].title]), filters.detectors, (chosen) => {
      set({ detectors: none(chosen) });
      dimensions.replaceChildren(dimensionLists());
    });
    drop("Detector", count(() => state.filters.detectors, doc.detectors.length, (d) => doc.detectors[d].title), panel);
  }
  const measures = [...new Set(doc.detectors.flatMap((detector) => detector.measures))].sort((a, b) => a.localeCompare(b));
  if (measures.length > 1) {
    const panel = checklist("Measures", measures.map((name) => [name, name]), filters.measures,
      (chosen) => set({ measures: none(chosen) }));
    drop("Measure", count(() => state.filters.measures, measures.length, (name) => name), panel);
  }

  const dimensionLists = () => {
    const all = new Map();
    doc.detectors.forEach((detector, d) => {
      if (state.filters.detectors !== null && !state.filters.detectors.has(d)) return;
      for (const [dimension, values] of detector.dimensions) {
        if (!all.has(dimension)) all.set(dimension, new Set());
        for (const value of values) all.get(dimension).add(value);
      }
    });
    const lists = [...all].map(([dimension, values]) => {
      const chosen = state.filters.dimensions.get(dimension) ?? null;
      const options = [...values].sort((a, b) => a.localeCompare(b)).map((value) => [value, value]);
      const list = checklist(dimension, options, chosen, (now) => {
        const next = new Map(state.filters.dimensions);
        if (now.size) next.set(dimension, now);
        else next.delete(dimension);
        set({ dimensions: next });
      });
      return element("details.sub", { open: all.size === 1 || chosen !== null },
        element("summary", null, named(dimension), element("span.quieter", null, ` ${plural(values.size, "value")}`)),
        list);
    });
    if (!lists.length) return element("p.hint", null, "The detectors shown have no dimensions.");
    return element("div", null, ...lists);
  };
  const dimensions = element("div", null, dimensionLists());
  if (doc.detectors.some((detector) => detector.dimensions.length)) {
    drop("Dimensions", () => {
      const now = [...state.filters.dimensions];
      if (!now.length) return ["all"];
      if (now.length > 1) return [plural(now.length, "filter")];
      const [[dimension, values]] = now;
      return values.size === 1 ? [named(dimension), " ", named([...values][0])]
        : [named(dimension), ` ${plural(values.size, "value")}`];
    }, dimensions);
  }

  const [first, last] = shownTime(doc, { ...noFilters() }, doc.detectors.map((_, d) => d));
  const clock = (seconds) => (seconds === null ? "" : new Date(state.zone.shift(seconds)).toISOString().slice(0, 16));
  const input = (key) => {
    const field = element("input", { type: "datetime-local", value: clock(filters[key]) });
    field.addEventListener("change", () => {
      const wall = Date.parse(`${field.value}Z`);
      set({ [key]: Number.isFinite(wall) ? state.zone.seconds(wall) : null });
    });
    return field;
  };
  const inputs = { from: input("from"), to: input("to") };
  const which = element("p.hint");
  const quick = [["Last day", 86400], ["Last 7 days", 7 * 86400], ["Last 30 days", 30 * 86400], ["All", null]]
    .filter(([, length]) => length === null || length < last - first)
    .map(([title, length]) => element("button.quiet", { type: "button", onclick: () => {
      const from = length === null ? null : last - length;
      set({ from, to: null });
      inputs.from.value = clock(from);
      inputs.to.value = "";
    } }, title));
  drop("Time", () => {
    const { from, to } = state.filters;
    if (from === null && to === null) return ["all"];
    if (from !== null && to !== null) return [span(state.zone, from, to, to - from < 3 * 86400)];
    return [from !== null ? `from ${state.zone.say(from, false)}` : `to ${state.zone.say(to, false)}`];
  }, element("div.times", null,
    element("label", null, "From", inputs.from), element("label", null, "To", inputs.to),
    element("div.quick", null, ...quick), which));
  retime = () => {
    which.textContent = `Times in ${state.zone.name}.`;
    for (const key of ["from", "to"]) inputs[key].value = clock(state.filters[key]);
    label();
  };

  const range = element("input", { type: "range", min: 0, max: 100, step: 1, value: filters.least,
    "aria-label": "Least severity" });
  const exact = element("input.short", { type: "number", min: 0, max: 100, step: 1, value: filters.least,
    "aria-label": "Least severity as a number" });
  const least = (value, other) => {
    const wanted = Math.min(100, Math.max(0, Number(value) || 0));
    other.value = wanted;
    set({ least: wanted });
  };
  range.addEventListener("input", () => least(range.value, exact));
  exact.addEventListener("input", () => least(exact.value, range));
  exact.addEventListener("change", () => (exact.value = state.filters.least)); // the value that is used, where a larger one was typed
  fields.push(element("div.least", { role: "group", "aria-label": "Least severity" },
    element("span.what", null, "Severity from"), range, exact));
  fields.push(element("button.quiet", { type: "button", id: "reset", onclick: () => {
    state.filters = startFilters(doc);
    drawFilters(changed);
    changed();
    bar.querySelector("summary").focus({ preventScroll: true });
  } }, "Reset"));
  bar.replaceChildren(...fields);
  retime();
}

/**
 * A list of check boxes; none ticked means all. A long list has a search field.
 * @param {string} legend
 * @param {[*, string][]} options keys and names
 * @param {Set|null} chosen
 * @param {(chosen: Set) => void} changed
 */
function checklist(legend, options, chosen, changed) {
  const ticked = new Set(chosen ?? []);
  const list = element("div.options");
  const hint = element("p.hint", { "aria-live": "polite" });
  const draw = (wanted) => {
    const searched = wanted.trim().toLocaleLowerCase();
    const found = searched ? options.filter(([, text]) => text.toLocaleLowerCase().includes(searched)) : options;
    const shown = [...found.filter(([key]) => ticked.has(key)), ...found.filter(([key]) => !ticked.has(key))];
    const order = options.length > LISTED ? shown : found;
    list.replaceChildren(...order.slice(0, LISTED).map(([key, text]) => {
      const box = element("input", { type: "checkbox" });
      box.checked = ticked.has(key);
      box.addEventListener("change", () => {
        if (box.checked) ticked.add(key);
        else ticked.delete(key);
        clear.disabled = !ticked.size;
        changed(new Set(ticked));
      });
      return element("label.option", null, box, named(text));
    }));
    if (found.length > LISTED) hint.textContent = `${LISTED} of ${whole(found.length)}: search for the others.`;
    else if (!found.length) hint.textContent = "Nothing found.";
    else hint.textContent = "None ticked: all.";
  };
  const search = element("input", { type: "search", placeholder: "Search", "aria-label": `Search ${isolated(legend)}`,
    autocomplete: "off", spellcheck: "false" });
  search.addEventListener("input", () => draw(search.value));
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  const clear = element("button.quiet", { type: "button", onclick: () => {
    ticked.clear();
    clear.disabled = true;
    draw(search.value);
    changed(new Set());
  } }, "Clear");
  clear.disabled = !ticked.size;
  draw("");
  return element("fieldset.checklist", null, element("legend.unseen", null, named(legend)),
    options.length > 8 ? search : null, list, element("div.foot", null, hint, clear));
}

/** Closes the open lists that `which` selects. */
function closeDrops(which) {
  for (const list of document.querySelectorAll("details.drop[open]")) if (which(list)) list.open = false;
}

/** Handles the buttons and keys of the filters. */
function listenToBar() {
  const form = byId("filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("fold").addEventListener("click", () => {
    const open = form.classList.toggle("unfolded");
    byId("fold").setAttribute("aria-expanded", String(open));
  });
  document.addEventListener("click", (event) => {
    closeDrops((list) => !list.contains(event.target));
  });
  form.addEventListener("keydown", (event) => {
    const open = event.target.closest("details.drop[open]");
    if (event.key !== "Escape" || !open) return;
    event.preventDefault();
    open.open = false;
    open.querySelector("summary").focus();
  });
}
