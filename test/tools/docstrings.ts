/** Docstrings, as they stand in a source. */
import { isVariableDeclaration, type Node } from 'typescript/unstable/ast';

export interface Doc {
  text: string;
  tags: { name: string; text: string }[];
}

/** Two docstrings of one thing; what both say stands there once. */
export function joinDocs(one: Doc, two: Doc): Doc {
  const known = new Set(one.tags.map(({ name, text }) => `${name} ${text}`));
  const text = [one.text, two.text].filter(
    (part, at) => part !== '' && (at === 0 || part !== one.text),
  );
  return {
    text: text.join('\n\n'),
    tags: [...one.tags, ...two.tags.filter((tag) => !known.has(`${tag.name} ${tag.text}`))],
  };
}

/** The docstring at a file's top. */
export function fileDoc(text: string): Doc {
  const [comment = ''] = /(?<=^(?:\/\/.*\n)*\s*)\/\*\*[\s\S]*?\*\//.exec(text) ?? [];
  return parseDoc(comment);
}

/** The docstring that stands right before a declaration. */
export function docOf(node: Node): Doc {
  const holder = isVariableDeclaration(node) ? node.parent.parent : node;
  const before = holder.getSourceFile().text.slice(holder.pos, holder.getStart());
  return parseDoc(before.match(/\/\*\*[\s\S]*?\*\//g)?.at(-1) ?? '');
}

export function parseDoc(comment: string): Doc {
  const lines = comment
    .replace(/^\s*\/\*\*/, '')
    .replace(/\*\/\s*$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd());
  const [text, ...rest] = lines
    .join('\n')
    .trim()
    .split(/(?<=^|\n|\s)@(?=[a-z][A-Za-z]*\b)/);
  const tags = rest.map((part) => {
    const [, name, said] = /^(\w+)\s*([\s\S]*)$/.exec(part)!;
    return { name, text: said.replace(/\s+/g, ' ').trim() };
  });
  return { text: text.trim(), tags };
}
