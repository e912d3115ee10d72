/** What is printed where there is no number to print. */
const NOTHING = '–';

/** `value` divided down by thousands, with three figures, and the prefix's place in `prefixes`. */
function scale(value: number, prefixes: readonly string[]): string {
  let magnitude = Math.abs(value);
  let index = 0;
  // 999.5 would print as 1000, so it already belongs to the next prefix.
  while (magnitude >= 999.5 && index < prefixes.length - 1) {
    magnitude /= 1000;
    index++;
  }
  const text = index === 0 ? trimZeros(magnitude.toFixed(2)) : magnitude.toFixed(magnitude < 9.95 ? 1 : 0);
  const sign = value < 0 && Number(text) !== 0 ? '-' : '';
  return `${sign}${text}${prefixes[index] === '' ? '' : ` ${prefixes[index]}`}`;
}

function trimZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** A size in bytes with a decimal prefix: `732 MB`, `5.4 GB`. */
export function formatBytes(bytes: number): string {
  return Number.isFinite(bytes) ? scale(bytes, ['B', 'kB', 'MB', 'GB', 'TB', 'PB']) : NOTHING;
}

/** A count with a decimal prefix: `512`, `9.4 k`, `1.3 M`. */
export function formatCount(count: number): string {
  return Number.isFinite(count) ? scale(count, ['', 'k', 'M', 'G', 'T']) : NOTHING;
}

/** A rate: `9.4 k tokens/s`, `2.5 steps/s`. */
export function formatRate(perSecond: number, unit: string): string {
  return `${formatCount(perSecond)} ${unit}/s`;
}

/** A share of one in percent: `0.834` is `83.4%`. */
export function formatPercent(share: number, decimals = 1): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(decimals)}%` : NOTHING;
}

/** A time span given in seconds, with its two greatest units: `420 ms`, `8.3 s`, `3 min 12 s`, `1 h 02 min`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return NOTHING;
  if (seconds < 0.9995) return seconds === 0 ? '0 s' : `${trimZeros((seconds * 1000).toPrecision(3))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)} d ${pad(hours % 24)} h`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

/** A plain number with as many decimals as its size deserves: `0.0312`, `2.346`, `41.2`, `1,234`. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return NOTHING;
  const magnitude = Math.abs(value);
  if (Number.isInteger(value) || magnitude >= 1000) return Math.round(value).toLocaleString('en-US');
  if (magnitude < 0.001) return value.toExponential(2);
  return magnitude < 1 ? value.toPrecision(3) : value.toFixed(magnitude < 10 ? 3 : 1);
}
