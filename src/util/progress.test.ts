import { afterEach, describe, expect, it, vi } from 'vitest';
import { Progress, type ProgressOptions } from './progress.js';
import { displayWidth } from './table-width.js';

/** A stream that remembers, and a clock that is set by hand. */
function fixture(options: Partial<ProgressOptions> & { isTTY?: boolean; columns?: number } = {}) {
  const written: string[] = [];
  const clock = { ms: 5_000 };
  const { isTTY = false, columns = 100, ...rest } = options;
  const stream = { write: (text: string) => written.push(text), isTTY, columns };
  const progress = new Progress({ label: 'pretraining', total: 1000, stream, now: () => clock.ms, ...rest });
  return { progress, clock, written, text: () => written.join('') };
}

afterEach(() => vi.unstubAllEnvs());

describe('Progress', () => {
  it('prints plain lines, ten seconds apart, where there is no terminal', () => {
    const { progress, clock, written } = fixture({ unit: 'steps' });
    for (let step = 1; step <= 300; step++) {
      clock.ms += 100;
      progress.update(step, { loss: 2.34567 });
    }
    expect(written).toHaveLength(3);
    expect(written[2]).toBe('pretraining 20% 201/1.0 k · 10 steps/s · loss 2.346 · 20 s · 1 min 20 s left\n');
    expect(written.join('')).not.toContain('\u001b');
    progress.finish();
    expect(written.at(-1)).toBe('pretraining 30% 300/1.0 k · 10 steps/s · loss 2.346 · 30 s\n');
    progress.update(5);
    progress.finish();
    progress.stop();
    expect(written).toHaveLength(4);
  });

  it('follows a plan that is revised, and a run that goes on', () => {
    const { progress, clock, written } = fixture({ unit: 'steps', intervalMs: 0 });
    progress.adjust({ done: 500, total: 800 });
    clock.ms += 10_000;
    progress.update(600);
    expect(written).toEqual(['pretraining 75% 600/800 · 10 steps/s · 10 s · 20 s left\n']);
    progress.adjust({ total: 620 });
    expect(progress.remainingSeconds).toBeCloseTo(2);
    clock.ms += 2000;
    progress.update(620);
    progress.finish();
    expect(written.at(-1)).toBe('pretraining 100% 620/620 · 10 steps/s · 12 s\n');
  });

  it('redraws one line on a terminal, within its width', () => {
    vi.stubEnv('NO_COLOR', undefined);
    vi.stubEnv('TERM', 'xterm');
    const { progress, clock, written, text } = fixture({ isTTY: true, columns: 90 });
    for (let step = 1; step <= 500; step++) {
      clock.ms += 50;
      progress.update(step, { loss: 1.5 });
    }
    expect(written.filter((part) => part.includes('pretraining')).length).toBeLessThanOrEqual(260);
    expect(text()).toContain('\u001b[36m█');
    expect(text()).not.toContain('\n');
    for (const part of written.filter((line) => line.includes('pretraining'))) {
      expect(displayWidth(part)).toBeLessThan(90);
    }
    progress.note('a sample');
    expect(text()).toContain('\r\u001b[2Ka sample\n');
    progress.finish();
    expect(text().endsWith('\n')).toBe(true);
  });

  it('leaves colours out for NO_COLOR, and the redrawing for a dumb terminal', () => {
    vi.stubEnv('TERM', 'xterm');
    vi.stubEnv('NO_COLOR', '1');
    const plain = fixture({ isTTY: true });
    plain.progress.update(500);
    expect(plain.text()).toContain('█');
    expect(plain.text()).not.toContain('\u001b[3');
    vi.stubEnv('TERM', 'dumb');
    const dumb = fixture({ isTTY: true });
    dumb.progress.update(500);
    expect(dumb.text()).toBe('pretraining 50% 500/1.0 k · 0 ms\n'.replace('0 ms', '0 s'));
  });

  it('fits a narrow terminal by giving up the bar, then the end of the line', () => {
    vi.stubEnv('TERM', 'xterm');
    const { progress, clock, written } = fixture({ isTTY: true, columns: 30, color: false });
    clock.ms += 1000;
    progress.update(500, { loss: 1.5, 'learning rate': 0.001 });
    expect(written.at(-1)).not.toContain('█');
    expect(displayWidth(written.at(-1)!)).toBeLessThan(30);
    expect(written.at(-1)).toMatch(/^pretraining +50% .*…$/);
  });

  it('writes JSON lines to the given writer and nothing to the stream', () => {
    const lines: string[] = [];
    const { progress, clock, written } = fixture({
      json: true,
      isTTY: true,
      write: (line) => lines.push(line),
      start: 100,
    });
    clock.ms += 2_000;
    progress.update(120, { loss: Number.NaN });
    clock.ms += 10;
    progress.update(121, { loss: 1 });
    progress.note('hello');
    clock.ms += 7_990;
    progress.update(999, { loss: 0.6 });
    progress.update(1000);
    progress.finish({ loss: 0.5 });
    expect(written).toEqual([]);
    const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(parsed.map(({ event }) => event)).toEqual(['progress', 'note', 'progress', 'done']);
    expect(parsed[0]).toMatchObject({ label: 'pretraining', done: 120, total: 1000, elapsedSeconds: 2, loss: null });
    expect(parsed[0]!.rate).toBeCloseTo(10, 9);
    expect(parsed[0]!.remainingSeconds).toBeCloseTo(88, 6);
    expect(parsed[3]).toMatchObject({ done: 1000, rate: 90, elapsedSeconds: 10, remainingSeconds: 0, loss: 0.5 });
  });

  it('follows a change of speed, and does not count what was done before it started', () => {
    const { progress, clock } = fixture({ total: 100_000, start: 50_000 });
    expect(progress.remainingSeconds).toBeUndefined();
    let done = 50_000;
    const run = (seconds: number, perSecond: number): void => {
      for (let i = 0; i < seconds * 10; i++) {
        clock.ms += 100;
        done += perSecond / 10;
        progress.update(done);
      }
    };
    run(60, 100);
    expect(progress.rate).toBeCloseTo(100, 6);
    run(90, 10);
    expect(progress.rate).toBeGreaterThan(9.9);
    expect(progress.rate).toBeLessThan(11);
  });

  it('works without a total, and says when it was stopped', () => {
    const { progress, clock, text } = fixture({ total: undefined, unit: 'words' });
    clock.ms += 1000;
    progress.update(2_000_000);
    expect(text()).toBe('pretraining 2.0 M · 2.0 M words/s · 1.0 s\n');
    progress.stop();
    expect(text()).toContain('1.0 s · stopped\n');
  });
});
