/* Feedback and snoozes: sent to the server where there is one, else shown as commands. */

const token = () => document.body.dataset.token;

/** Sends feedback or a snooze; returns the lines of the server's reply. */
async function send(address, body) {
  const answer = await fetch(address, {
    method: "POST", body: JSON.stringify(body), cache: "no-store",
    headers: { "Content-Type": "application/json", "X-Anomalake-Token": token() },
  });
  const reply = await answer.json();
  if (!answer.ok) throw new Error(reply.error ?? `the server answered ${answer.status}`);
  return reply.said;
}

function replyCard(card, g) {
  const { doc } = state;
  return token() ? card("Your feedback", "Later scores take it into account.", ...replyForms(doc, g))
    : card("Your feedback", "Commands for a terminal. Later scores take feedback into account.", ...replyCommands(doc, g));
}

function replyForms(doc, g) {
  const detector = doc.detectors[doc.groups.detector[g]];
  const status = element("p.caption", { role: "status" });
  const act = async (button, address, body) => {
    button.disabled = true;
    status.classList.remove("problem");
    status.textContent = "Sending…";
    try {
      const lines = await send(address, body);
      const more = lines.length > 3 ? `. And ${lines.length - 3} more.` : "";
      status.textContent = lines.slice(0, 3).join(". ") + more;
    } catch (problem) {
      status.classList.add("problem");
      status.textContent = `Not stored: ${problem.message}`;
    }
    button.disabled = false;
  };
  const verdict = (title, is_anomaly) => element("button", { type: "button", onclick: (event) =>
    act(event.currentTarget, "feedback", { detector: detector.name, group: doc.groups.id[g], is_anomaly }) }, title);

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
  const silence = element("button", { type: "button", onclick: (event) => {
    const until = new Date(Math.floor(Date.now() / 1000 + Number(long.value)) * 1000).toISOString();
    act(event.currentTarget, "snooze", { detector: detector.name, until, ...what[which.value][1] });
  } }, "Snooze");
  return [
    element("div.reply", null, verdict("It was an anomaly", true), verdict("It was no anomaly", false)),
    element("div.reply", null, element("label", null, "No alerts about ", which),
      element("label", null, "for ", long), silence),
    status,
  ];
}

function replyCommands(doc, g) {
  const detector = doc.detectors[doc.groups.detector[g]];
  const to = [["--lake", doc.lake], ["--detector", detector.name], ["--group", doc.groups.id[g]]];
  const until = `${new Date((doc.made_at + 86400) * 1000).toISOString().slice(0, 16)}Z`;
  const lines = [
    ["It was no anomaly", command(["anomalake", "feedback"], [...to, ["--no-anomaly", null]])],
    ["It was an anomaly", command(["anomalake", "feedback"], [...to, ["--anomaly", null]])],
    ["No more alerts of it for a while", command(["anomalake", "snooze"], [...to, ["--until", until]])],
  ];
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
  const ask = async () => {
    try {
      const answer = await fetch("document", { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} });
      if (answer.status === 200) {
        const first = tag === null;
        tag = answer.headers.get("ETag");
        const bytes = new Uint8Array(await answer.arrayBuffer());
        const doc = unpack(await inflated(bytes));
        if (!first || doc.made_at !== state.doc.made_at) show(doc);
      }
      byId("about").classList.remove("problem");
    } catch {
      byId("about").classList.add("problem"); // the server does not answer: the old document stays
    }
  };
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
