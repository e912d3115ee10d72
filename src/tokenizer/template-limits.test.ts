import { Template } from '@huggingface/jinja';
import { describe, expect, it } from 'vitest';
import { InputError } from '../util/errors.js';
import { DEFAULT_CHAT_TEMPLATE } from './chat-template.js';
import { checkTemplateSource, renderWithin } from './template-limits.js';

const messages = [
  { role: 'user', content: 'two\nlines' },
  { role: 'assistant', content: 'x' },
];
const render = (template: string, variables: { [name: string]: unknown } = { messages }): string =>
  renderWithin(new Template(template).parsed, variables);

/** A text of 2^18 characters in `ns.x`. */
const LONG = '{% set ns = namespace(x="a") %}{% for i in range(18) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}';
const DEEP = '{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}';

describe('a bounded template', () => {
  it.each([
    DEFAULT_CHAT_TEMPLATE,
    '{% for m in messages if m.role == "user" %}{{ loop.index }}{{ m.content | indent(2) }}{% else %}-{% endfor %}',
    '{{ messages | tojson(indent=4) }}{{ [1, 2] | join("-") }}{{ "aXb" | replace("X", "--") }}{{ "aXb".replace("X", "") }}',
    '{% filter upper %}a{{ 2 ** 3 }}{% endfilter %}{{ messages[::-1][0].content[1:] }}{{ range(1, 9, 3) }}',
    '{% macro say(x, y="!") %}{{ x ~ y }}{% endmacro %}{{ say("a") }}{{ say("a", y="?") }}{{ strftime_now("%%") }}',
    '{% set ns = namespace(found=false) %}{% for m in messages %}{% set ns.found = m.role in ["user"] %}{% endfor %}{{ ns.found }}',
  ])('is rendered as without bounds: %s', (template) => {
    expect(render(template)).toBe(new Template(template).render({ messages }));
  });

  it.each([
    ['a huge range', '{{ range(1000000000) | length }}', /a range of 1000000000/],
    ['a range of nothing', '{{ range("x") }}', /a range of NaN/],
    ['loops in loops', `${'{% for i in range(9999) %}'.repeat(4)}${'{% endfor %}'.repeat(4)}`, /too many steps/],
    ['a doubled text', LONG.replace('18', '99'), /too large/],
    [
      'a doubled list',
      '{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
      /too large/,
    ],
    ['lists of lists, printed', `${DEEP}{{ ns.x }}`, /too large/],
    ['lists of lists, as JSON', `${DEEP}{{ ns.x | tojson }}`, /too large/],
    ['lists of lists, compared', `${DEEP}{{ ns.x == "a" }}`, /too large/],
    ['a replacement', `${LONG}{{ ns.x.replace("a", ns.x) }}`, /too large/],
    ['a replacement by another name', `${LONG}{% set f = ns.x["replace"] %}{{ f("", ns.x) }}`, /too large/],
    ['a replacing filter', `${LONG}{{ ns.x | replace("a", ns.x) }}`, /too large/],
    ['a replacing block', `${LONG}{% filter replace("a", ns.x) %}{{ ns.x }}{% endfilter %}`, /too large/],
    ['a joint', `${LONG}{{ ns.x | join(ns.x) }}`, /too large/],
    ['separators', `${LONG}{{ ns.x.split("a") | tojson(separators=(ns.x, ns.x)) }}`, /too large/],
    ['an indent', '{{ messages | tojson(indent=500000000) }}', /indents by 500000000/],
    ['an indent of a text', '{{ "a\\nb" | indent(500000000) }}', /indents by 500000000/],
    [
      'slices of a long text',
      `${LONG}{% for i in range(999) %}{% for j in range(999) %}{% set y = ns.x[0:1] %}{% endfor %}{% endfor %}`,
      /too many steps/,
    ],
    [
      'much output',
      '{% for i in range(99999) %}{% for j in range(99) %}xxxxxxxxxxxxxxx{% endfor %}{% endfor %}',
      /too (large|many)/,
    ],
    ['a namespace in itself', '{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}', /puts a namespace into/],
  ])('refuses %s', (_what, template, message) => {
    expect(() => render(template)).toThrow(message);
    expect(() => render(template)).toThrow(InputError);
  });

  it('prints nothing for the first of nothing, where the library fails', () => {
    expect(render('a{{ [] | first }}b')).toBe('ab');
  });

  it('lets long chats be', () => {
    const long = Array.from({ length: 3000 }, (_, i) => ({
      role: i % 2 ? 'assistant' : 'user',
      content: 'word '.repeat(40),
    }));
    const template =
      '{% for m in messages %}{{ messages[loop.index0 - 1].role ~ m.content | trim }}{{ m | tojson }}{% endfor %}';
    expect(render(template, { messages: long })).toBe(new Template(template).render({ messages: long }));
    const tail = [{ role: 'user', content: 'a\n'.repeat(2e5) }];
    expect(render('{{ messages[0].content | replace("a", "bb") | indent(4) }}', { messages: tail })).toHaveLength(
      2e5 * 7 - 4,
    );
  });

  it('is not parsed where that would take long', () => {
    expect(() => checkTemplateSource('x'.repeat(2 ** 20 + 1))).toThrow(/longer than/);
    expect(() => checkTemplateSource(`a${' '.repeat(1001)}b`)).toThrow(/spaces in a row/);
    expect(() => checkTemplateSource(DEFAULT_CHAT_TEMPLATE)).not.toThrow();
  });
});
