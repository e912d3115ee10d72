/**
 * The template library writes values as JavaScript does (`true`, nothing for `None`) and knows less of Jinja than Python:
 * a template that Python renders would give another text here, or none. A parsed template is therefore rewritten, so that
 * the places where values become text call the functions below.
 */

/** A node of a parsed template. */
interface Node {
  readonly type: string;
  [field: string]: unknown;
}

/** A value as the template library holds it. */
interface Held {
  readonly type: string;
  readonly value: unknown;
}

// No template can say these names: they hold a space.
const TEXT = 'as text';
const SOUGHT = 'as sought';
const LEAST = 'least of';
const GREATEST = 'greatest of';
const FORMATTED = 'formatted as';

/** The functions that a rewritten template calls; to be passed beside its variables. Each gets a list of values. */
export const TEXT_FUNCTIONS: { readonly [name: string]: (values: readonly Held[]) => unknown } = {
  [TEXT]: ([value]) => pythonText(value!),
  // Undefined and None are in no list of texts.
  [SOUGHT]: ([value]) => (isNothing(value!) ? '\0nothing' : value!.value),
  [LEAST]: ([list]) => Math.min(...numbersOf(list!)),
  [GREATEST]: ([list]) => Math.max(...numbersOf(list!)),
  [FORMATTED]: ([text, ...values]) => {
    let next = 0;
    return String(text!.value).replaceAll('{}', () => {
      const value = values[next++];
      return value === undefined ? '' : pythonText(value);
    });
  },
};

function isNothing({ type }: Held): boolean {
  return type === 'UndefinedValue' || type === 'NullValue';
}

function numbersOf({ value }: Held): number[] {
  return (value as readonly Held[]).map((one) => Number(one.value));
}

/** A value as Python's `str` writes it; undefined as Jinja prints it, as nothing. */
function pythonText(held: Held): string {
  return held.type === 'StringValue' ? String(held.value) : pythonRepresentation(held);
}

/** A value as Python's `repr` writes it. */
function pythonRepresentation({ type, value }: Held): string {
  if (type === 'UndefinedValue') return '';
  if (type === 'NullValue') return 'None';
  if (type === 'BooleanValue') return value === true ? 'True' : 'False';
  if (type === 'FloatValue' && Number.isInteger(value)) return `${String(value)}.0`;
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return `[${value.map(pythonRepresentation).join(', ')}]`;
  if (!(value instanceof Map)) return String(value);
  return `{${[...value].map(([key, one]) => `${quoted(String(key))}: ${pythonRepresentation(one)}`).join(', ')}}`;
}

const ESCAPES: { readonly [character: string]: string } = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: Python escapes control characters.
  const escaped = text.replace(/[\\\0-\x1f\x7f]/g, (character) => {
    return ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

/** What belongs to a statement that prints: its fields that hold lists of statements. */
const BODIES: ReadonlySet<string> = new Set(['body', 'alternate', 'defaultBlock']);

/** Rewrites the places of a parsed template where values become text. */
export function writeAsPython(program: object): void {
  visit(program as Node);
}

/** A call of one of our functions. The values go in a list, since only what is in one keeps its type. */
function call(name: string, values: readonly unknown[]): Node {
  const args = [{ type: 'ArrayLiteral', value: values }];
  return { type: 'CallExpression', callee: { type: 'Identifier', value: name }, args };
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

function visit(node: Node): void {
  for (const [field, child] of Object.entries(node)) {
    if (Array.isArray(child)) {
      const isBody = BODIES.has(field);
      child.forEach((one, i) => {
        if (isNode(one)) child[i] = isBody ? printed(replaced(one)) : replaced(one);
      });
    } else if (child instanceof Map) {
      node[field] = new Map([...child].map(([key, value]) => [key, isNode(value) ? replaced(value) : value]));
    } else if (isNode(child)) {
      node[field] = replaced(child);
    }
  }
}

const EXPRESSIONS: ReadonlySet<string> = new Set([
  'Identifier',
  'MemberExpression',
  'CallExpression',
  'FilterExpression',
  'TestExpression',
  'BinaryExpression',
  'UnaryExpression',
  'Ternary',
]);

/** An expression stands as Python prints it. */
function printed(node: Node): Node {
  return EXPRESSIONS.has(node.type) ? call(TEXT, [node]) : node;
}

function replaced(node: Node): Node {
  visit(node);
  if (node.type === 'FilterExpression') return replacedFilter(node);
  if (node.type === 'BinaryExpression') {
    const operator = (node.operator as Held).value;
    if (operator === 'in' || operator === 'not in') node.left = call(SOUGHT, [node.left]);
    if (operator === '~') for (const side of ['left', 'right']) node[side] = call(TEXT, [node[side]]);
  }
  if (node.type === 'CallExpression') {
    const callee = node.callee as Node;
    const object = callee.object as Node | undefined;
    const property = callee.property as Node | undefined;
    if (object?.type === 'StringLiteral' && property?.value === 'format') {
      return call(FORMATTED, [object, ...(node.args as unknown[])]);
    }
  }
  return node;
}

function replacedFilter(node: Node): Node {
  const filter = node.filter as Node;
  if (filter.type !== 'Identifier') return node;
  if (filter.value === 'string') return call(TEXT, [node.operand]);
  if (filter.value === 'trim') node.operand = call(TEXT, [node.operand]);
  if (filter.value === 'min') return call(LEAST, [node.operand]);
  if (filter.value === 'max') return call(GREATEST, [node.operand]);
  return node;
}
