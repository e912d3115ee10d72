import { describe, expect, it } from 'vitest';
import { braillePlot, svgLineChart } from './plot.js';
import { linearScale, logScale, tickLabel } from './plot-scale.js';
import { displayWidth } from './table-width.js';

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const falling = { name: 'loss', x: range(200), y: range(200).map((i) => 2 + 5 * Math.exp(-i / 30)) };

describe('scales', () => {
  it('choose round ticks inside the data', () => {
    expect(linearScale([0, 1], 5).ticks).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(linearScale([-3, 17], 4).ticks).toEqual([0, 5, 10, 15]);
    expect(logScale([1, 1000], 5).ticks).toEqual([1, 10, 100, 1000]);
    expect(logScale([30, 600], 5).ticks).toEqual([50, 100, 200, 500]);
    expect(logScale([1, 1e9], 3).ticks).toEqual([1, 1e3, 1e6, 1e9]);
  });

  it('place the ends at 0 and 1, and survive a constant and nothing at all', () => {
    for (const scale of [linearScale([2, 8, 5], 4), logScale([2, 8, 5], 4)]) {
      expect([2, 8].map(scale.position)).toEqual([0, 1]);
    }
    expect(linearScale([7, 7], 4).position(7)).toBe(0.5);
    expect(linearScale([0], 4).position(0)).toBe(0.5);
    expect(logScale([7], 4).position(7)).toBeCloseTo(0.5, 12);
    expect(linearScale([], 4).ticks.length).toBeGreaterThan(1);
  });

  it('label values shortly', () => {
    expect([0, 0.25, 5, 1500, 20_000, 1_500_000, 3e9, -0.5, 1e-7].map(tickLabel)).toEqual([
      '0',
      '0.25',
      '5',
      '1,500',
      '20k',
      '1.5M',
      '3G',
      '-0.5',
      '1e-7',
    ]);
  });
});

describe('braillePlot', () => {
  it('draws a diagonal from the lower left to the upper right', () => {
    const plot = braillePlot([{ name: 'd', x: [0, 1], y: [0, 1] }], { width: 14, height: 4, title: 'up' });
    const rows = plot.split('\n');
    expect(rows).toHaveLength(1 + 4 + 2 + 1);
    const drawing = rows.slice(1, 5).map((row) => row.slice(row.search(/[│┤]/) + 1));
    const starts = drawing.map((row) => row.search(/[⠀-⣿]/));
    expect(starts).toEqual([...starts].sort((a, b) => b - a));
    expect(starts[3]).toBe(0);
    // The outermost dots: lower left of the last row, upper right of the first.
    expect((drawing[3]!.codePointAt(0)! - 0x2800) & 0x40).toBe(0x40);
    expect((drawing[0]!.codePointAt(drawing[0]!.length - 1)! - 0x2800) & 0x08).toBe(0x08);
    expect(rows.at(-1)).toContain('d 1');
  });

  it('keeps to its width and shows title, ticks, and last values', () => {
    const plot = braillePlot([falling, { name: 'held out', x: [10, 100], y: [4, 3] }], {
      width: 60,
      height: 10,
      title: 'pretraining',
      xLabel: 'step',
    });
    for (const line of plot.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(60);
    expect(plot).toMatch(/^pretraining\n/);
    expect(plot).toContain('loss 2.007');
    expect(plot).toContain('held out 3');
    expect(plot).toMatch(/\n4 ┤/);
    expect(plot).toContain('step');
    expect(plot).not.toContain('\u001b');
    expect(braillePlot([falling], { color: true })).toContain('\u001b[36m');
  });

  it('leaves out what cannot be drawn', () => {
    const odd = { name: 'odd', x: [0, 1, 2, 3], y: [1, Number.NaN, Number.POSITIVE_INFINITY, 2] };
    expect(braillePlot([odd], { logX: true })).toContain('odd 2');
    expect(braillePlot([{ name: 'none', x: [0], y: [Number.NaN] }], { title: 't' })).toBe('t\n(no points)');
    expect(braillePlot([])).toBe('(no points)');
    expect(braillePlot([{ name: 'one', x: [3], y: [4] }])).toContain('one 4');
  });
});

describe('svgLineChart', () => {
  it('is well formed, with axes, labels, legend, and everything inside the frame', () => {
    const svg = svgLineChart([falling, { name: 'a <b> & "c"', x: [1, 50], y: [6, 3] }], {
      title: 'Loss & co',
      xLabel: 'step',
      yLabel: 'nats',
    });
    const open: string[] = [];
    for (const [, close, name, self] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
      if (close === '/') expect(open.pop()).toBe(name);
      else if (self !== '/') open.push(name!);
    }
    expect(open).toEqual([]);
    expect(svg).toContain('a &lt;b&gt; &amp; &quot;c&quot;</text>');
    for (const label of ['Loss &amp; co', 'step', 'nats', '>100<', '>4<']) expect(svg).toContain(label);
    const lines = [...svg.matchAll(/<polyline points="([^"]*)"/g)].map(([, points]) =>
      points!.split(' ').map((point) => point.split(',').map(Number)),
    );
    expect(lines.map((line) => line.length)).toEqual([200, 2]);
    for (const [x, y] of lines.flat()) {
      expect(x).toBeGreaterThanOrEqual(64);
      expect(x).toBeLessThanOrEqual(704);
      expect(y).toBeGreaterThanOrEqual(40);
      expect(y).toBeLessThanOrEqual(312);
    }
    // The loss falls, so on the page it goes down: y grows.
    expect(lines[0]!.at(-1)![1]).toBeGreaterThan(lines[0]![0]![1]!);
  });

  it('stays small and never fails on odd data', () => {
    const long = { name: 'long', x: range(100_000), y: range(100_000).map(Math.sqrt) };
    const svg = svgLineChart([long]);
    expect(svg.length).toBeLessThan(40_000);
    expect(svg).toContain('704,16"');
    expect(svgLineChart([])).toContain('no points');
    expect(svgLineChart([{ name: 'one', x: [5], y: [5] }], { logX: true })).toContain('<circle');
    expect(svgLineChart([{ name: 'bad', x: [-1, 0], y: [1, 2] }], { logX: true })).not.toContain('NaN');
  });
});
