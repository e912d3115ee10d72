import type { TokenStore } from '../data/token-store.js';
import { bitsPerByte, trainNgram } from '../evaluate/ngram.js';

/** Bits per byte of held-out text by n-gram models trained on the same tokens: what a Transformer has to beat. */
export function ngramBaselines(
  training: TokenStore,
  heldOut: TokenStore,
  vocabularySize: number,
  onOrder: (order: number) => void,
): { readonly name: string; readonly value: number }[] {
  return [3, 5].map((order) => {
    onOrder(order);
    const model = trainNgram(training.ids, { order, vocabularySize, boundaryId: training.eosId });
    // The first id of the scored part is a boundary, given and not predicted.
    const nats = model.nats(heldOut.ids.subarray(1), { boundaryId: heldOut.eosId });
    return { name: order === 3 ? 'trigram' : `${order}-gram`, value: bitsPerByte(nats, heldOut.textBytes) };
  });
}
