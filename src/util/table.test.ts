import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { markdownTable, textTable } from './table.js';
import { cutToWidth, displayWidth, stripControls, wrapToWidth } from './table-width.js';

describe('displayWidth', () => {
  it.each([
    ['', 0],
    ['abc', 3],
    ['床前明月光', 10],
    ['ａｂ', 4],
    ['ﾊﾝ', 2],
    ['한글', 4],
    ['e\u0301', 1],
    ['👩‍👩‍👧', 2],
    ['🔥', 2],
    ['\u001b[31mred\u001b[0m', 3],
    ['café—…', 6],
    ['█▌⣿', 3],
    ['a\u200bb', 2],
  ])('of %j is %i', (text, width) => expect(displayWidth(text)).toBe(width));
});

describe('cutToWidth and wrapToWidth', () => {
  it('cut with a mark and never inside a character', () => {
    expect(cutToWidth('abcdef', 6)).toBe('abcdef');
    expect(cutToWidth('abcdef', 5)).toBe('abcd…');
    expect(cutToWidth('床前明月光', 6)).toBe('床前…');
    expect(cutToWidth('abc', 0)).toBe('');
  });

  it('break at spaces, between wide characters, and in words that are too long', () => {
    expect(wrapToWidth('to be or not to be', 7)).toEqual(['to be', 'or not', 'to be']);
    expect(wrapToWidth('to be or', 5)).toEqual(['to be', 'or']);
    expect(wrapToWidth('床前明月光', 4)).toEqual(['床前', '明月', '光']);
    expect(wrapToWidth('abcdefgh', 3)).toEqual(['abc', 'def', 'gh']);
    expect(wrapToWidth('one\n\ntwo', 10)).toEqual(['one', '', 'two']);
  });

  it('keep within the width and lose no letter', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.integer({ min: 2, max: 20 }), (raw, width) => {
        const text = stripControls(raw);
        const lines = wrapToWidth(text, width);
        for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width);
        expect(lines.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
        expect(displayWidth(cutToWidth(text.replace(/\n/g, ' '), width))).toBeLessThanOrEqual(width);
      }),
      { numRuns: 300, seed: 3 },
    );
  });

  it('strip what would steer a terminal', () => {
    expect(stripControls('a\u001b[2Jb\u001b]0;title\u0007c\rd\u202ee\n\tf\u009b31mg')).toBe('abcde\n\tf31mg');
  });
});

describe('textTable', () => {
  it('lines up Chinese with Latin', () => {
    const table = textTable(
      ['poet', { title: 'lines', align: 'right' }],
      [['李白', '12'], ['Homer', '27,803'], ['none\nyet']],
    );
    expect(table.split('\n')).toEqual([
      'poet       lines',
      '────────  ──────',
      '李白          12',
      'Homer     27,803',
      'none yet',
    ]);
  });
});

describe('markdownTable', () => {
  it('escapes what Markdown would read', () => {
    expect(markdownTable(['a', { title: 'b', align: 'right' }], [['x|y\nz', '<b>*1*</b>'], ['_']])).toBe(
      ['| a | b |', '| --- | ---: |', '| x\\|y z | &lt;b&gt;\\*1\\*&lt;/b&gt; |', '| \\_ |  |'].join('\n'),
    );
  });
});
