import { formatBytes, formatCount, formatDuration, formatNumber, formatPercent } from '../util/units.js';

/** One measured quantity, before and after a stage. */
export interface Metric {
  readonly name: string;
  /**
   * `share` (0 to 1, shown in percent, with an interval where `count` is given), `bits/byte`, `seconds`, `bytes`,
   * `count`, or any other word, which is printed after the number.
   */
  readonly unit: string;
  /** Left out where there is nothing to measure yet. */
  readonly before?: number;
  readonly after?: number;
  /** What other systems reach on the same data, as `{ name: 'trigram', value: 2.31 }`. */
  readonly baseline?: readonly { readonly name: string; readonly value: number }[];
  readonly higherIsBetter: boolean;
  /** The sample size. */
  readonly count?: number;
  /** The sample size of `before`, where it is another. */
  readonly countBefore?: number;
}

/**
 * The 95% confidence interval of a share `p` seen in `n` independent trials, by Wilson's score (1927):
 * `(p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)` with `z = 1.96`. Unlike `p ± 2σ`, it stays within 0 and 1 and is
 * right near them: 0 of 100 gives 0% to 3.7%.
 */
export function wilsonInterval(share: number, count: number): readonly [number, number] {
  if (!(count > 0)) return [0, 1];
  const z = 1.959963984540054;
  const z2 = (z * z) / count;
  const center = (share + z2 / 2) / (1 + z2);
  const half = (z * Math.sqrt((share * (1 - share)) / count + z2 / (4 * count))) / (1 + z2);
  // At 0 and 1 the bound is exact; rounding would miss it by 1e-17.
  return [share === 0 ? 0 : Math.max(0, center - half), share === 1 ? 1 : Math.min(1, center + half)];
}

/** A value in the metric's unit: `83.4%`, `1.872 bits/byte`, `5.4 GB`. Missing values are `–`. */
export function formatValue(value: number | undefined, unit: string): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  switch (unit) {
    case 'share':
      return formatPercent(value);
    case 'seconds':
      return formatDuration(value);
    case 'bytes':
      return formatBytes(value);
    case 'count':
      return formatCount(value);
    default:
      return unit === '' ? formatNumber(value) : `${formatNumber(value)} ${unit}`;
  }
}

/** The value with the interval of a share: `83.4% (79.9–86.4%)`. */
export function formatEstimate(
  value: number | undefined,
  { unit, count }: { readonly unit: string; readonly count?: number | undefined },
): string {
  const text = formatValue(value, unit);
  if (unit !== 'share' || count === undefined || text === '–') return text;
  const [low, high] = wilsonInterval(value!, count);
  return `${text} (${(low * 100).toFixed(1)}–${formatPercent(high)})`;
}

/** The value before, with the interval of its own sample size. */
export function formatBefore({ before, unit, count, countBefore = count }: Metric): string {
  return formatEstimate(before, { unit, count: countBefore });
}

/** The sample size: `500`, or `64 → 500` where there were fewer before; empty where none is known. */
export function formatSampleSize({ before, count, countBefore = count }: Metric): string {
  const size = count?.toLocaleString('en-US') ?? '';
  if (before === undefined || countBefore === undefined || countBefore === count) return size;
  return `${countBefore.toLocaleString('en-US')} → ${size}`;
}

/** How `value` stands to `reference`: 1 better, 0 equal, −1 worse; undefined where one of them is missing. */
export function compare(
  value: number | undefined,
  reference: number | undefined,
  higherIsBetter: boolean,
): -1 | 0 | 1 | undefined {
  if (value === undefined || reference === undefined) return undefined;
  if (!Number.isFinite(value) || !Number.isFinite(reference)) return undefined;
  const sign = Math.sign(value - reference) * (higherIsBetter ? 1 : -1);
  return sign > 0 ? 1 : sign < 0 ? -1 : 0;
}

/** The baselines in words: `better than trigram 2.310, worse than 5-gram 1.804`; empty where there are none. */
export function describeBaselines({ baseline = [], after, unit, higherIsBetter }: Metric): string {
  return baseline
    .map(({ name, value }) => {
      const number = unit === 'bits/byte' ? formatNumber(value) : formatValue(value, unit);
      const standing = compare(after, value, higherIsBetter);
      if (standing === undefined) return `${name} ${number}`;
      return `${standing > 0 ? 'better than' : standing < 0 ? 'worse than' : 'equal to'} ${name} ${number}`;
    })
    .join(', ');
}
