/* Numbers of a measure: written with the precision that its observed values have, and as people say them. */

/** Values of a measure that its precision is taken from. */
const SAMPLED = 4000;

const precisions = new WeakMap();

/**
 * How the numbers of a measure are written.
 * @param {object} doc
 * @param {number} d index of the detector
 * @param {number} m index of the measure
 * @returns {{digits: number, counts: boolean, text: (value: number) => string, about: (value: number) => string,
 *   finer: () => object}} `digits` after the decimal point; `counts`: the observed values are whole numbers; `text` of an
 *   observed value and `about` of an estimate; `finer`: the same for means of values
 */
function numbersOf(doc, d, m) {
  let known = precisions.get(doc);
  if (!known) precisions.set(doc, (known = new Map()));
  const key = `${d} ${m}`;
  if (!known.has(key)) known.set(key, writer(...digitsOf(sampled(doc, d, m))));
  return known.get(key);
}

/** Some observed values of a measure, not 0. */
function sampled(doc, d, m) {
  const found = [];
  const take = (data) => {
    const step = Math.max(1, Math.floor(data.length / SAMPLED));
    for (let i = 0; i < data.length; i += step) if (data[i] && Number.isFinite(data[i])) found.push(data[i]);
  };
  const { live } = doc.detectors[d];
  if (live && live.intervals === 1) {
    const [, width, length] = live.values.shape;
    take(live.values.data.subarray(m * width * length, (m + 1) * width * length));
  }
  if (!found.length) {
    const { affected, group_intervals: of, groups } = doc;
    const own = affected.value.filter((_, a) => {
      const g = of.group[affected.group_interval[a]];
      return groups.detector[g] === d && groups.measure[g] === m;
    });
    take(own);
  }
  return found;
}

/** Digits after the decimal point, those of nearly all values, and the most: as many as a usual value of three digits has. */
function digitsOf(values) {
  const sizes = values.map(Math.abs).sort((a, b) => a - b);
  const usual = sizes[Math.floor(sizes.length / 2)] ?? 1;
  const most = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(usual))));
  for (let digits = 0; digits < most; digits += 1) {
    const scale = 10 ** digits;
    // Values over time have seven digits.
    const exact = values.filter((v) => Math.abs(v * scale - Math.round(v * scale)) <= Math.abs(v * scale) * 1e-6);
    if (exact.length >= values.length * 0.98) return [digits, most];
  }
  return [most, most];
}

function writer(digits, most) {
  const text = (value) => {
    if (!Number.isFinite(value)) return "unknown";
    const size = Math.abs(value);
    if (size >= 1e15) return value.toExponential(3);
    if (size && size < 0.5 * 10 ** -digits) return amount(value); // not as 0
    // No more than four digits where some are after the point.
    const places = Math.max(0, Math.min(digits, 3 - Math.floor(Math.log10(size || 1))));
    return formatted(value, { minimumFractionDigits: places, maximumFractionDigits: places }).replace("-", "\u2212");
  };
  const about = (value) => {
    if (!Number.isFinite(value)) return "unknown";
    const places = Math.max(0, Math.min(digits, 2 - Math.floor(Math.log10(Math.abs(value) || 1))));
    const rounded = Number(Math.abs(value) >= 1000 ? value.toPrecision(3) : value.toFixed(places));
    if (Math.abs(rounded) >= 1e15) return rounded.toExponential(2);
    return formatted(rounded || 0, { maximumFractionDigits: places }).replace("-", "\u2212");
  };
  const finer = () => ({ ...writer(Math.min(most, digits + 1), most), counts: false });
  return { digits, counts: digits === 0, text, about, finer };
}

/**
 * What was expected, as people say it: "none or one", "at most 3", "about 12".
 * @param {object} numbers of the measure
 * @param {{expected: number, lower: number, upper: number}} point NaN for unknown and for an open side
 */
function usualWords(numbers, { expected, lower, upper }) {
  if (!Number.isFinite(expected)) return "–";
  if (numbers.counts && Math.abs(expected) < 10) {
    // The whole numbers within the range: a value outside is not among them.
    const [least, most] = [Math.max(Math.ceil(lower), 0), Math.floor(upper)];
    if (most === 0 && least === 0) return "none";
    if (most === 1 && least === 0) return "none or one";
    if (most === least + 1) return `${whole(least)} or ${whole(most)}`;
    if (Math.round(expected) === 0 && most > 0) return `at most ${whole(most)}`;
    if (Math.round(expected) === 0) return "almost none";
  }
  return `about ${numbers.about(expected)}`;
}

/** How far a value is from what was expected: a difference, and where that says more, a share or a multiple. */
function differenceWords(numbers, value, expected) {
  const difference = value - expected;
  if (!Number.isFinite(difference)) return ["–", ""];
  const rounded = Number(difference.toFixed(numbers.digits));
  const sign = rounded > 0 ? "+" : "";
  const words = `${sign}${rounded ? numbers.text(rounded) : "0"}`;
  // Of an expected value below the measure's precision a share says nothing.
  if (Math.abs(expected) < 2 * 10 ** -numbers.digits) return [words, ""];
  const ratio = value / expected;
  if (ratio >= 3) return [words, `${formatted(ratio, { maximumFractionDigits: ratio < 10 ? 1 : 0 })} times`];
  if (ratio < -1) return [words, ""];
  const percent = formatted(100 * (difference / Math.abs(expected)), { maximumFractionDigits: 0 });
  return [words, `${difference > 0 ? "+" : ""}${percent} %`.replace("-", "\u2212")];
}

/** The expected range in words; "–" where both sides are open. */
function rangeWords(numbers, { lower, upper }) {
  const fits = numbers.counts && Math.ceil(lower) <= Math.floor(upper) && Math.abs(upper) < 1000;
  const [low, high] = fits ? [Math.ceil(lower), Math.floor(upper)].map(numbers.text) : [lower, upper].map(numbers.about);
  if (Number.isFinite(lower) && Number.isFinite(upper)) return low === high ? low : `${low} to ${high}`;
  if (Number.isFinite(upper)) return `up to ${high}`;
  return Number.isFinite(lower) ? `${low} or more` : "–";
}
