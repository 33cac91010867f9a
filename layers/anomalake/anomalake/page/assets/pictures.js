/* When the pictures are drawn: those in view first, one after the other, the browser breathing between. */

const pictures = new Map();
let drawing = false;

const inView = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const one = pictures.get(entry.target.id);
    if (one) one.inView = entry.isIntersecting;
  }
  drawPictures();
}, { rootMargin: "300px" });

const ofWidth = new ResizeObserver(later(200, () => {
  for (const one of pictures.values()) {
    if (one.drawn && one.box.clientWidth && Math.abs(one.box.clientWidth - one.width) > 1) one.stale = true;
  }
  drawPictures();
}));

/** A function that waits until it was not called for a while. */
function later(pause, act) {
  let waiting = null;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(act, pause);
  };
}

/**
 * Makes an element a picture.
 * @param {string} id of the element; `<id>-told` says what is drawn
 * @param {(box: HTMLElement, options: object) => Promise<string>} draw
 */
function picture(id, draw) {
  const box = byId(id);
  const old = pictures.get(id);
  if (old && old.box !== box) forget(id);
  box.style.minHeight = `${box.dataset.height}px`;
  pictures.set(id, { box, draw, told: byId(`${id}-told`), stale: true, inView: false, drawn: false, width: 0 });
  inView.observe(box);
  ofWidth.observe(box);
}

/** No longer a picture. */
function forget(id) {
  const one = pictures.get(id);
  if (!one) return;
  inView.unobserve(one.box);
  ofWidth.unobserve(one.box);
  clearChart(one.box);
  pictures.delete(id);
}

/** What pictures show has changed: of those named, or of all. */
function redraw(...ids) {
  for (const [id, one] of pictures) if (!ids.length || ids.includes(id)) one.stale = true;
  drawPictures();
}

async function drawPictures() {
  if (drawing) return;
  drawing = true;
  try {
    for (;;) {
      const next = [...pictures.values()].find((one) => one.stale && one.inView && one.box.clientWidth > 0);
      if (!next) break;
      await pause();
      await drawOne(next);
    }
  } finally {
    drawing = false;
  }
}

async function drawOne(one) {
  one.stale = false;
  one.width = one.box.clientWidth;
  one.box.setAttribute("aria-busy", "true");
  try {
    const options = { zone: state.zone, dark: isDark(), width: Math.min(1400, Math.max(280, one.width)) };
    one.told.textContent = await one.draw(one.box, options);
  } catch (problem) {
    console.error(problem);
    one.told.textContent = `This picture could not be drawn: ${problem.message}`;
  }
  one.drawn = true;
  one.box.removeAttribute("aria-busy");
  one.box.style.minHeight = "";
}
