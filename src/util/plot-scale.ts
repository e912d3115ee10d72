/** A named line of a plot; `x` and `y` have one length. Points that are not finite are left out. */
export interface PlotSeries {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** One axis: from data to [0, 1], and the values to label. */
export interface Scale {
  readonly minimum: number;
  readonly maximum: number;
  /** Place of a value on the axis: 0 at the minimum, 1 at the maximum. */
  position(value: number): number;
  readonly ticks: readonly number[];
}

/** The points of a series that can be drawn: finite, and positive on a logarithmic axis. */
export function drawable(series: PlotSeries, logX: boolean): (readonly [number, number])[] {
  const points: (readonly [number, number])[] = [];
  for (let i = 0; i < Math.min(series.x.length, series.y.length); i++) {
    const [x, y] = [series.x[i]!, series.y[i]!];
    if (Number.isFinite(x) && Number.isFinite(y) && (!logX || x > 0)) points.push([x, y]);
  }
  return points;
}

/** A linear axis over the values, with about `count` ticks at 1, 2 or 5 times a power of ten. */
export function linearScale(values: readonly number[], count: number): Scale {
  let [minimum, maximum] = extent(values);
  if (minimum === maximum) {
    // A constant gets an axis around it.
    const margin = Math.abs(minimum) / 2 || 1;
    minimum -= margin;
    maximum += margin;
  }
  const step = niceStep((maximum - minimum) / Math.max(1, count));
  const ticks: number[] = [];
  for (let i = Math.ceil(minimum / step - 1e-9); i * step <= maximum + step * 1e-9; i++) {
    // Through text, so that 3 * 0.1 is 0.3.
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return { minimum, maximum, ticks, position: (value) => (value - minimum) / (maximum - minimum) };
}

/** A logarithmic axis over positive values, with ticks at powers of ten, or 1, 2, 5 where there are few of them. */
export function logScale(values: readonly number[], count: number): Scale {
  let [minimum, maximum] = extent(values);
  if (minimum === maximum) {
    minimum /= 2;
    maximum *= 2;
  }
  const [low, high] = [Math.log10(minimum), Math.log10(maximum)];
  const stride = Math.max(1, Math.ceil((high - low) / Math.max(1, count)));
  const factors = high - low < 2 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let decade = Math.floor(low); decade <= high; decade += stride) {
    for (const factor of factors) {
      const tick = Number(`${factor}e${decade}`);
      if (tick >= minimum * (1 - 1e-9) && tick <= maximum * (1 + 1e-9)) ticks.push(tick);
    }
  }
  return { minimum, maximum, ticks, position: (value) => (Math.log10(value) - low) / (high - low) };
}

/** Text of a tick: `0.25`, `2.5`, `1,000`, `20k`, `1.5M`. */
export function tickLabel(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e15 || (magnitude > 0 && magnitude < 1e-4)) return value.toExponential().replace('e+', 'e');
  for (const [unit, suffix] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e4, 'k'],
  ] as const) {
    if (magnitude >= unit) return `${Number((value / (suffix === 'k' ? 1000 : unit)).toPrecision(6))}${suffix}`;
  }
  return Number(value.toPrecision(6)).toLocaleString('en-US', { maximumFractionDigits: 8 });
}

function extent(values: readonly number[]): [number, number] {
  let minimum = Number.POSITIVE_INFINITY;
  let maximum = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  }
  return minimum <= maximum ? [minimum, maximum] : [1, 10];
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const fraction = rough / power;
  return power * (fraction <= 1 ? 1 : fraction <= 2 ? 2 : fraction <= 5 ? 5 : 10);
}
