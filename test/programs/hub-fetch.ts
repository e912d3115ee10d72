/** Downloads a model into the cache that the environment names and prints the folder; progress goes to stderr. */
import { fetchFromHub } from '../../src/hub/fetch.js';
import { isModelFile } from '../../src/hub/model-files.js';
import { parseHubReference } from '../../src/hub/reference.js';

const { folder } = await fetchFromHub(parseHubReference(process.argv[2] ?? '')!, {
  files: isModelFile,
  onProgress: ({ bytes }) => process.stderr.write(`${bytes}\n`),
});
process.stdout.write(`${folder}\n`);
