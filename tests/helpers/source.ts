import { dirname, join, relative } from "@std/path";

/** What the layering test knows of one source file. */
export interface Source {
  /** From the repository's root, with forward slashes. */
  path: string;
  lines: number;
  /** What it imports or re-exports, types too: a path from the root when relative, else the bare specifier. */
  imports: string[];
  /** Those of them that are loaded whenever the file is: neither types alone nor `import()`. */
  loads: string[];
  /** The globals of the outside world it names: `Deno`, `fetch`, `WebSocket`. */
  globals: string[];
  /** Where it reads a variable by name or the command line; handing the whole environment on is another matter. */
  settings: string[];
  functions: { name: string; lines: number }[];
  /** Every name in it. */
  names: Set<string>;
  /** What it declares and exports. */
  exports: string[];
  /** The classes, interfaces and types it declares. */
  types: string[];
  /** Members and names that are compared with something that may be equal: `a.principal === b`. */
  compared: Compared[];
  /** The public methods of its classes and interfaces, with the types of their parameters. */
  methods: { of: string; name: string; takes: string[] }[];
}

/** One side of a comparison: a member `name` of `object`, or a variable. */
export interface Compared {
  name: string;
  /** As it is written; undefined for a variable. */
  object: string | undefined;
}

/** The name of a function that has none of its own and is not assigned to one. */
export const ANONYMOUS = "(anonymous)";

const OUTSIDE = new Set(["Deno", "fetch", "WebSocket"]);
const SETTINGS = new Set(["Deno.env.get", "Deno.env.has", "Deno.args", "process.argv", "process.env"]);

/** Reads every TypeScript file under `entries` (files or directories below `root`). */
export async function readSources(root: string, entries: readonly string[]): Promise<Source[]> {
  const sources: Source[] = [];
  for (const entry of entries) {
    for await (const file of typescriptFiles(join(root, entry))) {
      const path = relative(root, file).replaceAll("\\", "/");
      sources.push(parseSource(path, await Deno.readTextFile(file)));
    }
  }
  return sources;
}

async function* typescriptFiles(path: string): AsyncGenerator<string> {
  if (path.endsWith(".ts")) yield path;
  else {
    for await (const entry of Deno.readDir(path)) {
      if (entry.isDirectory || entry.name.endsWith(".ts")) yield* typescriptFiles(join(path, entry.name));
    }
  }
}

/** Parses one file with the parser that `deno lint` gives its plugins; it is there under `deno test` only. */
export function parseSource(path: string, text: string): Source {
  const source: Source = {
    path,
    lines: text.split("\n").length - 1,
    imports: [],
    loads: [],
    globals: [],
    settings: [],
    functions: [],
    names: new Set(),
    types: [],
    exports: [],
    compared: [],
    methods: [],
  };
  const onImport = (node: { source: unknown }, isLoaded = false) => {
    const specifier = (node.source as { value?: unknown } | null)?.value;
    if (typeof specifier !== "string") return;
    source.imports.push(resolve(path, specifier));
    if (isLoaded) source.loads.push(resolve(path, specifier));
  };
  const create = (context: Deno.lint.RuleContext): Deno.lint.LintVisitor => {
    const onFunction = (node: Deno.lint.Node) => {
      const name = functionName(node);
      source.functions.push({ name, lines: context.sourceCode.getText(node).split("\n").length });
    };
    return {
      ImportDeclaration: (node) => onImport(node, node.importKind !== "type"),
      ExportNamedDeclaration: (node) => {
        onImport(node, node.exportKind !== "type");
        source.exports.push(...declaredNames(node.declaration));
      },
      ExportAllDeclaration: (node) => onImport(node, node.exportKind !== "type"),
      ImportExpression: (node) => onImport(node),
      TSImportType: (node) => onImport({ source: "literal" in node.argument ? node.argument.literal : null }),
      FunctionDeclaration: onFunction,
      FunctionExpression: onFunction,
      ArrowFunctionExpression: onFunction,
      BinaryExpression: (node) => source.compared.push(...comparedMembers(node, context)),
      ClassDeclaration: (node) => {
        if (node.id) source.types.push(node.id.name);
        source.methods.push(...methodsOf(node, context));
      },
      TSInterfaceDeclaration: (node) => {
        source.types.push(node.id.name);
        source.methods.push(...methodsOf(node, context));
      },
      TSTypeAliasDeclaration: (node) => source.types.push(node.id.name),
      Identifier: (node) => {
        source.names.add(node.name);
        if (OUTSIDE.has(node.name) && !isLabel(node) && !isOfBuild(node)) source.globals.push(node.name);
      },
      MemberExpression: (node) => {
        const read = context.sourceCode.getText(node);
        if (SETTINGS.has(read)) source.settings.push(read);
      },
    };
  };
  const failed = Deno.lint.runPlugin({ name: "source", rules: { read: { create } } }, path, text);
  if (failed.length > 0) throw new Error(`${path}: ${failed[0]!.message}`);
  return source;
}

