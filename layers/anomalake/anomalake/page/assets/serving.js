/* What people say of groups: feedback, snoozes and comments. Sent to the server where there is one, else shown as commands. */

const token = () => document.body.dataset.token;

/** Sends what a person says; returns the lines of the server's reply. */
async function send(address, body) {
  const answer = await fetch(address, {
    method: "POST", body: JSON.stringify(body), cache: "no-store",
    headers: { "Content-Type": "application/json", "X-Anomalake-Token": token() },
  });
  const reply = await answer.json();
  if (!answer.ok) throw new Error(reply.error ?? `the server answered ${answer.status}`);
  return reply.said;
}

/** Brings the newest document from the server, if there is one. */
let refresh = async () => {};

/** The name of a person. */
const byWhom = (by) => (by ? [" by ", named(by)] : []);

/** Whether a snooze is about a group: about it, or about metrics of its measure. */
function snoozes(doc, g, snooze) {
  const detector = doc.detectors[doc.groups.detector[g]];
  if (snooze.detector !== detector.name) return false;
  if (snooze.group) return snooze.group === doc.groups.id[g];
  return !snooze.series && (!snooze.measure || snooze.measure === detector.measures[doc.groups.measure[g]]);
}

/** What was said of a group, the newest first; `undo` has the address and the body of the request that takes it back. */
function saidOf(doc, g) {
  const detector = doc.detectors[doc.groups.detector[g]];
  const id = doc.groups.id[g];
  const measure = detector.measures[doc.groups.measure[g]];
  const own = (one) => one.detector === detector.name && one.group === id;
  const feedback = doc.feedback.filter((one) => own(one) && (!one.measure || one.measure === measure));
  return [
    // The latest feedback is the one that counts, and that can be undone.
    ...feedback.map((one) => ({ kind: "feedback", one, counts: one.at === feedback[0].at,
      undo: one.at === feedback[0].at ? ["undo/feedback", { detector: one.detector, group: one.group }] : null })),
    ...doc.snoozes.filter((one) => snoozes(doc, g, one)).map(snoozeItem),
    ...doc.comments.filter(own).map((one) => ({ kind: "comment", one, counts: true,
      undo: ["undo/comment", { detector: one.detector, group: one.group, id: one.id }] })),
  ].sort((a, b) => (b.one.at ?? 0) - (a.one.at ?? 0));
}

const snoozeItem = (one) => ({ kind: "snooze", one, counts: one.until * 1000 > Date.now(),
  undo: ["undo/snooze", { detector: one.detector, id: one.id }] });

/** What a snooze is about, in words. */
function snoozedWhat({ group, series, measure, dimensions }) {
  if (group) return ["this group"];
  if (series) return ["the metric ", named(series)];
  const where = dimensions.flatMap(([dimension, value], i) => [i ? " and " : " where ", named(dimension), " is ", named(value)]);
  return [measure ? named(measure) : "all measures", ...where];
}

/** What was said, in words. */
function saidWords({ kind, one, counts }, zone) {
  const when = one.at === null ? "" : `, ${zone.say(one.at)}`;
  const said = element("span.quieter", null, ...byWhom(one.by), when);
  if (kind === "feedback") {
    return [element("strong", null, one.is_anomaly ? "An anomaly" : "No anomaly"), said, ` (${plural(one.points, "value")})`, counts ? "" : ", replaced by later feedback"];
  }
  if (kind === "snooze") {
    return [element("strong", null, counts ? "Snoozed" : "Was snoozed"), ` until ${zone.say(one.until)}: no alerts about `, ...snoozedWhat(one), said];
  }
  return [one.acknowledged ? element("strong", null, "Acknowledged") : "Comment", said, one.text ? element("div.comment", { dir: "auto" }, one.text) : ""];
}

/** A line about what was said, with a button that takes it back where the page is served. */
function saidLine(item, zone, about = []) {
  const status = element("span.problem", { role: "status" });
  const undo = !token() || !item.undo || (item.kind === "snooze" && !item.counts) ? null
    : element("button.quiet", { type: "button", onclick: async (event) => {
      event.currentTarget.disabled = true;
      try {
        const lines = await send(...item.undo);
        view.said = { text: lines[0], problem: false };
        await refresh();
      } catch (problem) {
        status.textContent = `Not taken back: ${problem.message}`;
        undo.disabled = false;
      }
    } }, "Undo");
  return element("li", null, element("div", null, ...about, ...saidWords(item, zone)), undo, status);
}

