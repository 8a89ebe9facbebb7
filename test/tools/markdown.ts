/** Pages of the documentation, as text. */

/** A heading as links name it, by GitHub's rule. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');
}

/**
 * A page with what stands between the marks of that name (`<!-- name: … -->`, `<!-- /name -->`) replaced.
 * @throws Error where the page has no such marks
 */
export function between(page: string, name: string, text: string): string {
  const parts = new RegExp(
    `^([\\s\\S]*<!-- ${name}: .* -->\n)[\\s\\S]*(\n<!-- /${name} -->[\\s\\S]*)$`,
  );
  const [, before, after] = parts.exec(page) ?? [];
  if (before === undefined) throw new Error(`the page has no place between marks: ${name}`);
  return `${before}\n${text}\n${after}`;
}
