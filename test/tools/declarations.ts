/**
 * What a module of this package offers to programs, read from its source by TypeScript's own compiler:
 * names, signatures with their defaults, docstrings. What is marked `@internal` is left out.
 */
import {
  isArrowFunction,
  isClassDeclaration,
  isConstructorDeclaration,
  isFunctionDeclaration,
  isGetAccessorDeclaration,
  isInterfaceDeclaration,
  isMethodDeclaration,
  isMethodSignatureDeclaration,
  isObjectLiteralExpression,
  isPropertyAssignment,
  isPropertyDeclaration,
  isPropertySignatureDeclaration,
  isSetAccessorDeclaration,
  isShorthandPropertyAssignment,
  isTypeAliasDeclaration,
  isVariableDeclaration,
  type Node,
} from 'typescript/unstable/ast';
import {
  API,
  type Checker,
  type Project,
  type Symbol as Sym,
  SymbolFlags,
} from 'typescript/unstable/sync';
import { type Doc, docOf, fileDoc, joinDocs } from './docstrings.ts';

export interface Member {
  name: string;
  /** A call is used with parentheses; a property is not. */
  kind: 'call' | 'property';
  isStatic: boolean;
  /** A property of an object that has a value: `name: value`. */
  isValue: boolean;
  /** More than one where it is overloaded. */
  signatures: string[];
  doc: Doc;
  /** The same for two classes that have it from one base. */
  place: string;
}

export interface Declared {
  name: string;
  kind: 'type' | 'value' | 'function';
  /** As a program would write it, without its members. */
  signatures: string[];
  doc: Doc;
  members: Member[];
  place: string;
  /** Of the file: what stands above everything in it. */
  file: Doc;
}

export interface Module {
  doc: Doc;
  exports: Declared[];
}

/** Reads modules of the project whose tsconfig.json lies in a folder. */
export function readModules(root: string, files: readonly string[]): Module[] {
  const api = new API({ cwd: root });
  try {
    const snapshot = api.updateSnapshot({ openProjects: [`${root}/tsconfig.json`] });
    const project = snapshot.getProjects()[0];
    return files.map((file) => new Reader(project, root).read(`${root}/${file}`));
  } finally {
    api.close();
  }
}

class Reader {
  readonly #project: Project;
  readonly #checker: Checker;
  readonly #root: string;
  /** Exported names by symbol: a class may be exported under another name than its own. */
  readonly #names = new Map<number, string>();
  readonly #renamed = new Map<string, string>();

  constructor(project: Project, root: string) {
    this.#project = project;
    this.#checker = project.checker;
    this.#root = root;
  }