/** Elements of a list whose first ones are shown, the others on request. */
function foldedLines(lines, most) {
  if (lines.length <= most + 1) return lines;
  return [...lines.slice(0, most), element("li", null, element("details", null,
    element("summary", null, `and ${whole(lines.length - most)} more`), element("ul.said", null, ...lines.slice(most))))];
}

/** Badges of a group: the newest of each kind of what was said and counts; with who and when. */
function badgesOf(doc, g, zone, short = true) {
  const found = new Map();
  for (const { kind, one, counts } of saidOf(doc, g)) {
    let text = "commented";
    if (kind === "feedback") text = one.is_anomaly ? "an anomaly" : "no anomaly";
    else if (kind === "snooze") text = "snoozed";
    else if (one.acknowledged) text = "acknowledged";
    if (counts && !found.has(text)) found.set(text, one);
  }
  return [...found].map(([text, { by, at }]) => {
    const who = [by && `by ${isolated(plain(by, 60))}`, at !== null && zone.say(at)].filter(Boolean).join(", ");
    return element("span.badge", { title: short && who ? who : null }, text, short || !who ? "" : ` ${who}`);
  });
}

/** What was said of a group, and the buttons or commands to say something. */
function saidCards(card, g, zone) {
  const { doc } = state;
  const items = saidOf(doc, g);
  const list = items.length ? card("What people said", null,
    element("ul.said", { id: "said" }, ...foldedLines(items.map((item) => saidLine(item, zone)), 8))) : null;
  const reply = token() ? card("Your answer", "Later scores take feedback into account.", ...replyForms(doc, g))
    : card("Your answer", null, ...replyCommands(doc, g));
  return [list, reply];
}

/** All that was said, beside the groups. */
function drawSaid() {
  const { doc, selection, zone } = state;
  const names = new Set(selection.detectors.map((d) => doc.detectors[d].name));
  const groups = new Map(doc.groups.id.map((id, g) => [`${doc.detectors[doc.groups.detector[g]].name}/${id}`, g]));
  const latest = new Map();
  for (const one of doc.feedback) {
    const key = `${one.detector}/${one.group}`;
    if (!latest.has(key)) latest.set(key, one.at);
  }
  const items = [
    ...doc.feedback.map((one) => ({ kind: "feedback", one, counts: latest.get(`${one.detector}/${one.group}`) === one.at,
      undo: one.group ? ["undo/feedback", { detector: one.detector, group: one.group }] : null })),
    ...doc.snoozes.map(snoozeItem),
    ...doc.comments.map((one) => ({ kind: "comment", one, counts: true,
      undo: ["undo/comment", { detector: one.detector, group: one.group, id: one.id }] })),
  ].filter(({ one, counts }) => counts && names.has(one.detector)).sort((a, b) => (b.one.at ?? 0) - (a.one.at ?? 0));
  byId("said-card").hidden = !items.length;
  const about = ({ one }) => {
    const g = groups.get(`${one.detector}/${one.group}`);
    if (g === undefined) return one.group ? [named(one.group), ": "] : [];
    const detector = doc.detectors[doc.groups.detector[g]];
    return [element("a", { href: groupHash(doc, g) }, named(detector.measures[doc.groups.measure[g]]),
      `, ${startText(zone, detector, doc.groups.start[g])}`), ": "];
  };
  replaceChildren(byId("said-list"), ...foldedLines(items.map((item) => saidLine(item, zone, about(item))), 6));
}

