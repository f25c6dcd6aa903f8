/** No text in code: what a person reads stands in the messages, so that it exists in every language. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parse } from 'svelte/compiler';
import ts from 'typescript';
import { expect, test } from 'vitest';

const src = join(import.meta.dirname, '..');

/** Folders whose texts still stand in the code. This list only gets shorter. */
const waiting: string[] = [];

/** Attributes and properties of components that a person reads or hears. */
const spoken = new Set(['title', 'aria-label', 'aria-description', 'aria-roledescription', 'aria-valuetext', 'alt', 'placeholder', 'label', 'lead', 'hint', 'detail', 'text', 'caption', 'heading', 'confirm']);

/** Names and units are the same everywhere. */
const names = /\b(Cardea|TOTP|RTSPS?|ONVIF|H\.26[45]|HTTPS?|MP4|kB|MB|GB|TB|Mbit\/s|kbit\/s|fps|age)\b|https?:\/\/\S*|rtsps?:\/\/\S*/g;
const isText = (text: string) => /\p{L}{2,}/u.test(text.replace(names, '').replace(/&\w+;/g, ''));
/** A literal in a script that reads like a sentence or a label of several words; those for developers begin in lower case. */
const isSentence = (text: string) => /^\p{Lu}\p{L}*[’']?\p{L}* .*\p{L}{2,}/u.test(text.replace(names, 'N'));

interface Node {
  type: string;
  [key: string]: unknown;
}

function inTemplate(node: unknown, found: string[], attribute?: string): void {
  if (Array.isArray(node)) for (const child of node) inTemplate(child, found, attribute);
  if (typeof node !== 'object' || node === null || Array.isArray(node)) return;
  const { type } = node as Node;
  const of = node as Record<string, unknown>;
  if (type === 'StyleSheet' || type === 'Comment') return;
  if (type === 'RegularElement' && (of.name === 'code' || of.name === 'kbd')) return;
  if (type === 'Attribute') {
    if (spoken.has(String(of.name))) inTemplate(of.value, found, String(of.name));
    else inTemplate(of.value, found, '');
    return;
  }
  if (type === 'Text' && attribute !== '' && isText(String(of.data))) found.push(String(of.data).trim());
  if (type === 'Literal' && typeof of.value === 'string' && (attribute ? isText(of.value) : isSentence(of.value))) found.push(of.value);
  if (type === 'TemplateElement' && isSentence(String((of.value as { cooked?: string }).cooked ?? ''))) found.push(String((of.value as { cooked?: string }).cooked));
  for (const [key, value] of Object.entries(of)) if (key !== 'parent' && key !== 'instance' && key !== 'module' && key !== 'css') inTemplate(value, found, attribute);
}

function inScript(code: string, found: string[]): void {
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node)) return;
    if (ts.isNewExpression(node) && node.expression.getText().endsWith('Error')) return; // for developers
    if ((ts.isStringLiteralLike(node) || ts.isTemplateHead(node)) && isSentence(node.text)) found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('x.ts', code, ts.ScriptTarget.Latest, true));
}

/** The texts that stand in a file. */
function textsOf(name: string, code: string): string[] {
  const found: string[] = [];
  if (!name.endsWith('.svelte')) inScript(code, found);
  else {
    inTemplate(parse(code, { modern: true }).fragment, found);
    for (const script of code.matchAll(/<script[^>]*>([^]*?)<\/script>/g)) inScript(script[1] ?? '', found);
  }
  return found;
}

const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(svelte|ts)$/.test(entry.name) && !/\.(test|d)\.ts$/.test(entry.name))
  .map((entry) => relative(src, join(entry.parentPath, entry.name)))
  .filter((name) => !/^(i18n|api\/schema)/.test(name));

test('texts are found', () => {
  const code = '<script lang="ts">const a = `Offline since ${b}`; const c = "button primary";</script><p class="no text">Hello there</p><Button label="Save it" {a}>{done ? "All of it" : m.x}</Button>';
  expect(textsOf('x.svelte', code)).toEqual(['Hello there', 'Save it', 'All of it', 'Offline since ']);
});

test('no text in code', () => {
  const wrong = files.filter((name) => !waiting.includes(name.split('/')[0] ?? '')).flatMap((name) => textsOf(name, readFileSync(join(src, name), 'utf8')).map((text) => `${name}: ${text}`));
  expect(wrong).toEqual([]);
});

test('what waits has texts still', () => {
  const done = waiting.filter((of) => !files.some((name) => name.split('/')[0] === of && textsOf(name, readFileSync(join(src, name), 'utf8')).length > 0));
  expect(done, 'take it off the list').toEqual([]);
});
