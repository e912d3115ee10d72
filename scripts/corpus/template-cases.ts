import { brokenJson, type Cases } from './damages.js';

/** A text of 2^18 characters in `ns.x`. */
const LONG = '{% set ns = namespace(x="a") %}{% for i in range(18) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}';
/** Lists of lists in `ns.x`, whose text would have 2^60 characters. */
const DEEP = '{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}';
const loops = (count: number, rounds: number, body = ''): string =>
  `{% for i in range(${rounds}) %}`.repeat(count) + body + '{% endfor %}'.repeat(count);

const TEMPLATES: Readonly<Record<string, string>> = {
  'range-huge': '{{ range(1000000000000) }}',
  'range-infinite': '{{ range(2 ** 1023 * 10) }}',
  'range-of-texts': '{{ range("a", "b") }}',
  'range-without-step': '{{ range(1, 9, 0) }}',
  'range-of-tiny-steps': '{{ range(0, 1, 0.0000000001) }}',
  'range-of-nothing': '{{ range() }}{{ range(none) }}',
  'loops-in-loops': loops(6, 1000),
  'loops-with-a-body': loops(5, 500, 'x'),
  'loops-that-select':
    '{% for i in range(900000) if i == 3 %}{% for j in range(900000) if j == 4 %}x{% endfor %}{% endfor %}',
  'text-doubled': LONG.replace('18', '200'),
  'text-doubled-by-plus':
    '{% set ns = namespace(x="a") %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}',
  'list-doubled': '{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
  'text-replaced-by-itself': `${LONG}{{ ns.x.replace("a", ns.x) }}`,
  'text-replaced-between-all': `${LONG}{{ ns.x.replace("", ns.x) }}`,
  'text-replaced-by-a-filter': `${LONG}{{ ns.x | replace("a", ns.x) }}`,
  'text-replaced-through-a-variable': `${LONG}{% set f = ns.x.replace %}{{ f("a", ns.x) }}`,
  'text-replaced-in-a-block': `${LONG}{% filter replace("a", ns.x) %}{{ ns.x }}{% endfilter %}`,
  'text-joined-by-itself': `${LONG}{{ ns.x | join(ns.x) }}`,
  'text-split-and-joined': `${LONG}{{ ns.x.split("a") | join(ns.x) }}`,
  'text-times-a-number': '{{ "a" * 1000000000 }}',
  'text-sliced-again-and-again': `${LONG}${loops(2, 2000, '{% set y = ns.x[::-1] %}')}`,
  'text-compared-again-and-again': `${LONG}${loops(2, 2000, '{% set y = (ns.x ~ "b") == ns.x %}')}`,
  'lists-printed': `${DEEP}{{ ns.x }}`,
  'lists-as-json': `${DEEP}{{ ns.x | tojson }}`,
  'lists-as-text': `${DEEP}{{ ns.x | string }}`,
  'lists-joined': `${DEEP}{{ ns.x | join(",") }}`,
  'lists-compared': `${DEEP}{{ ns.x == "1" }}`,
  'lists-added-to-a-text': `${DEEP}{{ ns.x ~ "" }}`,
  'lists-in-mappings':
    '{% set ns = namespace(x=1) %}{% for i in range(99) %}{% set ns.x = {"a": ns.x, "b": ns.x} %}{% endfor %}{{ ns.x }}',
  'namespace-in-itself': '{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}',
  'namespace-in-its-list': '{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x | tojson }}',
  'json-indented-by-gigabytes': '{{ messages | tojson(indent=2000000000) }}',
  'json-separated-by-megabytes': `${LONG}{{ ns.x.split("a") | tojson(separators=(ns.x, ns.x)) }}`,
  'indent-of-gigabytes': '{{ "a\\nb\\nc" | indent(2000000000) }}',
  'indent-negative': '{{ "a\\nb" | indent(-1) }}',
  'macro-calls-itself': '{% macro f(g) %}{{ g(g) }}{{ g(g) }}{% endmacro %}{{ f(f) }}',
  'power-of-powers': '{{ 9 ** 9 ** 9 ** 9 }}',
  'parentheses-in-one-another': `{{ ${'('.repeat(6000)}1${')'.repeat(6000)} }}`,
  'nots-in-a-row': `{{ ${'not '.repeat(5000)}1 }}`,
  'lists-in-one-another': `{{ ${'['.repeat(5000)}${']'.repeat(5000)} }}`,
  'ifs-in-one-another': `${'{% if 1 %}'.repeat(900)}x${'{% endif %}'.repeat(900)}`,
  'attributes-in-a-row': `{{ messages${'.a'.repeat(9000)} }}`,
  'spaces-in-a-row': `a${' '.repeat(5000)}b`,
  'if-not-ended': '{% if messages %}x',
  'for-not-ended': '{% for m in messages %}x',
  'expression-not-ended': '{{ messages',
  'comment-not-ended': 'x {# y',
  'text-not-ended': '{{ "x }}',
  'tag-unknown': '{% include "/etc/hostname" %}',
  'tag-imports': '{% import "os" as os %}{{ os }}',
  'filter-unknown': '{{ messages | attr("constructor") }}',
  'test-unknown': '{{ messages is divisibleby(3) }}',
  'function-unknown': '{{ cycler.__init__.__globals__ }}',
  'reaches-for-the-constructor': '{{ "".constructor.constructor("return process")() }}',
  'reaches-for-the-prototype': '{{ messages.__proto__.x.y }}{{ messages["__proto__"]["z"]() }}',
  'escape-wrong': '{{ "\\xZZ" }}',
  'divides-by-nothing': '{{ (1 / 0) | int }}{{ range((1 / 0) | int) }}',
  'raises-a-long-reason':
    '{% set ns = namespace(x="a") %}{% for i in range(16) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ raise_exception(ns.x) }}',
  'raises-terminal-codes': '{{ raise_exception("\\x1b[2J\\x07") }}',
  'raises-nothing': '{{ raise_exception() }}',
  'sorts-what-cannot-be': '{{ [1, "a", none] | sort }}',
  'unpacks-what-cannot-be': '{% for a, b in [1, 2] %}{{ a }}{% endfor %}',
  'adds-to-nothing': '{{ nobody.knows + 1 }}',
  'sets-what-cannot-be': '{% set messages[0] = 1 %}',
  'zero-bytes': '\0\0\0{{ messages }}',
};

export function templateCases(): Cases {
  const config = (value: unknown): { 'tokenizer_config.json': string } => ({
    'tokenizer_config.json': JSON.stringify({ chat_template: value }),
  });
  const broken = brokenJson({ chat_template: 'x' });
  return {
    ...Object.fromEntries(Object.entries(TEMPLATES).map(([name, text]) => [name, { 'chat_template.jinja': text }])),
    ...Object.fromEntries(
      ['empty', 'cut-off', 'top-is-a-list', 'deep-lists', 'utf-16', 'latin-1'].map((name) => [
        `config-${name}`,
        { 'tokenizer_config.json': broken[name] as string },
      ]),
    ),
    'is-not-utf-8': { 'chat_template.jinja': Uint8Array.of(0x7b, 0x7b, 0xff, 0x7d, 0x7d) },
    'is-a-number': config(5),
    'is-an-object': config({ default: 'x' }),
    'is-an-empty-list': config([]),
    'is-a-list-of-texts': config(['x']),
    'list-without-default': config([{ name: 'tool_use', template: 'x' }]),
    'default-is-no-text': config([{ name: 'default', template: { toString: 1 } }]),
    'list-of-nothing': config([null, 1, [[]]]),
  };
}
