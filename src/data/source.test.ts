import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedData } from '../../test/shared-data.js';
import type { DataProblem } from './bad-line.js';
import type { ChatRecord, Document } from './document.js';
import { type DataSource, openSource, type SourceOptions } from './source.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-source-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string | Uint8Array): string {
  const file = path.join(folder, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
  return file;
}

async function documentsOf(source: DataSource): Promise<Document[]> {
  const found: Document[] = [];
  for await (const document of source.documents()) found.push(document);
  return found;
}

async function chatsOf(source: DataSource): Promise<ChatRecord[]> {
  const found: ChatRecord[] = [];
  for await (const chat of source.chats()) found.push(chat);
  return found;
}

async function textsOf(file: string, options?: SourceOptions): Promise<string[]> {
  return (await documentsOf(await openSource(file, options))).map(({ text }) => text);
}

describe('plain text', () => {
  it('groups paragraphs, keeps their order and names the line of each document', async () => {
    const paragraphs = Array.from({ length: 200 }, (_, i) => `Paragraph ${i} begins here.\nIt has a second line.`);
    const file = write('paragraphs.txt', paragraphs.join('\n\n'));
    const documents = await documentsOf(await openSource(file));
    expect(documents.length).toBeGreaterThan(20);
    expect(documents.map(({ text }) => text).join('\n\n')).toBe(paragraphs.join('\n\n'));
    const lines = fs.readFileSync(file, 'utf8').split('\n');
    for (const { text, origin } of documents) {
      expect(lines[Number(origin.slice(file.length + 1)) - 1]).toBe(text.split('\n')[0]);
    }
  });

  it('takes a mark between documents, CRLF and a byte-order mark', async () => {
    const file = write('marked.txt', '\ufeffone\r\nstory\r\n<|endoftext|>\r\n\r\ntwo\r\n');
    expect(await textsOf(file)).toEqual(['one\nstory', 'two']);
  });

  it('reads a line of 10 MB without losing a character', async () => {
    const line = '长行 of text 😀, '.repeat(600_000);
    const file = write('long.txt', line);
    expect(fs.statSync(file).size).toBeGreaterThan(10e6);
    const texts = await textsOf(file);
    expect(Math.max(...texts.map((text) => text.length))).toBeLessThanOrEqual(4096);
    expect(texts.join('').replaceAll(' ', '')).toBe(line.replaceAll(' ', ''));
  });

  it('names the line of invalid UTF-8, and leaves only it out when asked', async () => {
    const bad = Buffer.concat([Buffer.from('first\nse'), Buffer.of(0xff, 0xfe), Buffer.from('cond\nthird\n')]);
    const file = write('bad.txt', bad);
    await expect(textsOf(file)).rejects.toThrow(`${file}:2: not valid UTF-8 (byte 3 of the line)`);
    const problems: DataProblem[] = [];
    const documents = await documentsOf(
      await openSource(file, { onBadLine: 'skip', onSkip: (problem) => problems.push(problem) }),
    );
    expect(documents).toEqual([
      { text: 'first', origin: `${file}:1` },
      { text: 'third', origin: `${file}:3` },
    ]);
    expect(problems.map(({ where }) => where)).toEqual([`${file}:2`]);
  });

  it('refuses what is missing or empty', async () => {
    await expect(openSource(path.join(folder, 'none.txt'))).rejects.toThrow('no such file or folder');
    await expect(openSource(write('empty.txt', ''))).rejects.toThrow('the file is empty');
    await expect(openSource(' ')).rejects.toThrow('no data source given');
  });
});

