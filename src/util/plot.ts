import { styleText } from 'node:util';
import { drawable, linearScale, logScale, type PlotSeries, type Scale, tickLabel } from './plot-scale.js';
import { cutToWidth } from './table-width.js';
import { formatNumber } from './units.js';

export interface PlotOptions {
  readonly title?: string;
  readonly xLabel?: string;
  readonly yLabel?: string;
  /** Logarithmic x axis; points with `x <= 0` are left out. */
  readonly logX?: boolean;
}

export interface BraillePlotOptions extends PlotOptions {
  /** Columns of the whole plot, labels included; default 72. */
  readonly width?: number;
  /** Rows of the drawing, without title, axis and legend; default 14. */
  readonly height?: number;
  /** Each series in a colour of its own. Default false. */
  readonly color?: boolean;
}

const TERMINAL_COLORS = ['cyan', 'yellow', 'magenta', 'green', 'red', 'blue'] as const;
/** The bit of each of a braille cell's 2 x 4 dots, by row and column. */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;

/**
 * A line plot for a terminal, drawn with braille dots (2 x 4 a character). Returns lines joined by newlines: title,
 * drawing with a y axis, x axis, and a legend with each series' last value.
 */
export function braillePlot(series: readonly PlotSeries[], options: BraillePlotOptions = {}): string {
  const { title, xLabel, yLabel, logX = false, width = 72, height = 14, color = false } = options;
  const lines = series.map((one) => drawable(one, logX));
  const points = lines.flat();
  const heading = [title, yLabel].filter(Boolean).join(' · ');
  const head = heading === '' ? [] : [cutToWidth(heading, width)];
  if (points.length === 0) return [...head, '(no points)'].join('\n');

  const yScale = linearScale(column(points, 1), Math.max(2, Math.floor(height / 2.5)));
  const pixelRow = (y: number): number => Math.round((1 - yScale.position(y)) * (height * 4 - 1));
  const labels = new Map(yScale.ticks.map((tick) => [pixelRow(tick) >> 2, tick]));
  const margin = Math.max(...[...labels.values()].map((tick) => tickLabel(tick).length));
  const columns = Math.max(4, width - margin - 2);
  const xScale = (logX ? logScale : linearScale)(column(points, 0), Math.max(2, Math.floor(columns / 12)));

  const dots = new Uint8Array(columns * height);
  const owner = new Uint8Array(columns * height);
  lines.forEach((line, s) => {
    let drawn = 0;
    const pixels = line.map(([x, y]) => [Math.round(xScale.position(x) * (columns * 2 - 1)), pixelRow(y)]);
    pixels.forEach((pixel, i) => {
      const [x1, y1] = pixel as [number, number];
      const [x0, y0] = (pixels[i - 1] ?? pixel) as [number, number];
      const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
      for (let step = 0; step <= steps; step++) {
        if (!color && drawn++ % gap(s) !== 0) continue;
        const x = Math.round(x0 + ((x1 - x0) * step) / steps);
        const y = Math.round(y0 + ((y1 - y0) * step) / steps);
        const cell = (y >> 2) * columns + (x >> 1);
        dots[cell]! |= DOTS[y & 3]![x & 1]!;
        owner[cell] = s;
      }
    });
  });

  const paint = (text: string, s: number): string =>
    color ? styleText(TERMINAL_COLORS[s % TERMINAL_COLORS.length]!, text, { validateStream: false }) : text;
  const body = Array.from({ length: height }, (_, row) => {
    const tick = labels.get(row);
    let drawing = '';
    for (let c = 0; c < columns; c++) {
      const cell = row * columns + c;
      drawing += dots[cell] === 0 ? ' ' : paint(String.fromCharCode(0x2800 + dots[cell]!), owner[cell]!);
    }
    const label = tick === undefined ? '' : tickLabel(tick);
    return `${label.padStart(margin)} ${tick === undefined ? '│' : '┤'}${drawing}`.trimEnd();
  });
  const legend = series.map((one, s) => {
    const last = lines[s]!.at(-1);
    return `${paint(color || s === 0 ? '⣀⣀' : '⢀⢀', s)} ${one.name}${last === undefined ? '' : ` ${formatNumber(last[1])}`}`;
  });
  const indent = ' '.repeat(margin + 2);
  return [...head, ...body, ...xAxis(xScale, columns, margin, xLabel), indent + legend.join('   ')].join('\n');
}

/** Without colour, the second line is dotted, the third sparser. */
function gap(series: number): number {
  return 1 + 2 * Math.min(series, 4);
}

