/** A look-up in a table by a name that is computed: `TABLE[name]`, `this.#table[name]`. */
export interface TableRead {
  path: string;
  text: string;
}

/**
 * The reads of constants and of fields by a computed name in one source file. A number in brackets is no name. Uses the
 * parser that `deno lint` gives its plugins; it is there under `deno test` only.
 */
export function tableReads(path: string, source: string): TableRead[] {
  const reads: TableRead[] = [];
  const create = (context: Deno.lint.RuleContext): Deno.lint.LintVisitor => ({
    MemberExpression: (node) => {
      if (!node.computed || !isTable(node.object) || isNumber(node.property)) return;
      const text = context.sourceCode.getText(node);
      if (!text.includes("[Symbol.")) reads.push({ path, text });
    },
  });
  const failed = Deno.lint.runPlugin({ name: "tables", rules: { read: { create } } }, path, source);
  if (failed.length > 0) throw new Error(`${path}: ${failed[0]!.message}`);
  return reads;
}

function isTable(object: Deno.lint.Expression | { type: string }): boolean {
  if (object.type === "Identifier") return /^[A-Z][A-Z0-9_]+$/.test((object as Deno.lint.Identifier).name);
  const { property } = object as { property?: { type: string } };
  return object.type === "MemberExpression" && property?.type === "PrivateIdentifier";
}

function isNumber(property: { type: string }): boolean {
  return property.type === "Literal" || property.type === "UpdateExpression";
}
