import { describe, expect, it } from 'vitest';
import { displayWidth } from '../util/table-width.js';
import type { ReportCard } from './report-card.js';
import { renderMarkdown, reportFigures } from './report-card-markdown.js';
import {
  compare,
  describeBaselines,
  formatBefore,
  formatEstimate,
  formatSampleSize,
  type Metric,
  wilsonInterval,
} from './report-card-metric.js';
import { renderTerminal } from './report-card-terminal.js';

const card: ReportCard = {
  title: 'Dictionary assistant',
  machine: { processor: 'Some CPU', threads: 2, 'peak GFLOP/s': 174 },
  recipe: 'forge',
  settings: { parameters: 1_310_000, tokens: 4_800_000 },
  seed: 7,
  stages: [
    { name: 'tokenizer', cost: { seconds: 4.2 }, metrics: [] },
    {
      name: 'pretraining',
      summary: 'Next-token prediction on the glosses.',
      cost: { seconds: 312, tokensPerSecond: 15_400, peakShare: 0.652, peakMemoryBytes: 732_000_000 },
      metrics: [
        {
          name: 'held-out text',
          unit: 'bits/byte',
          before: 8.02,
          after: 1.8731,
          higherIsBetter: false,
          baseline: [
            { name: 'trigram', value: 2.3104 },
            { name: '5-gram', value: 1.8 },
          ],
        },
      ],
      figures: [
        {
          name: 'Pretraining loss',
          title: 'Loss',
          xLabel: 'step',
          series: [{ name: 'loss', x: [1, 2, 3], y: [3, 2, 1] }],
        },
      ],
    },
    {
      name: 'instruction tuning',
      cost: { seconds: 120 },
      metrics: [
        { name: 'look-ups with the tool', unit: 'share', before: 0, after: 0.834, higherIsBetter: true, count: 500 },
        { name: 'addition, at once', unit: 'share', before: 0.12, after: 0.04, higherIsBetter: true, count: 200 },
      ],
      samples: [{ title: 'before', turns: [{ role: 'user', text: 'hello' }] }],
    },
  ],
  samples: [
    {
      title: 'a look-up',
      turns: [
        { role: 'user', text: 'What does 山 mean? '.repeat(8) },
        { role: 'tool', text: 'lookup("mountain")' },
        { role: 'assistant', text: 'A mountain.\u001b[2J```\n# not a heading' },
      ],
    },
  ],
  notes: ['Chat with it: athanor chat runs/x/model'],
};

describe('wilsonInterval', () => {
  it.each([
    // Newcombe, Statistics in Medicine 17 (1998), table I: score method without continuity correction.
    [81 / 263, 263, 0.2553, 0.3662],
    [15 / 148, 148, 0.0624, 0.1605],
    [0 / 20, 20, 0, 0.1611],
    [1 / 29, 29, 0.0061, 0.1718],
  ])('of %d in %i', (share, count, low, high) => {
    const interval = wilsonInterval(share, count);
    expect(interval[0]).toBeCloseTo(low, 4);
    expect(interval[1]).toBeCloseTo(high, 4);
  });

  it('stays within 0 and 1', () => {
    expect(wilsonInterval(1, 20)[1]).toBe(1);
    expect(wilsonInterval(0, 20)[0]).toBe(0);
    expect(wilsonInterval(0.5, 0)).toEqual([0, 1]);
  });
});