/** The x axis with its marks, and the line of its labels. */
function xAxis(scale: Scale, columns: number, margin: number, name: string | undefined): string[] {
  const rule = new Array<string>(columns).fill('─');
  const labels = new Array<string>(columns).fill(' ');
  let free = 0;
  for (const tick of scale.ticks) {
    const at = Math.round(scale.position(tick) * (columns - 1));
    const text = tickLabel(tick);
    const start = Math.min(Math.max(0, at - Math.floor(text.length / 2)), columns - text.length);
    if (start < free) continue;
    rule[at] = '┬';
    labels.splice(start, text.length, ...text);
    free = start + text.length + 1;
  }
  const line = labels.join('').trimEnd();
  const suffix = name !== undefined && line.length + name.length + 2 <= columns ? `  ${name}` : '';
  return [`${' '.repeat(margin)} └${rule.join('')}`, `${' '.repeat(margin + 2)}${line}${suffix}`];
}

export interface SvgChartOptions extends PlotOptions {
  /** Pixels; default 720 by 360. */
  readonly width?: number;
  readonly height?: number;
}

const SVG_COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
/** More points than this a series are thinned, evenly, ends kept: no screen shows more. */
const MAXIMUM_POINTS = 1500;

/** A line chart as a complete SVG document: axes with ticks, a light grid, labels, legend; readable on light and dark. */
export function svgLineChart(series: readonly PlotSeries[], options: SvgChartOptions = {}): string {
  const { title, xLabel, yLabel, logX = false, width = 720, height = 360 } = options;
  const lines = series.map((one) => drawable(one, logX));
  const points = lines.flat();
  const box = { left: 64, right: width - 16, top: title === undefined ? 16 : 40, bottom: height - 48 };
  const xScale = (logX ? logScale : linearScale)(column(points, 0), Math.max(2, Math.floor(width / 110)));
  const yScale = linearScale(column(points, 1), Math.max(2, Math.floor(height / 60)));
  const px = (x: number): number => round(box.left + xScale.position(x) * (box.right - box.left));
  const py = (y: number): number => round(box.bottom - yScale.position(y) * (box.bottom - box.top));
  const text = (x: number, y: number, anchor: string, content: string, extra = ''): string =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}"${extra}>${escapeXml(content)}</text>`;

  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
      `role="img" font-family="system-ui, sans-serif" font-size="12" fill="#333">`,
    `<title>${escapeXml(title ?? series.map(({ name }) => name).join(', '))}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
  ];
  if (title !== undefined) parts.push(text(width / 2, 24, 'middle', title, ' font-size="15" font-weight="600"'));
  for (const tick of yScale.ticks) {
    parts.push(`<path d="M${box.left} ${py(tick)}H${box.right}" stroke="#ddd"/>`);
    parts.push(text(box.left - 8, py(tick) + 4, 'end', tickLabel(tick)));
  }
  for (const tick of xScale.ticks) {
    parts.push(`<path d="M${px(tick)} ${box.bottom}v5" stroke="#333"/>`);
    parts.push(text(px(tick), box.bottom + 18, 'middle', tickLabel(tick)));
  }
  parts.push(`<path d="M${box.left} ${box.top}V${box.bottom}H${box.right}" fill="none" stroke="#333"/>`);
  if (xLabel !== undefined) parts.push(text((box.left + box.right) / 2, height - 10, 'middle', xLabel));
  const middle = (box.top + box.bottom) / 2;
  if (yLabel !== undefined) parts.push(text(16, middle, 'middle', yLabel, ` transform="rotate(-90 16 ${middle})"`));
  if (points.length === 0) parts.push(text((box.left + box.right) / 2, middle, 'middle', 'no points'));

  const legendLeft = box.right - 24 - 7 * Math.max(0, ...series.map(({ name }) => name.length));
  series.forEach(({ name }, s) => {
    const color = SVG_COLORS[s % SVG_COLORS.length]!;
    const path = thin(lines[s]!).map(([x, y]) => `${px(x)},${py(y)}`);
    if (path.length === 1)
      parts.push(`<circle cx="${path[0]!.split(',')[0]}" cy="${path[0]!.split(',')[1]}" r="3" fill="${color}"/>`);
    if (path.length > 1) {
      parts.push(`<polyline points="${path.join(' ')}" fill="none" stroke="${color}" stroke-width="1.8"/>`);
    }
    const y = box.top + 12 + s * 18;
    parts.push(`<path d="M${legendLeft} ${y}h18" stroke="${color}" stroke-width="3"/>`);
    parts.push(text(legendLeft + 24, y + 4, 'start', name));
  });
  return `${parts.join('\n')}\n</svg>\n`;
}

function column(points: readonly (readonly [number, number])[], index: 0 | 1): number[] {
  return points.map((point) => point[index]);
}

function thin<T>(points: readonly T[]): readonly T[] {
  if (points.length <= MAXIMUM_POINTS) return points;
  const stride = (points.length - 1) / (MAXIMUM_POINTS - 1);
  return Array.from({ length: MAXIMUM_POINTS }, (_, i) => points[Math.round(i * stride)]!);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(/[^\P{Cc}\t\n]/gu, ' ');
}
