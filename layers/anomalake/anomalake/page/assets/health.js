/* Data health. */

const statuses = new Map([
  ["SUCCEEDED", "good"], ["FAILED", "bad"], ["LEARNING", "fair"], ["SKIPPED", "fair"],
]);

/** Problems of a detector, in words. */
function troubles(detector) {
  const { runs } = detector;
  const found = [];
  if (detector.live_problem) found.push(detector.live ? "live values incomplete" : "no live values");
  if (detector.clashes) found.push(plural(detector.clashes, "clash", "clashes"));
  if (!runs) return found;
  if (runs.last_status === "FAILED") found.push("last run failed");
  // After a day it is not a delay: the detector was stopped, or it has no schedule.
  if (runs.late >= 24) found.push(`no run since ${state.zone.say(runs.last_interval, false)}`);
  for (const [count, words] of [[runs.late < 24 ? runs.late : 0, "late"], [runs.missing, "missing"], [runs.failed, "failed"],
    [runs.undelivered, "with undelivered alerts"]]) if (count) found.push(`${plural(count, "interval")} ${words}`);
  if (runs.bad_rows) found.push(plural(runs.bad_rows, "bad row"));
  if (runs.warnings.length) found.push(plural(runs.warnings.length, "warning"));
  return found;
}

/** The problems of all detectors, beside the groups. */
function drawAttention() {
  const { doc, selection } = state;
  const found = new Map(selection.detectors.map((d) => [d, troubles(doc.detectors[d])]));
  const withProblems = selection.detectors.filter((d) => found.get(d).length)
    .sort((a, b) => found.get(b).length - found.get(a).length || a - b);
  const lines = withProblems.slice(0, 5).map((d) => element("p", null, statusMark("bad", null), named(doc.detectors[d].title),
    `: ${found.get(d).join(", ")}`));
  if (withProblems.length > 5) lines.push(element("p.hint", null, `and ${plural(withProblems.length - 5, "more detector")}`));
  const line = (text) => lines.push(element("p", null, statusMark("bad", null), text));
  if (doc.set_aside) line(`${plural(doc.set_aside, "record")} set aside`);
  if (doc.crawl?.last_status === "FAILED") line("the last crawl failed");
  // Whether the data of a detector that never ran arrived in time is unknown.
  const never = selection.detectors.filter((d) => doc.detectors[d].runs === null);
  if (never.length) {
    const [first] = never;
    lines.push(element("p", null, statusMark("none", null), never.length > 1 ? plural(never.length, "detector") : named(doc.detectors[first].title),
      never.length > 1 || !doc.detectors[first].backtest ? ": never ran live" : ": only a backtest, never ran live"));
  }
  if (!lines.length) lines.push(element("p", null, statusMark("good", "Nothing: all data arrived, in time.")));
  else lines.push(element("p.hint", null, element("a", { href: "#", onclick: (event) => {
    event.preventDefault();
    byId("health-card").scrollIntoView();
    byId("health-title").focus({ preventScroll: true });
  } }, "All data health")));
  byId("attention").replaceChildren(...lines);
}

const statusMark = (kind, text) => element(`span.status.${kind}`, null, text);

function drawHealth() {
  drawAttention();
  const { doc, selection, zone } = state;
  const { detectors: chosen } = selection;
  const day = (time, end = "") => element("span.day", null, zone.say(time, false) + end);
  const days = (known_) => (known_ ? element("span", null, day(known_.first, " –"), " ", day(known_.last)) : "–");
  // After a day, a number of late intervals says less than the day since which none was run.
  const late = (runs) => (runs.late >= 24 ? element("strong", null, `none since ${zone.say(runs.last_interval, false)}`) : bad(runs.late));
  const bad = (value) => (value === null ? "unknown" : value ? element("strong", null, whole(value)) : "0");
  const rows = chosen.map((d) => {
    const detector = doc.detectors[d];
    const { runs, live } = detector;
    const [kind, words] = runs ? [statuses.get(runs.last_status) ?? "fair", runs.last_status.toLowerCase()]
      : ["none", "never ran"];
    const run = element("td", null, statusMark(kind, words));
    if (runs) run.append(element("div.quieter", null, `interval of ${zone.say(runs.last_interval)}`));
    if (runs && runs.last_run !== null) run.append(element("div.quieter", null, `run at ${zone.say(runs.last_run)}`));
    if (runs?.last_reason) run.append(element("div.reason", null, named(runs.last_reason)));
    const of = (key) => element("td.number", null,
      !runs ? "–" : key === "intervals" || key === "rows" ? whole(runs[key]) : key === "late" ? late(runs) : bad(runs[key]));
    const shown = live?.times.length ? days({ first: live.times[0], last: live.times[live.times.length - 1] }) : null;
    const problem = detector.live_problem ? element("div.reason", null, named(detector.live_problem)) : null;
    return element("tr", null, element("th", { scope: "row" }, named(detector.title),
      ...aboutFacts(detector).map(([title, value]) => element("div.about", null, element("span.quieter", null, `${title}: `), value))), run,
      ...["intervals", "late", "missing", "failed", "rows", "bad_rows", "undelivered"].map(of),
      element("td.number", null, bad(detector.clashes)),
      element("td", null, runs?.warnings.length ? warnings(runs.warnings, zone) : "–"),
      element("td.dates", null, days(detector.alerts)),
      element("td.dates", null, shown ?? (problem ? null : "–"), problem));
  });
  const heads = ["Detector", "Last run", "Intervals", "Late", "Missing", "Failed", "Rows", "Bad rows", "Undelivered",
    "Clashes", "Warnings", "Alerts", "Live values"];
  const table = element("table.health", null, element("caption.unseen", null, "Data health by detector"),
    element("thead", null, element("tr", null, ...heads.map((title, i) =>
      element("th", { scope: "col", class: i > 1 && i < 10 ? "number" : null }, title)))),
    element("tbody", null, ...rows));
  const reasons = doc.set_aside_reasons.map((reason) => element("div.reason", null, named(reason)));
  const facts = factList(
    ["Set aside", doc.set_aside ? statusMark("bad", plural(doc.set_aside, "record")) : "none", ...folded(reasons, 3)],
    ["Crawl", ...crawlFact(doc.crawl, zone)],
    ["Made", `${zone.say(doc.made_at)} (${zone.name})`],
  );
  const region = { role: "region", "aria-label": "Data health by detector", tabindex: "0" };
  replaceChildren(byId("health"), rows.length ? element("div.scroll.tall", region, table) : null, facts);
}

function warnings(list, zone) {
  return element("details", null, element("summary", null, plural(list.length, "warning")),
    element("ul", null, ...list.map(([time, line]) => element("li", null, `${zone.say(time)} `, named(line)))));
}

function crawlFact(crawl, zone) {
  if (!crawl) return ["no crawler"];
  const began = crawl.last_start === null ? "" : `, begun ${zone.say(crawl.last_start)}`;
  const last = crawl.last_status
    ? statusMark(crawl.last_status === "FAILED" ? "bad" : "good", `${crawl.last_status.toLowerCase()}${began}`)
    : statusMark("none", "never crawled");
  const message = crawl.message ? element("div.reason", null, named(crawl.message)) : "";
  return [named(crawl.name), ` is ${crawl.state.toLowerCase()}; last crawl: `, last, message];
}