describe('metrics', () => {
  const metric: Metric = { name: 'm', unit: 'share', before: 0.1, after: 0.834, higherIsBetter: true, count: 500 };

  it('print values in their unit', () => {
    expect(formatEstimate(0.834, metric)).toBe('83.4% (79.9–86.4%)');
    expect(formatEstimate(undefined, metric)).toBe('–');
    expect(formatEstimate(Number.NaN, metric)).toBe('–');
    expect(formatEstimate(2.3104, { ...metric, unit: 'bits/byte' })).toBe('2.310 bits/byte');
    expect(formatEstimate(192, { ...metric, unit: 'seconds' })).toBe('3 min 12 s');
  });

  it('have the interval of the sample that each value comes from', () => {
    const fewer: Metric = { ...metric, before: 0, countBefore: 64 };
    expect(formatBefore(fewer)).toBe('0.0% (0.0–5.7%)');
    expect(formatSampleSize(fewer)).toBe('64 → 500');
    expect(formatBefore({ ...metric, before: 0 })).toBe('0.0% (0.0–0.8%)');
    expect(formatSampleSize(metric)).toBe('500');
  });

  it('know which way is better', () => {
    expect(compare(2, 1, true)).toBe(1);
    expect(compare(2, 1, false)).toBe(-1);
    expect(compare(1, 1, false)).toBe(0);
    expect(compare(1, undefined, true)).toBeUndefined();
    expect(describeBaselines(card.stages[1]!.metrics[0]!)).toBe('better than trigram 2.310, worse than 5-gram 1.800');
  });
});

describe('renderTerminal', () => {
  it.each([24, 40, 80, 140])('keeps within %i columns', (width) => {
    for (const color of [false, true]) {
      for (const line of renderTerminal(card, { width, color }).split('\n')) {
        expect(displayWidth(line), line).toBeLessThanOrEqual(width);
      }
    }
  });

  it('shows every number, and colours only when asked', () => {
    const text = renderTerminal(card, { width: 120 });
    for (const part of [
      'Dictionary assistant',
      'threads 2',
      'parameters 1,310,000',
      'seed     7',
      'time     7 min 16 s',
      '5 min 12 s · 15 k tokens/s in training steps · 65% of peak · process at most 732 MB so far',
      '8.020 bits/byte  1.873 bits/byte',
      'better than trigram 2.310, worse than 5-gram 1.800',
      '83.4% (79.9–86.4%)  500',
      'tool      │ lookup("mountain")',
      'athanor chat runs/x/model',
      '┤',
    ]) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain('\u001b');
    const colored = renderTerminal(card, { width: 120, color: true });
    expect(colored).toContain('\u001b[32m1.873 bits/byte');
    expect(colored).toContain('\u001b[31m4.0%');
    // The model's own escape sequence is gone.
    expect(colored).not.toContain('[2J');
  });

  it('renders the least there can be', () => {
    const least: ReportCard = { title: 't', machine: {}, recipe: 'r', seed: 0, stages: [] };
    expect(renderTerminal(least)).toMatch(/^t\n═{80}\nmachine\n/);
    expect(renderMarkdown(least)).toMatch(/^# t\n/);
  });
});

describe('renderMarkdown', () => {
  it('has a heading a stage, tables, samples, and lets no text of a model out of its fence', () => {
    const text = renderMarkdown(card);
    expect(text.match(/^## .*$/gm)).toEqual(['## Tokenizer', '## Pretraining', '## Instruction tuning', '## Samples']);
    expect(text).toContain(
      '| held-out text | 8.020 bits/byte | 1.873 bits/byte | lower |  | better than trigram 2.310',
    );
    expect(text).toContain('| look-ups with the tool | 0.0% (0.0–0.8%) | 83.4% (79.9–86.4%) | higher | 500 |');
    expect(text).toMatch(/````text\nuser: What[\s\S]*```\n# not a heading\n````/);
    expect(text).toContain('⠑');
    expect(text).not.toContain('\u001b');
  });

  it('points to the pictures that reportFigures makes', () => {
    const figures = reportFigures(card);
    expect(figures.map(({ file }) => file)).toEqual(['pretraining-loss.svg']);
    expect(figures[0]!.svg).toMatch(/^<svg [\s\S]*<polyline/);
    expect(renderMarkdown(card, { figureFolder: 'figures' })).toContain('![Loss](figures/pretraining-loss.svg)');
  });

  it('survives JSON', () => {
    expect(renderMarkdown(JSON.parse(JSON.stringify(card)) as ReportCard)).toBe(renderMarkdown(card));
  });
});
