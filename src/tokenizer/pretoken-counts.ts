import { detach } from './encoding-buffers.js';
import type { Pretokenizer } from './pretokenizer.js';

/** With this many distinct pretokens (about a gigabyte) those seen once are forgotten. */
const MAXIMUM_DISTINCT = 8_000_000;

/** How often each distinct pretoken occurs. Memory grows with the distinct ones, not with the text. */
export class PretokenCounts {
  private readonly counters = new Map<string, { count: number }>();
  private readonly pretokenizer: Pretokenizer;

  constructor(pretokenizer: Pretokenizer) {
    this.pretokenizer = pretokenizer;
  }

  get distinct(): number {
    return this.counters.size;
  }

  /** Counts the pretokens of a well-formed text. */
  add(text: string): void {
    const { counters, pretokenizer } = this;
    for (let start = 0; start < text.length; ) {
      const end = pretokenizer.end(text, start);
      const pretoken = text.slice(start, end);
      start = end;
      const counter = counters.get(pretoken);
      if (counter !== undefined) counter.count++;
      else counters.set(detach(pretoken), { count: 1 });
    }
    if (counters.size > MAXIMUM_DISTINCT) {
      for (const [pretoken, { count }] of counters) if (count === 1) counters.delete(pretoken);
    }
  }

  *entries(): IterableIterator<[pretoken: string, count: number]> {
    for (const [pretoken, { count }] of this.counters) yield [pretoken, count];
  }
}
