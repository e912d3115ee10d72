import { expect, it } from 'vitest';
import { mostlyChinese } from './language.js';

it.each([
  ['春眠不覺曉，處處聞啼鳥。', true],
  ['我们用 GPT 生成诗歌，十分钟就够了。', true],
  ['The word 道 means way.', false],
  ['ひらがなとカタカナのほうがおおいぶんしょう日本', false],
  ['한국어 문장입니다.', false],
  ['12345, 。！', false],
  ['', false],
])('%s: %s', (text, expected) => {
  expect(mostlyChinese(text)).toBe(expected);
});
