import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PairMerger } from './pair-merger.js';

interface Rule {
  readonly left: number;
  readonly right: number;
  readonly merged: number;
  readonly priority: number;
}

/** The definition: the rule of lowest priority, at the leftmost place, again and again. */
function naive(rules: readonly Rule[], symbols: readonly number[]): number[] {
  const out = [...symbols];
  for (;;) {
    let best: { at: number; rule: Rule } | undefined;
    for (let at = 0; at + 1 < out.length; at++) {
      const rule = rules.findLast(({ left, right }) => left === out[at] && right === out[at + 1]);
      if (rule !== undefined && (best === undefined || rule.priority < best.rule.priority)) best = { at, rule };
    }
    if (best === undefined) return out;
    out.splice(best.at, 2, best.rule.merged);
  }
}

const symbol = fc.nat(5);
const rule = fc.record({ left: symbol, right: symbol, merged: fc.nat(9), priority: fc.nat(4) });

describe('PairMerger', () => {
  it('equals the definition for short and long sequences', () => {
    const sequence = fc.oneof(
      fc.array(symbol, { maxLength: 20 }),
      fc.array(symbol, { minLength: 97, maxLength: 160, size: 'max' }),
    );
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 12 }), sequence, (rules, symbols) => {
        const column = (key: keyof Rule): Int32Array => Int32Array.from(rules, (one) => one[key]);
        const merger = new PairMerger({
          left: column('left'),
          right: column('right'),
          merged: column('merged'),
          priority: column('priority'),
        });
        const buffer = Int32Array.from(symbols);
        const length = merger.merge(buffer, symbols.length);
        expect([...buffer.subarray(0, length)]).toEqual(naive(rules, symbols));
      }),
      { seed: 11, numRuns: 1000 },
    );
  });
});
