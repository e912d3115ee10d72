import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { InputError } from '../util/errors.js';

/** Published templates stay below 30,000 characters. */
const LONGEST_TEMPLATE = 1 << 20;
/** The library's lexer takes time quadratic in a run of white space. */
const LONGEST_BLANK = 1000;
/** A round of a loop costs as much as so many nodes. */
const ROUND = 4;
/** Published templates indent JSON by 4. */
const WIDEST_INDENT = 64;

/** A value of the template library: its classes are not exported, so they are told apart by what they hold. */
interface Value {
  readonly type: string;
  readonly value: unknown;
}

/** A node of a parsed template. */
interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Variables; blocks have their own inside those around them. */
interface Scope {
  set(name: string, value: unknown): Value;
}

// The library's declarations of these two do not resolve for Node.
const Variables = Environment as unknown as new () => Scope;
const BaseInterpreter = Interpreter as unknown as new (
  variables: Scope,
) => {
  run(program: unknown): Value;
  evaluate(node: Node | undefined, scope: Scope): Value;
};

/** The node of a value that was computed before. */
const HELD = 'Held';
const held = (value: Value): Node => ({ type: HELD, value });

/** A template that takes more than any honest one does. */
function excessive(what: string): InputError {
  return new InputError(`the template ${what}`, {
    hint: 'Published templates do not. Take another one, or the model from another source.',
  });
}

/** Refuses the source of a template that would take long to parse. @throws {InputError} */
export function checkTemplateSource(source: string): void {
  if (source.length > LONGEST_TEMPLATE) throw excessive(`is longer than ${LONGEST_TEMPLATE} characters`);
  let run = 0;
  for (let i = 0; i < source.length; i++) {
    run = source.charCodeAt(i) <= 0x20 || /\s/.test(source[i]!) ? run + 1 : 0;
    if (run > LONGEST_BLANK) throw excessive(`has more than ${LONGEST_BLANK} spaces in a row`);
  }
}

/**
 * Runs a template as `Template.render` does, with bounds on steps and memory that grow with the variables, because
 * a template is a program, and often a stranger's: loops, doubled texts and lists of lists could take all there is.
 *
 * Each node that is computed is a step, and so are each round of a loop and each 64 characters or items of an operand. A
 * value is weighed by the characters that it would be printed as; one that is too heavy is not made.
 *
 * @param parsed as `Template` holds it.
 * @throws {InputError} if the template passes a bound.
 */
export function renderWithin(parsed: unknown, variables: { readonly [name: string]: unknown }): string {
  const environment = new Variables();
  const meter = new Meter();
  for (const name of ['true', 'True']) environment.set(name, true);
  for (const name of ['false', 'False']) environment.set(name, false);
  for (const name of ['none', 'None']) environment.set(name, null);
  environment.set('raise_exception', (reason: unknown) => {
    throw new Error(String(reason).slice(0, 1000));
  });
  environment.set('range', (...bounds: number[]) => boundedRange(meter, bounds));
  environment.set('strftime_now', (format: string) => DATE.render({ format }));
  let weight = 0;
  for (const [name, value] of Object.entries(variables)) {
    // What is computed from the variables may be as much larger as they are large.
    weight += meter.weigh(environment.set(name, value));
  }
  meter.allow(weight);
  return String(new BoundedInterpreter(meter, environment).run(parsed).value);
}

const DATE = new Template('{{ strftime_now(format) }}');

function boundedRange(meter: Meter, [first = 0, second, step = 1]: number[]): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  if (step === 0) throw new Error('range() step must not be zero');
  const count = Math.max(0, Math.ceil((stop - start) / step));
  // Not `count > …`: it may be no number.
  if (!(count <= 1e6)) throw excessive(`asks for a range of ${count} numbers`);
  meter.spend(count);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

/** Counts steps and weighs values. */
class Meter {
  private steps = Number.POSITIVE_INFINITY;
  private heaviest = Number.POSITIVE_INFINITY;
  private readonly weights = new WeakMap<object, number>();

  /** Sets the bounds. @param weight of the variables. */
  allow(weight: number): void {
    this.steps = 2 ** 18 + 64 * weight;
    this.heaviest = 2 ** 20 + 16 * weight;
  }

  spend(steps: number): void {
    this.steps -= steps;
    if (!(this.steps >= 0)) throw excessive('takes too many steps');
  }

  /** Refuses a text of so many characters before it is made. */
  mustFit(characters: number): void {
    if (!(characters <= this.heaviest)) throw excessive('makes a text or a list that is too large');
  }

  /** The characters that a value is printed as, about. @throws {InputError} if it is too heavy. */
  weigh(value: Value, depth = 0): number {
    const { value: content } = value;
    let weight = 8;
    if (typeof content === 'string') weight = content.length;
    else if (typeof content === 'object' && content !== null) {
      if (value.type === 'NamespaceValue' && depth > 0) throw excessive('puts a namespace into another value');
      const known = this.weights.get(value);
      if (known !== undefined) return known;
      if (depth > 100) throw excessive('puts lists into one another without end');
      const items: Iterable<Value> = Array.isArray(content) ? content : (content as Map<string, Value>).values();
      for (const item of items) weight += 4 + this.weigh(item, depth + 1);
      if (content instanceof Map) for (const key of content.keys()) weight += 6 + String(key).length;
      // Namespaces change.
      if (value.type !== 'NamespaceValue') this.weights.set(value, weight);
    }
    this.mustFit(weight);
    return weight;
  }
}

/** The characters or items that a value has at its top. */
function sizeOf({ value }: Value): number {
  if (typeof value === 'string' || Array.isArray(value)) return value.length;
  return value instanceof Map ? value.size : 1;
}

