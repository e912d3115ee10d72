/** Characters looked at; more do not change the answer. */
const SAMPLE = 200_000;

/**
 * True if more than half of a sample's letters are Chinese characters: such text is better learned character by
 * character than by merging bytes. Japanese, with its syllables beside the characters, seldom passes; Korean never.
 */
export function mostlyChinese(sample: string): boolean {
  const text = sample.slice(0, SAMPLE);
  const chinese = text.match(/\p{Script=Han}/gu)?.length ?? 0;
  if (chinese === 0) return false;
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  return chinese * 2 > letters;
}
