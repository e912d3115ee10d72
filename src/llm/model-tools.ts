import { existsSync } from 'node:fs';
import * as path from 'node:path';
import { lookupTool } from '../data/dictionary-tool.js';
import { WordNet } from '../data/wordnet.js';
import { InputError } from '../util/errors.js';
import { readJsonObject } from '../util/json.js';
import type { ChatTool } from './tool-loop.js';

/** The file of a model's folder that names the tools it was trained with: `{"tools": ["lookup"]}`. */
export const TOOLS_FILE = 'tools.json';

/** Makers of the tools that a folder may name. What they need is loaded at the first call. */
const TOOLS: Readonly<Record<string, () => ChatTool>> = { lookup: lazyLookupTool };

/** The content of a `tools.json`. */
export function toolsJson(names: readonly string[]): string {
  return `${JSON.stringify({ tools: names }, null, 2)}\n`;
}

/** The look-up tool of the dictionary assistant; WordNet is loaded at its first call. */
export function lookupTools(): ChatTool[] {
  return [lazyLookupTool()];
}

/**
 * The tools that a model was trained with, by its `tools.json`; undefined where it has no such file.
 * @throws {InputError} if the file is not usable or names a tool that does not exist here.
 */
export function toolsOf(folder: string): ChatTool[] | undefined {
  const file = path.join(folder, TOOLS_FILE);
  if (!existsSync(file)) return undefined;
  const { tools } = readJsonObject(file);
  if (!Array.isArray(tools)) throw new InputError('not a list', { where: `${file}: tools`, expected: '["lookup"]' });
  return tools.map((name, i) => {
    const make = typeof name === 'string' && Object.hasOwn(TOOLS, name) ? TOOLS[name] : undefined;
    if (make !== undefined) return make();
    throw new InputError('there is no such tool', {
      where: `${file}: tools[${i}]`,
      expected: Object.keys(TOOLS).join(', '),
      got: JSON.stringify(name).slice(0, 80),
    });
  });
}

function lazyLookupTool(): ChatTool {
  let tool: ChatTool | undefined;
  return {
    name: 'lookup',
    description: 'Looks a word up in WordNet: meaning, synonyms, opposite, kind, example.',
    run(argument) {
      tool ??= lookupTool(new WordNet());
      return tool.run(argument);
    },
  };
}
