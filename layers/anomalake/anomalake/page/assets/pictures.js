/* Drawing of the charts: only those in view, one after another, with pauses for the browser. */

const pictures = new Map();
let drawing = false;

const inView = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const item = pictures.get(entry.target.id);
    if (item) item.inView = entry.isIntersecting;
  }
  drawPictures();
}, { rootMargin: "300px" });

const ofWidth = new ResizeObserver(later(200, () => {
  for (const item of pictures.values()) {
    if (item.drawn && item.box.clientWidth && Math.abs(item.box.clientWidth - item.width) > 1) item.stale = true;
  }
  drawPictures();
}));

/** A function that acts when it was not called for a while. */
function later(pause, act) {
  let waiting = null;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(act, pause);
  };
}

/**
 * Makes an element a chart that is drawn when it is in view.
 * @param {string} id of the element; `<id>-caption` describes the chart
 * @param {(box: HTMLElement, options: object) => Promise<string>} draw
 */
function picture(id, draw) {
  const box = byId(id);
  const old = pictures.get(id);
  if (old && old.box !== box) forget(id);
  box.style.minHeight = `${box.dataset.height}px`;
  pictures.set(id, { box, draw, caption: byId(`${id}-caption`), stale: true, inView: false, drawn: false, width: 0 });
  inView.observe(box);
  ofWidth.observe(box);
}

/** Removes a chart. */
function forget(id) {
  const item = pictures.get(id);
  if (!item) return;
  inView.unobserve(item.box);
  ofWidth.unobserve(item.box);
  clearChart(item.box);
  pictures.delete(id);
}

/** Draws the named charts again, or all. */
function redraw(...ids) {
  for (const [id, item] of pictures) if (!ids.length || ids.includes(id)) item.stale = true;
  drawPictures();
}

async function drawPictures() {
  if (drawing) return;
  drawing = true;
  try {
    for (;;) {
      const next = [...pictures.values()].find((item) => item.stale && item.inView && item.box.clientWidth > 0);
      if (!next) break;
      await pause();
      await drawOne(next);
    }
  } finally {
    drawing = false;
  }
}

async function drawOne(item) {
  item.stale = false;
  item.width = item.box.clientWidth;
  item.box.setAttribute("aria-busy", "true");
  try {
    const options = { zone: state.zone, dark: isDark(), width: Math.min(1400, Math.max(280, item.width)) };
    item.caption.textContent = await item.draw(item.box, options);
  } catch (problem) {
    console.error(problem);
    item.caption.textContent = `This chart could not be drawn: ${problem.message}`;
  }
  item.drawn = true;
  item.box.removeAttribute("aria-busy");
  item.box.style.minHeight = "";
}
