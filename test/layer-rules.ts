/** The folders of `src`, lowest layer first. A file imports from its own folder and from lower layers alone. */
const LAYERS: readonly (readonly string[])[] = [
  ['util'],
  ['tensor', 'hub'],
  ['onnx', 'gguf', 'tokenizer', 'data'],
  ['runtime', 'nn', 'optim'],
  ['models', 'adapters'],
  ['generate'],
  ['train', 'llm'],
  ['evaluate', 'prompt', 'tools', 'rag', 'agent', 'cascade', 'forge', 'exchange', 'server', 'labs'],
  ['cli'],
];

/** Imports between folders of one layer that are allowed. */
const SAME_LAYER: readonly string[] = ['data -> tokenizer', 'forge -> evaluate'];

/** Folders that see language models through `llm` and know nothing else of them. */
const THROUGH_LLM: readonly string[] = ['prompt', 'tools', 'rag', 'agent', 'cascade'];

/** Packages that one folder alone may import. */
const PACKAGE_OWNERS: Readonly<Record<string, string>> = {
  'onnxruntime-node': 'runtime',
  'onnxruntime-web': 'runtime',
  'onnxruntime-common': 'runtime',
  commander: 'cli',
};

const layerOf = (folder: string): number => LAYERS.findIndex((layer) => layer.includes(folder));

/**
 * Why a file of `src` may not import something, or undefined where it may.
 * @param folder the folder of the importing file, such as `nn`
 * @param target a folder of `src`, or the name of a package
 */
export function importFault(folder: string, target: { folder: string } | { package: string }): string | undefined {
  const from = layerOf(folder);
  if (from < 0) return `src/${folder} is on no layer; add it to test/layer-rules.ts`;
  if ('package' in target) {
    const owner = PACKAGE_OWNERS[target.package];
    return owner === undefined || owner === folder
      ? undefined
      : `only src/${owner} imports ${target.package}, not src/${folder}`;
  }
  if (target.folder === folder) return undefined;
  const to = layerOf(target.folder);
  if (to < 0) return `src/${target.folder} is on no layer; add it to test/layer-rules.ts`;
  if (to > from) return `${folder} (layer ${from}) imports from the higher ${target.folder} (layer ${to})`;
  if (to === from && !SAME_LAYER.includes(`${folder} -> ${target.folder}`)) {
    return `${folder} imports from ${target.folder}, which is on the same layer`;
  }
  if (THROUGH_LLM.includes(folder) && target.folder !== 'util' && target.folder !== 'llm') {
    return `${folder} sees models through llm alone, and imports from ${target.folder}`;
  }
  return undefined;
}
