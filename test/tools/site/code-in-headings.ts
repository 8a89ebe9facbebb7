/**
 * TypeDoc leaves code out of a heading's anchor, and out of the page's contents; GitHub does not. This gives code
 * the text that TypeDoc looks for.
 */
interface Token {
  type: string;
  content: string;
  children: Token[] | null;
}

interface MarkdownIt {
  core: { ruler: { push(name: string, rule: (state: { tokens: Token[] }) => void): void } };
}

/** For TypeDoc's option `markdownItLoader`. */
export function codeInHeadings(markdownIt: MarkdownIt): void {
  markdownIt.core.ruler.push('code-in-headings', ({ tokens }) => {
    for (const [at, { type }] of tokens.entries())
      if (type === 'heading_open')
        for (const part of tokens[at + 1].children ?? [])
          if (part.type === 'code_inline')
            part.children = [{ type: 'text', content: part.content, children: null }];
  });
}
