/** Examples on the site: TypeDoc's pages of names and calls get the code of the tests that show them. */
import { type Example, exampleOf } from '../examples.ts';
import { type Entry, outlineOf } from '../outline.ts';
import { publicEntries, publicModules } from '../reference.ts';

/** By module and name as TypeDoc has them: `dreg-mpi`, `Communicator.send`. */
export type SiteExamples = Record<string, Record<string, string>>;

export function siteExamples(root: string, examples: readonly Example[]): SiteExamples {
  const modules = publicModules(root);
  const found: SiteExamples = {};
  for (const { entry, name } of publicEntries(root)) {
    const entries = outlineOf(modules.get(entry)!, entry === '.').flatMap(({ entries }) => entries);
    const all = entries.flatMap((one) => [one, ...one.parts]);
    found[name] = Object.fromEntries(
      all.flatMap((one) => {
        const example = exampleOf(examples, entry, one.title);
        if (example === undefined) return [];
        return namesOf(one).map((name) => [name, `${example.head}\n\n${example.code}`]);
      }),
    );
  }
  return found;
}

/** `Communicator.send`, `Communicator.sendSync`, and the same of each class that has the call. */
function namesOf({ title, owners }: Entry): string[] {
  if (owners.length === 0) return [title];
  const call = title.startsWith('new ') ? 'constructor' : title.replace(/^.*\./, '');
  return owners.flatMap((owner) => [`${owner}.${call}`, `${owner}.${call}Sync`]);
}

/** What this needs of TypeDoc, which is installed in a folder of its own. */
export interface TypeDoc {
  Comment: new () => Comment;
  CommentTag: new (name: string, content: { kind: 'code'; text: string }[]) => unknown;
  ReflectionKind: { All: number };
  Converter: { EVENT_RESOLVE_END: string };
}

interface Comment {
  blockTags: unknown[];
}

interface Reflection {
  name: string;
  parent?: Reflection;
  comment?: Comment;
  signatures?: Reflection[];
  kindOf(kind: number): boolean;
}

interface Application {
  converter: { on(event: string, does: (context: { project: Project }) => void): void };
}

interface Project extends Reflection {
  getReflectionsByKind(kind: number): Reflection[];
}

/** A plugin of TypeDoc's. */
export function showExamples(typedoc: TypeDoc, examples: SiteExamples) {
  const { Comment, CommentTag, Converter, ReflectionKind } = typedoc;
  return ({ converter }: Application) =>
    converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
      for (const reflection of project.getReflectionsByKind(ReflectionKind.All)) {
        const [module, ...path] = pathOf(reflection);
        const code = examples[module]?.[path.join('.')];
        if (code === undefined) continue;
        const shown = reflection.signatures?.[0] ?? reflection;
        shown.comment ??= new Comment();
        const content = [{ kind: 'code' as const, text: `\`\`\`ts\n${code}\n\`\`\`` }];
        shown.comment.blockTags.push(new CommentTag('@example', content));
      }
    });
}

/** From its module on; without the nameless types of objects. A signature has none: it is shown with its call. */
function pathOf(reflection: Reflection): string[] {
  const { name, parent } = reflection;
  if (parent === undefined || parent.signatures?.includes(reflection)) return [];
  const above = parent.parent === undefined ? [] : pathOf(parent);
  return name === '__type' ? above : [...above, name];
}
