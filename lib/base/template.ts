/** What stands between `${` and `}`: a variable to fill in. `$${` is a literal `${`. */
const VARIABLE = /\$\$\{|\$\{([^{}]*)\}/g;

/** Names of the `${}` variables in `text`, in order. */
export function variablesIn(text: string): string[] {
  return [...text.matchAll(VARIABLE)].flatMap(([, name]) => name === undefined ? [] : [name]);
}

/** `text` with each variable replaced by what `lookup` gives and each `$${` by `${`. */
export function fill(text: string, lookup: (name: string) => string): string {
  return text.replace(VARIABLE, (whole, name?: string) => name === undefined ? whole.slice(1) : lookup(name));
}

/**
 * `text` with the variables `lookup` knows replaced and the others left for a later {@linkcode fill}. All else is
 * escaped, so that a value that happens to hold `${` is not taken for a variable then.
 */
export function fillSome(text: string, lookup: (name: string) => string | undefined): string {
  let done = "";
  let literal = "";
  let end = 0;
  const flush = () => done += escapeVariables(literal);
  for (const { 0: whole, 1: name, index } of text.matchAll(VARIABLE)) {
    const value = name === undefined ? whole.slice(1) : lookup(name);
    literal += text.slice(end, index) + (value ?? "");
    end = index + whole.length;
    if (value !== undefined) continue;
    flush();
    done += whole;
    literal = "";
  }
  literal += text.slice(end);
  return flush();
}

/** `text` such that {@linkcode fill} gives it back as it is. */
export function escapeVariables(text: string): string {
  return text.replaceAll("${", () => "$${");
}