describe('records', () => {
  it('reads every shape of a JSON line', async () => {
    const lines = [
      { text: 'plain' },
      { content: 'content' },
      { prompt: 'p', completion: 'c' },
      { instruction: 'do', input: 'this', output: 'done' },
      {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: [{ type: 'text', text: 'hello' }] },
        ],
      },
      {
        conversations: [
          { from: 'human', value: 'hi' },
          { from: 'gpt', value: 'hello' },
        ],
      },
    ];
    const file = write('all.jsonl', `${lines.map((line) => JSON.stringify(line)).join('\n\n')}\n`);
    const source = await openSource(file);
    expect((await documentsOf(source)).map(({ text }) => text)).toEqual([
      'plain',
      'content',
      'p\nc',
      'do\n\nthis\ndone',
      'hi\nhello',
      'hi\nhello',
    ]);
    const chats = await chatsOf(source);
    expect(chats).toHaveLength(4);
    expect(chats[1]).toEqual({
      messages: [
        { role: 'user', content: 'do\n\nthis' },
        { role: 'assistant', content: 'done' },
      ],
      origin: `${file}:7`,
    });
  });

  it('reads tool calls in both forms', async () => {
    const expected = [{ name: 'look_up', arguments: { word: 'cat' } }];
    const forms = [
      { toolCalls: expected },
      { tool_calls: [{ type: 'function', function: { name: 'look_up', arguments: '{"word":"cat"}' } }] },
    ];
    const lines = forms.map((form) =>
      JSON.stringify({
        messages: [
          { role: 'user', content: 'cat?' },
          { role: 'assistant', content: null, ...form },
        ],
      }),
    );
    const chats = await chatsOf(await openSource(write('tools.jsonl', lines.join('\n'))));
    expect(chats.map(({ messages }) => messages[1])).toEqual(
      forms.map(() => ({ role: 'assistant', content: '', toolCalls: expected })),
    );
  });

  it.each([
    ['{"text": "a"', /:2: not valid JSON/],
    ['{"foo": 1, "bar": 2}', /:2: no field with text.*the record has: foo, bar/],
    ['{"text": ""}', /:2: "text" is not a text or is empty/],
    ['{"messages": [{"role": "constructor", "content": "x"}]}', /:2: messages\[0\]: role "constructor" is not/],
    ['{"messages": [{"role": "user", "content": "x"}]}', /:2: "messages" holds no assistant message/],
    ['{"prompt": "x", "completion": 3}', /:2: "completion" is not a text/],
    ['[1]', /:2: neither an object nor a text/],
  ])('names the line and the fault of %s', async (line, message) => {
    const file = write('bad.jsonl', `{"text": "good"}\n${line}\n{"text": "also good"}`);
    await expect(textsOf(file)).rejects.toThrow(message);
    const problems: DataProblem[] = [];
    expect(await textsOf(file, { onBadLine: 'skip', onSkip: (problem) => problems.push(problem) })).toEqual([
      'good',
      'also good',
    ]);
    expect(problems).toHaveLength(1);
  });

  it('reads a JSON line of 10 MB', async () => {
    const text = 'x'.repeat(10e6);
    expect(await textsOf(write('wide.jsonl', `${JSON.stringify({ text })}\n{"text":"b"}`))).toEqual([text, 'b']);
  });

  it('reads JSON lists, JSON lines under the name of JSON, and names the line of a fault', async () => {
    expect(await textsOf(write('list.json', '["a", {"text": "b"}]'))).toEqual(['a', 'b']);
    expect(await textsOf(write('lines.json', '{"text": "a"}\n{"text": "b"}\n'))).toEqual(['a', 'b']);
    const file = write('broken.json', '[\n"a",\n}');
    await expect(textsOf(file)).rejects.toThrow(`${file}:3: not valid JSON`);
  });

  it('reads CSV: a named column, pairs, the longest column, quoted line ends', async () => {
    expect(await textsOf(write('named.csv', 'id,text\n1,"a ""b""\nc"\n2,d\n'))).toEqual(['a "b"\nc', 'd']);
    expect(await textsOf(write('longest.csv', 'a,b\n1,some words\n2,more words\n'))).toEqual([
      'some words',
      'more words',
    ]);
    expect(await textsOf(write('tabs.tsv', 'a\ttext\n1\tx, y\n'))).toEqual(['x, y']);
    const chats = await chatsOf(await openSource(write('pairs.csv', 'question,answer\n1+1?,2\n')));
    expect(chats[0]!.messages.map(({ content }) => content)).toEqual(['1+1?', '2']);
  });

  it('names the line of a bad CSV row', async () => {
    const file = write('bad.csv', 'id,text\n1,a\n2,b,c\n3,d\n');
    await expect(textsOf(file)).rejects.toThrow(`${file}:3: not a valid row`);
    expect(await textsOf(file, { onBadLine: 'skip' })).toEqual(['a', 'd']);
  });
});

describe('folders', () => {
  it('reads text-like files in the order of their paths and leaves the rest out', async () => {
    write('tree/b.txt', 'second');
    write('tree/a/x.md', 'first');
    write('tree/c.jsonl', '{"text":"third"}\n');
    write('tree/d.bin', Uint8Array.of(1, 0, 2));
    write('tree/.hidden', 'no');
    write('tree/node_modules/m.txt', 'no');
    write('tree/LICENSE', 'no');
    write('tree/config.json', '{"setting": true}');
    const problems: DataProblem[] = [];
    const source = await openSource(path.join(folder, 'tree'), { onSkip: (problem) => problems.push(problem) });
    expect((await documentsOf(source)).map(({ text }) => text)).toEqual(['first', 'second', 'third']);
    expect(source.kind).toBe('folder');
    expect(problems.map(({ where }) => path.basename(where))).toEqual(['config.json']);
  });

  it('refuses a folder without text', async () => {
    fs.mkdirSync(path.join(folder, 'void'));
    await expect(openSource(path.join(folder, 'void'))).rejects.toThrow('no text files');
  });
});

const shakespeare = sharedData('corpora/tinyshakespeare/input.txt');
const poetry = sharedData('corpora/chinese-poetry');

describe('published corpora', () => {
  it.skipIf(shakespeare === undefined)('reads Shakespeare whole (needs the shared data)', async () => {
    const texts = await textsOf(shakespeare!);
    const squeeze = (text: string): string => text.replace(/\s+/g, ' ').trim();
    expect(squeeze(texts.join('\n'))).toBe(squeeze(fs.readFileSync(shakespeare!, 'utf8')));
    expect(texts.length).toBeGreaterThan(250);
  });

  it.skipIf(poetry === undefined)(
    'reads Chinese verse as title, author and lines (needs the shared data)',
    async () => {
      const problems: DataProblem[] = [];
      const documents = await documentsOf(await openSource(poetry!, { onSkip: (problem) => problems.push(problem) }));
      expect(problems).toEqual([]);
      const texts = new Set(documents.map(({ text }) => text));
      expect(texts).toContain('春眠\n（唐）孟浩然\n春眠不覺曉，處處聞啼鳥。\n夜來風雨聲，花落知多少。');
      expect(texts).toContain(
        '帝京篇十首 一\n太宗皇帝\n秦川雄帝宅，函谷壯皇居。\n綺殿千尋起，離宮百雉餘。\n連甍遙接漢，飛觀迥凌虛。\n雲日隱層闕，風煙出綺疎。',
      );
      for (const opening of ['导引\n和岘\n', '学而篇\n子曰', '关雎\n关关雎鸠', '三字經\n王應麟\n人之初']) {
        expect(documents.some(({ text }) => text.startsWith(opening))).toBe(true);
      }
      expect(documents.length).toBeGreaterThan(2500);
    },
  );
});