class BoundedInterpreter extends BaseInterpreter {
  private readonly meter: Meter;

  constructor(meter: Meter, variables: Scope) {
    super(variables);
    this.meter = meter;
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    if (node?.type === HELD) return node.value as Value;
    const value: Value | undefined = this.compute(node, scope);
    // `first` of an empty list is no value at all.
    if (value === undefined) return super.evaluate(undefined, scope);
    this.meter.spend(1 + sizeOf(value) / 64);
    if (node?.type !== 'Identifier') this.meter.weigh(value);
    return value;
  }

  private compute(node: Node | undefined, scope: Scope): Value | undefined {
    const plainly = (changed: Node | undefined): Value | undefined => super.evaluate(changed, scope);
    const hold = (child: unknown): Node => held(this.evaluate(child as Node, scope));
    switch (node?.type) {
      case 'For':
        return plainly({ ...node, iterable: this.loopedOver(node.iterable as Node, scope) });
      case 'Set': {
        const result = plainly(node);
        const { type, object } = node.assignee as Node;
        if (type === 'MemberExpression') this.meter.weigh(this.evaluate(object as Node, scope));
        return result;
      }
      case 'BinaryExpression': {
        if (['and', 'or'].includes((node.operator as Value).value as string)) return plainly(node);
        const [left, right] = [hold(node.left), hold(node.right)];
        for (const side of [left, right]) this.meter.spend(this.meter.weigh(side.value as Value) / 64);
        return plainly({ ...node, left, right });
      }
      case 'MemberExpression': {
        const object = hold(node.object);
        // A slice makes a list of the characters first.
        const isSlice = (node.property as Node).type === 'SliceExpression';
        if (isSlice) this.meter.spend(sizeOf(object.value as Value) / 8);
        const result = plainly({ ...node, object });
        return result?.type === 'FunctionValue' ? this.guarded(object.value as Value, result) : result;
      }
      case 'FilterStatement': {
        const operand = hold({ type: 'Program', body: node.body });
        return plainly(this.guardedFilter({ type: 'FilterExpression', operand, filter: node.filter }, scope));
      }
      case 'FilterExpression':
        return plainly(this.guardedFilter({ ...node, operand: hold(node.operand) }, scope));
      default:
        return plainly(node);
    }
  }

  /** Rounds are counted before they are made: an empty body has no steps of its own. */
  private loopedOver(iterable: Node, scope: Scope): Node {
    const isSelect = iterable.type === 'SelectExpression';
    const items = held(this.evaluate((isSelect ? iterable.lhs : iterable) as Node, scope));
    this.meter.spend(ROUND * sizeOf(items.value as Value));
    return isSelect ? { ...iterable, lhs: items } : items;
  }

  /** A method of a text: only `replace` takes two texts and makes one that may be larger. */
  private guarded({ value: text }: Value, method: Value): Value {
    if (typeof text !== 'string') return method;
    const call = method.value as (args: Value[], scope: Scope) => Value;
    const FunctionValue = method.constructor as new (call: unknown) => Value;
    return new FunctionValue((args: Value[], scope: Scope) => {
      this.meter.spend(text.length / 16);
      this.checkReplacement(text, args);
      return call(args, scope);
    });
  }

  /** The same filter with its arguments computed, and what it will make held against the bounds. */
  private guardedFilter(node: Node, scope: Scope): Node {
    const filter = node.filter as Node;
    const operand = (node.operand as Node).value as Value;
    this.meter.spend(this.meter.weigh(operand) / 16);
    const name = (filter.callee as Node | undefined)?.value;
    if (filter.type !== 'CallExpression' || !['join', 'replace', 'indent', 'tojson'].includes(name as string)) {
      return node;
    }
    const values: Value[] = [];
    const args = (filter.args as Node[]).map((argument) => {
      const field = { KeywordArgumentExpression: 'value', SpreadExpression: 'argument' }[argument.type];
      if (argument.type === 'KeywordSpreadExpression') throw excessive(`spreads settings of ${name}`);
      const value = this.evaluate((field === undefined ? argument : argument[field]) as Node, scope);
      values.push(value);
      return field === undefined ? held(value) : { ...argument, [field]: held(value) };
    });
    this.checkFilter(name as string, operand, values);
    return { ...node, filter: { ...filter, args } };
  }

  private checkFilter(name: string, operand: Value, args: readonly Value[]): void {
    if (name === 'replace') {
      if (typeof operand.value === 'string') this.checkReplacement(operand.value, args);
      return;
    }
    let added = 0;
    for (const argument of args) {
      if (typeof argument.value === 'number' && !(Math.abs(argument.value) <= WIDEST_INDENT)) {
        throw excessive(`indents by ${argument.value}`);
      }
      added += typeof argument.value === 'number' ? argument.value : this.meter.weigh(argument);
    }
    // Of `join` an argument stands between items, of `indent` before lines, of `tojson` before every part, level by level.
    const places =
      name === 'join'
        ? sizeOf(operand)
        : typeof operand.value === 'string'
          ? operand.value.split('\n').length
          : this.meter.weigh(operand);
    this.meter.mustFit(this.meter.weigh(operand) + places * added);
  }

  private checkReplacement(text: string, [sought, by]: readonly Value[]): void {
    if (typeof sought?.value !== 'string' || typeof by?.value !== 'string') return;
    let count = 0;
    if (sought.value === '') count = text.length + 1;
    else
      for (let at = text.indexOf(sought.value); at >= 0; at = text.indexOf(sought.value, at + sought.value.length))
        count++;
    this.meter.mustFit(text.length + count * by.value.length);
  }
}