function replyForms(doc, g) {
  const detector = doc.detectors[doc.groups.detector[g]];
  const status = element("p.caption", { role: "status" }, view.said?.text ?? "");
  view.said = null;
  const act = async (button, address, body) => {
    button.disabled = true;
    status.classList.remove("problem");
    status.textContent = "Sending…";
    try {
      const lines = await send(address, body);
      const more = lines.length > 3 ? `. And ${lines.length - 3} more.` : "";
      status.textContent = lines.slice(0, 3).join(". ") + more;
      view.said = { text: status.textContent };
      button.disabled = false;
      await refresh();
    } catch (problem) {
      status.classList.add("problem");
      status.textContent = `Not stored: ${problem.message}`;
      button.disabled = false;
    }
  };
  const to = { detector: detector.name, group: doc.groups.id[g] };
  const verdict = (title, is_anomaly) => element("button", { type: "button", id: `verdict-${is_anomaly}`, onclick: (event) =>
    act(event.currentTarget, "feedback", { ...to, is_anomaly }) }, title);
  const text = element("textarea", { id: "comment", rows: "2", maxlength: "2000", dir: "auto" });
  const comment = (title, acknowledged) => element("button", { type: "button", id: `comment-${acknowledged}`, onclick: (event) => {
    if (!acknowledged && !text.value.trim()) {
      text.focus();
      return;
    }
    act(event.currentTarget, "comment", { ...to, text: text.value.trim(), acknowledged });
  } }, title);

  const measure = detector.measures[doc.groups.measure[g]];
  const worst = indexOf(doc).worst[g];
  const what = [["this group", { group: doc.groups.id[g] }], [`all of ${isolated(measure)}`, { measure }]];
  for (const { dimension, value } of worst < 0 ? [] : leading(doc, worst, 4)) {
    what.push([`${isolated(measure)} where ${isolated(dimension)} is ${isolated(value)}`,
      { measure, dimensions: [[dimension, value]] }]);
  }
  const which = element("select", null, ...what.map(([title], i) => element("option", { value: i }, title)));
  const long = element("select", null, ...[["1 hour", 3600], ["8 hours", 28800], ["1 day", 86400], ["7 days", 604800],
    ["30 days", 2592000]].map(([title, seconds]) => element("option", { value: seconds }, title)));
  long.value = "86400";
  const silence = element("button", { type: "button", id: "snooze", onclick: (event) => {
    const until = new Date(Math.floor(Date.now() / 1000 + Number(long.value)) * 1000).toISOString();
    act(event.currentTarget, "snooze", { detector: detector.name, until, ...what[which.value][1] });
  } }, "Snooze");
  return [
    element("div.reply", null, verdict("It was an anomaly", true), verdict("It was no anomaly", false)),
    element("div.reply", null, element("label.wideform", null, "Comment ", text), comment("Acknowledge", true), comment("Comment only", false)),
    element("div.reply", null, element("label", null, "No alerts about ", which),
      element("label", null, "for ", long), silence),
    status,
  ];
}

/** What a page in a file cannot do, and the commands that do it. */
function replyCommands(doc, g) {
  const detector = doc.detectors[doc.groups.detector[g]];
  const to = [["--lake", doc.lake], ["--detector", detector.name], ["--group", doc.groups.id[g]]];
  const now = Math.max(doc.made_at, Math.floor(Date.now() / 60000) * 60);
  const until = `${new Date((now + 86400) * 1000).toISOString().slice(0, 16)}Z`;
  const lines = [
    ["It was no anomaly", command(["anomalake", "feedback"], [...to, ["--no-anomaly", null]])],
    ["It was an anomaly", command(["anomalake", "feedback"], [...to, ["--anomaly", null]])],
    ["No alerts about it for a day", command(["anomalake", "snooze"], [...to, ["--until", until]])],
    ["Do it with buttons; acknowledge, comment, undo", command(["anomalake", "serve"], [["--lake", doc.lake]])],
  ];
  return [
    element("p.hint", null, "This page is a file. It shows what was said until it was made, but it cannot record anything. These commands do, in a terminal "
      + "with access to the lake:"),
    ...commandList(lines),
  ];
}

/** Commands with buttons that copy them. */
function commandList(lines) {
  const status = element("p.unseen", { role: "status" });
  return [...lines.map(([title, line]) => {
    const code = element("code", { dir: "ltr", tabindex: "0" }, line);
    const copy = element("button.quiet", { type: "button", "aria-label": `Copy the command: ${title}` }, "Copy");
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(line);
        copy.textContent = status.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        copy.textContent = status.textContent = "Selected";
      }
      setTimeout(() => (copy.textContent = "Copy"), 2000);
    });
    return element("div.command", null, element("span", null, title), code, copy);
  }), status];
}

/** Asks the server every minute for a newer document. */
function watch(show) {
  if (!token()) return;
  let tag = null;
  const ask = async (always = false) => {
    try {
      const answer = await fetch("document", { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} });
      if (answer.status === 200) {
        const first = tag === null;
        tag = answer.headers.get("ETag");
        const bytes = new Uint8Array(await answer.arrayBuffer());
        const doc = unpack(await inflated(bytes));
        if (always || !first || doc.made_at !== state.doc.made_at) show(doc);
      }
      byId("about").classList.remove("problem");
    } catch {
      byId("about").classList.add("problem"); // the server does not answer: the old document stays
    }
  };
  refresh = () => ask(true);
  setInterval(() => {
    // Not while a list of the filters is open, which would be redrawn.
    if (!document.hidden && !document.querySelector("details.drop[open]")) ask();
  }, 60000);
}

/** Bytes, decompressed if they are gzipped. */
async function inflated(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.slice().buffer;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
