/** A sign, the opening quote of a string, or a literal or number. */
const TOKEN = /([{}[\],:])|(")|(true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
const BLANK = /[ \t\r\n]*/y;

/** The end of the string that opens at `start`, or −1 if it does not end well. By hand: strings may be megabytes long. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 34) return at + 1;
    if (code < 32) return -1;
    if (code !== 92) continue;
    const letter = text[++at] ?? '';
    if (!'"\\/bfnrtu'.includes(letter) || (letter === 'u' && !/^[\da-f]{4}$/i.test(text.slice(at + 1, at + 5))))
      return -1;
  }
  return -1;
}

/** What may come next: a value, a value or `]`, a key or `}`, a key, `:`, or `,` and the closing bracket. */
type Expected = 'value' | 'first value' | 'first key' | 'key' | 'colon' | 'more';

/** Where the token begins that makes a text no JSON; its length if the text ends too early. */
export function jsonFaultPosition(text: string): number {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  for (let at = 0; ; ) {
    BLANK.lastIndex = at;
    const start = at + (BLANK.exec(text)?.[0].length ?? 0);
    if (expected === 'more' && open.length === 0) return start;
    TOKEN.lastIndex = start;
    const [whole, sign, string, other] = TOKEN.exec(text) ?? [];
    if (whole === undefined) return start;
    at = string === undefined ? start + whole.length : stringEnd(text, start);
    if (at === -1) return start;
    const isKey = expected === 'key' || expected === 'first key';
    const isValue = expected === 'value' || expected === 'first value';
    if (sign === '}' && open.at(-1) === '{' && (expected === 'first key' || expected === 'more')) {
      open.pop();
      expected = 'more';
    } else if (sign === ']' && open.at(-1) === '[' && (expected === 'first value' || expected === 'more')) {
      open.pop();
      expected = 'more';
    } else if (sign === ',' && expected === 'more') {
      expected = open.at(-1) === '{' ? 'key' : 'value';
    } else if (sign === ':' && expected === 'colon') {
      expected = 'value';
    } else if (isValue && (sign === '{' || sign === '[')) {
      open.push(sign);
      expected = sign === '{' ? 'first key' : 'first value';
    } else if (isValue && (string !== undefined || other !== undefined)) {
      expected = 'more';
    } else if (isKey && string !== undefined) {
      expected = 'colon';
    } else {
      return start;
    }
  }
}