/** A side of a comparison, as far as {@linkcode comparedMembers} looks at it. */
interface Side {
  type: string;
  name?: string;
  value?: unknown;
  object?: Deno.lint.Node;
  property?: { name?: string };
  /** Of `a?.b`. */
  expression?: Side;
}

function comparedMembers(
  { operator, left, right }: Deno.lint.BinaryExpression,
  { sourceCode }: Deno.lint.RuleContext,
): Compared[] {
  if (!["===", "!==", "==", "!="].includes(operator)) return [];
  const sides = ([left, right] as Side[]).map((side) =>
    side.type === "ChainExpression" ? side.expression! : side
  );
  if (sides.some(({ type, name, value }) => name === "undefined" || (type === "Literal" && value === null))) {
    return [];
  }
  return sides.flatMap(({ type, name, object, property }) => {
    if (type === "Identifier") return { name: name!, object: undefined };
    if (type !== "MemberExpression" || property?.name === undefined) return [];
    return { name: property.name, object: sourceCode.getText(object!) };
  });
}

/** A member of a class or an interface, as far as {@linkcode methodsOf} looks at it. */
interface Member {
  type: string;
  kind?: string;
  computed?: boolean;
  key?: { type: string; name: string };
  params?: Parameter[];
  value?: { params: Parameter[] };
}

interface Parameter {
  typeAnnotation?: { typeAnnotation: Deno.lint.Node };
}

function methodsOf(
  { id, body }: Deno.lint.ClassDeclaration | Deno.lint.TSInterfaceDeclaration,
  { sourceCode }: Deno.lint.RuleContext,
): Source["methods"] {
  return (body.body as unknown as Member[]).flatMap(({ type, kind, computed, key, params, value }) => {
    const isMethod = type === "TSMethodSignature" || (type === "MethodDefinition" && kind === "method");
    // Private names are of another type.
    if (!isMethod || computed || key?.type !== "Identifier") return [];
    const takes = (params ?? value?.params ?? []).flatMap(({ typeAnnotation }) =>
      typeAnnotation ? sourceCode.getText(typeAnnotation.typeAnnotation) : []
    );
    return [{ of: id?.name ?? "", name: key.name, takes }];
  });
}

/** Whether `node` is the `Deno` of `Deno.build`: for which system the program runs is a constant. */
function isOfBuild({ parent }: Deno.lint.Identifier): boolean {
  const { property, right } = parent as { property?: { name?: string }; right?: { name?: string } };
  return (property ?? right)?.name === "build";
}

/** Whether `node` only names a member or a field: `options.fetch`, `{ fetch: 1 }`. */
function isLabel(node: Deno.lint.Identifier): boolean {
  // Matched on the position of the child, since a node's children are read anew each time and have no identity.
  const parent = node.parent as unknown as Record<string, unknown>;
  const isAt = (field: string) =>
    (parent[field] as { range?: number[] } | undefined)?.range?.[0] === node.range[0];
  switch (parent.type as string) {
    case "MemberExpression":
      return !parent.computed && isAt("property");
    case "TSQualifiedName":
      return isAt("right");
    case "Property":
      return isAt("key") && !parent.shorthand && !parent.computed;
    case "PropertyDefinition":
    case "MethodDefinition":
    case "TSPropertySignature":
    case "TSMethodSignature":
      return isAt("key") && !parent.computed;
    default:
      return false;
  }
}

function declaredNames(declaration: Deno.lint.ExportNamedDeclaration["declaration"]): string[] {
  if (!declaration) return [];
  const { id, declarations } = declaration as { id?: { name?: string }; declarations?: Declarator[] };
  return [id?.name, ...(declarations ?? []).map(({ id }) => id.name)].filter((name) => name !== undefined);
}

/** One variable of a declaration, as far as {@linkcode declaredNames} looks at it. */
interface Declarator {
  id: { name?: string };
}

function functionName(node: Deno.lint.Node): string {
  const named = node as unknown as { id?: { name?: string } | null; parent: Record<string, unknown> };
  const around = (named.parent.id ?? named.parent.key) as { name?: string } | undefined;
  return named.id?.name ?? around?.name ?? ANONYMOUS;
}

function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return join(dirname(from), specifier).replaceAll("\\", "/");
}
