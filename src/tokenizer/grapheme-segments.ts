const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * UTF-16 units that are a user-perceived character by themselves beside others of their kind (carriage return before
 * line feed apart): no marks, joiners, emoji, surrogates, conjoining jamo or prepended characters. The expensive
 * segmentation then runs only where something else is near.
 */
const PLAIN: Uint8Array = new Uint8Array(0x10000);
for (const [first, last] of [
  [0x0000, 0x02ff],
  [0x0370, 0x0482],
  [0x048a, 0x0590],
  [0x05d0, 0x05ea],
  [0x0620, 0x064a],
  [0x1e00, 0x1fff],
  [0x2010, 0x2027],
  [0x3001, 0x3029],
  [0x3041, 0x3096],
  [0x30a1, 0x30ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
  [0xff01, 0xff9d],
] as const) {
  PLAIN.fill(1, first, last + 1);
}

/** Calls back for each user-perceived character (extended grapheme cluster, UAX #29) of a text, in order. */
export function segmentsOf(text: string, onSegment: (start: number, end: number) => void): void {
  const isBreak = (before: number, after: number): boolean =>
    PLAIN[before] === 1 && PLAIN[after] === 1 && !(before === 0x0d && after === 0x0a);
  for (let start = 0; start < text.length; ) {
    let end = start + 1;
    let before = text.charCodeAt(start);
    while (end < text.length) {
      const after = text.charCodeAt(end);
      if (isBreak(before, after)) break;
      before = after;
      end++;
    }
    if (end === start + 1) onSegment(start, end);
    else segmentStretch(text, start, end, onSegment);
    start = end;
  }
}

/** A segmenter takes quadratic time over long texts, so it is given one block at a time. */
const BLOCK = 256;

function segmentStretch(text: string, from: number, to: number, onSegment: (start: number, end: number) => void): void {
  let block = BLOCK;
  for (let start = from; start < to; ) {
    const end = Math.min(to, start + block);
    let last = start;
    for (const { index, segment } of segmenter.segment(text.slice(start, end))) {
      last = start + index;
      // What the block cuts off may belong to the last one.
      if (end === to || last + segment.length < end) onSegment(last, last + segment.length);
    }
    if (end === to) return;
    block = last === start ? 2 * block : BLOCK;
    start = last;
  }
}

/** How many bytes of UTF-8 a well-formed text takes. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // A pair of surrogates takes four bytes, two for each half.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit & 0xf800) === 0xd800 ? 2 : 3;
  }
  return bytes;
}