  read(path: string): Module {
    const file = this.#project.program.getSourceFile(path);
    const module = file && this.#checker.getSymbolAtLocation(file);
    if (file === undefined || module === undefined) throw new Error(`${path} is no module`);
    const symbols: [string, Sym][] = [];
    for (const exported of this.#checker.getExportsOfModule(module)) {
      const alias = (exported.flags & SymbolFlags.Alias) !== 0;
      const symbol = alias ? this.#checker.getAliasedSymbol(exported) : exported;
      symbols.push([exported.name, symbol]);
      this.#names.set(symbol.id, exported.name);
      if (symbol.name !== exported.name) this.#renamed.set(symbol.name, exported.name);
    }
    return {
      doc: fileDoc(file.text),
      exports: symbols.map(([name, symbol]) => this.#declared(name, symbol)),
    };
  }

  #declared(name: string, symbol: Sym): Declared {
    const nodes = this.#nodesOf(symbol);
    const [node] = nodes;
    const place = placeOf(node);
    const file = fileDoc(node.getSourceFile().text);
    const base = { name, place, file, doc: docOf(node) };
    if (isClassDeclaration(node) || isInterfaceDeclaration(node)) {
      const word = isInterfaceDeclaration(node) ? 'interface' : 'class';
      const head = `${word} ${name}${typeParameters(node)}${this.#heritage(node)}`;
      return { ...base, kind: 'type', signatures: [head], members: this.#membersOf(node, name) };
    }
    if (isTypeAliasDeclaration(node)) {
      const text = node
        .getText()
        .replace(/^export /, '')
        .replace(/;$/, '');
      return { ...base, kind: 'type', signatures: [this.#renamedIn(text)], members: [] };
    }
    if (isFunctionDeclaration(node)) {
      const signatures = overloads(nodes).map((one) => name + this.#signature(one));
      return { ...base, kind: 'function', signatures, members: [] };
    }
    if (!isVariableDeclaration(node)) throw new Error(`${name}: what is it?`);
    return this.#constant(name, node, symbol, base);
  }

  #constant(
    name: string,
    node: Node,
    symbol: Sym,
    base: Pick<Declared, 'name' | 'place' | 'file' | 'doc'>,
  ): Declared {
    const { initializer } = node as { initializer?: Node };
    // What stands before `as const`.
    const value = (initializer as { expression?: Node })?.expression ?? initializer;
    if (initializer !== undefined && isArrowFunction(initializer))
      return {
        ...base,
        kind: 'function',
        signatures: [name + this.#signature(initializer)],
        members: [],
      };
    if (value !== undefined && isObjectLiteralExpression(value)) {
      const members = value.properties.map((one) => this.#member(one as Node, name));
      // Values without a word, such as those of a list of texts, say enough by themselves elsewhere.
      const told = members.filter((one) => one !== null && (one.doc.text !== '' || !one.isValue));
      return { ...base, kind: 'value', signatures: [], members: merged(told as Member[]) };
    }
    const type = this.#checker.typeToString(this.#checker.getTypeOfSymbol(symbol)!);
    const text = initializer?.getText();
    const shown =
      text !== undefined && text.length < 80
        ? `${name} = ${text.replace(/ as const$/, '')}`
        : `${name}: ${type}`;
    return { ...base, kind: 'value', signatures: [shown], members: [] };
  }

  /** A class's own members, and those of its bases that are not public themselves. */
  #membersOf(node: Node, name: string): Member[] {
    const own = (node as unknown as { members: readonly Node[] }).members;
    const found = implementations(own)
      .map((one) => this.#member(one, name))
      .filter((one) => one !== null);
    const base = this.#baseOf(node);
    if (base === undefined || this.#names.has(base.id)) return merged(found);
    const [declaration] = this.#nodesOf(base);
    if (!this.#isOurs(declaration)) return merged(found);
    const names = new Set(own.map(nameOf));
    const inherited = this.#membersOf(declaration, name).filter(
      (one) => !names.has(one.name) && one.name !== 'constructor',
    );
    return [...merged(found), ...inherited];
  }

  #baseOf(node: Node): Sym | undefined {
    const clause = clausesOf(node).find(({ text }) => text.startsWith('extends'));
    const expression = clause?.types[0]?.expression;
    const symbol = expression && this.#checker.getSymbolAtLocation(expression);
    if (symbol === undefined) return undefined;
    return symbol.flags & SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }

  /** What a type extends and implements, as far as programs know of it. */
  #heritage(node: Node): string {
    let text = '';
    for (const { text: clause, types } of clausesOf(node)) {
      const known = types.filter(({ expression }) => this.#isKnown(expression));
      if (known.length === 0) continue;
      const word = clause.startsWith('extends') ? 'extends' : 'implements';
      text += ` ${word} ${known.map((one) => this.#public(one.getText())).join(', ')}`;
    }
    return text;
  }

  #isKnown(expression: Node): boolean {
    const symbol = this.#checker.getSymbolAtLocation(expression);
    if (symbol === undefined) return false;
    const target =
      symbol.flags & SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
    return this.#names.has(target.id) || !this.#isOurs(this.#nodesOf(target)[0]);
  }

  #isOurs(node: Node | undefined): boolean {
    const path = node?.getSourceFile().fileName ?? '';
    return path.startsWith(this.#root) && !path.includes('/node_modules/');
  }

  #member(node: Node, owner: string): Member | null {
    if (isShorthandPropertyAssignment(node)) return this.#functionMember(node);
    const name = nameOf(node);
    const doc = docOf(node);
    const modifiers = modifiersOf(node);
    if (name === '' || name.startsWith('#') || doc.tags.some((tag) => tag.name === 'internal'))
      return null;
    if (modifiers.includes('private') || modifiers.includes('protected')) return null;
    // Its getter tells of it.
    if (isSetAccessorDeclaration(node)) return null;
    const isStatic = modifiers.includes('static');
    const isValue = isPropertyAssignment(node);
    const member = { name, isStatic, isValue, doc, place: placeOf(node) };
    if (isConstructorDeclaration(node))
      return { ...member, kind: 'call', signatures: [`new ${owner}${this.#parameters(node)}`] };
    if (isMethodDeclaration(node) || isMethodSignatureDeclaration(node))
      return { ...member, kind: 'call', signatures: [name + this.#signature(node)] };
    return { ...member, kind: 'property', signatures: [this.#property(node, name)] };
  }

  /** A function that an object has by the function's own name, overloads and all. */
  #functionMember(node: Node): Member {
    const symbol = this.#checker.getShorthandAssignmentValueSymbol(node)!;
    const nodes = overloads(this.#nodesOf(symbol));
    const name = nameOf(node);
    const signatures = nodes.map((one) => name + this.#signature(one));
    const place = placeOf(nodes[0]);
    return {
      name,
      kind: 'call',
      isStatic: false,
      isValue: false,
      signatures,
      doc: docOf(nodes[0]),
      place,
    };
  }

  #property(node: Node, name: string): string {
    const { type, initializer } = node as { type?: Node; initializer?: Node };
    if (isPropertyAssignment(node)) return `${name} = ${initializer?.getText()}`;
    const optional = node.getText().split(':', 1)[0].trimEnd().endsWith('?') ? '?' : '';
    const text =
      type?.getText() ?? this.#checker.typeToString(this.#checker.getTypeAtLocation(node)!);
    // An object's getter is seen as `MPI.world`, and nobody thinks of assigning to that.
    const { members = [] } = node.parent as unknown as { members?: readonly Node[] };
    const isSet = members.some((one) => isSetAccessorDeclaration(one) && nameOf(one) === name);
    const inClass = isClassDeclaration(node.parent) && isGetAccessorDeclaration(node) && !isSet;
    const fixed = modifiersOf(node).includes('readonly') || inClass;
    const known =
      isPropertyDeclaration(node) ||
      isPropertySignatureDeclaration(node) ||
      isGetAccessorDeclaration(node);
    if (!known) throw new Error(`${name}: what is it?`);
    return this.#public(`${fixed ? 'readonly ' : ''}${name}${optional}: ${text}`);
  }

  /** `<T>(a: A, b = 1): R`. */
  #signature(node: Node): string {
    const { type } = node as { type?: Node };
    const signature =
      type === undefined ? this.#checker.getSignatureFromDeclaration(node) : undefined;
    const result = signature && this.#checker.getReturnTypeOfSignature(signature);
    const text = type?.getText() ?? (result ? this.#checker.typeToString(result) : 'void');
    return `${typeParameters(node)}${this.#parameters(node)}: ${this.#public(text)}`;
  }

  #parameters(node: Node): string {
    const { parameters } = node as unknown as { parameters: readonly Node[] };
    return `(${parameters.map((one) => this.#public(one.getText())).join(', ')})`;
  }

  /** A text of the source on one line. */
  #public(text: string): string {
    return this.#renamedIn(text.replace(/\s+/g, ' ').trim());
  }

  /** With the names that programs know. */
  #renamedIn(text: string): string {
    return text.replace(/\b[A-Z]\w*\b/g, (name) => this.#renamed.get(name) ?? name);
  }

  #nodesOf(symbol: Sym): Node[] {
    return symbol.declarations
      .map((handle) => handle.resolve(this.#project))
      .filter((one) => one !== undefined);
  }
}

function nameOf(node: Node): string {
  if (isConstructorDeclaration(node)) return 'constructor';
  return (node as { name?: Node }).name?.getText() ?? '';
}

function modifiersOf(node: Node): string[] {
  const { modifiers } = node as unknown as { modifiers?: readonly Node[] };
  return modifiers?.map((one) => one.getText()) ?? [];
}

function typeParameters(node: Node): string {
  const { typeParameters: list } = node as unknown as { typeParameters?: readonly Node[] };
  return list === undefined || list.length === 0
    ? ''
    : `<${list.map((one) => one.getText()).join(', ')}>`;
}

function clausesOf(
  node: Node,
): { text: string; types: readonly (Node & { expression: Node })[] }[] {
  const { heritageClauses } = node as unknown as {
    heritageClauses?: readonly (Node & { types: readonly (Node & { expression: Node })[] })[];
  };
  return heritageClauses?.map((clause) => ({ text: clause.getText(), types: clause.types })) ?? [];
}

const hasBody = (node: Node) => (node as { body?: Node }).body !== undefined;

/** Of a function's declarations those that a program sees. */
function overloads(nodes: readonly Node[]): Node[] {
  const bare = nodes.filter((node) => !hasBody(node));
  return bare.length > 0 ? bare : [...nodes];
}

/** Members without the implementations of those that are overloaded. */
function implementations(nodes: readonly Node[]): Node[] {
  const overloaded = new Set(
    nodes
      .filter(
        (node) =>
          isMethodDeclaration(node) && !hasBody(node) && !modifiersOf(node).includes('abstract'),
      )
      .map(nameOf),
  );
  return nodes.filter((node) => !overloaded.has(nameOf(node)) || !hasBody(node));
}

/** Overloads of one name as one member. */
function merged(members: readonly Member[]): Member[] {
  const found: Member[] = [];
  for (const member of members) {
    const before = found.at(-1);
    if (before?.name === member.name && before.isStatic === member.isStatic) {
      before.signatures.push(...member.signatures);
      before.doc = joinDocs(before.doc, member.doc);
    } else found.push({ ...member, signatures: [...member.signatures] });
  }
  return found;
}

function placeOf(node: Node): string {
  return `${node.getSourceFile().fileName}:${node.getStart()}`;
}
